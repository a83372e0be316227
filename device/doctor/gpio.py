"""The pins: whether lgpio, by which gpiozero drives them, is there and whole."""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from device.doctor.board import Board
from device.doctor.finding import Finding, as_needed, good
from device.doctor.needs import Needs
from device.doctor.place import Place

_SUBJECT = "gpio"
# In a process of its own: the import makes a pipe in the working directory, and a broken one may do worse.
# An empty lgpio 0.0.0.2 is what pip finds where there is no wheel for a Python.
_PROBE = """
import os, tempfile
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ["LG_WD"] = folder
    try:
        import lgpio
    except ModuleNotFoundError as error:
        print("missing" if error.name == "lgpio" else f"broken {error}")
    except BaseException as error:
        print(f"broken {type(error).__name__}: {error}")
    else:
        print("whole" if hasattr(lgpio, "gpiochip_open") else "empty")
    os.chdir("/")
"""
_INSTALL = "sudo apt install python3-lgpio\nsudo systemctl restart telegauge-device"
_SAYS = {
    "missing": ("lgpio is not installed for this Python", _INSTALL),
    "empty": (
        "lgpio is an empty package (it has no gpiochip_open), as pip installs it where there is no wheel",
        f"{sys.executable} -m pip uninstall lgpio\n{_INSTALL}",
    ),
}


class Gpio(NamedTuple):
    """`lgpio` is whole, missing, empty, or broken and why; None where nobody could tell."""

    chips: tuple[str, ...] = ()
    lgpio: str | None = None
    pin_factory: str | None = None


def look(place: Place, environ: Mapping[str, str] = os.environ) -> Gpio:
    """Look for the chips, and try the import."""
    said = place.run((sys.executable, "-c", _PROBE))
    return Gpio(
        tuple(chip.name for chip in place.named("/dev/gpiochip*")),
        None if said is None else said.strip(),
        environ.get("GPIOZERO_PIN_FACTORY"),
    )


def judge(gpio: Gpio, board: Board, needs: Needs) -> list[Finding]:
    """Say what keeps pins from being read, on a Pi or where they are."""
    if not (board.is_pi or needs.pins):
        return []
    if gpio.pin_factory == "mock":
        return [good(_SUBJECT, "the pins are gpiozero's mock (GPIOZERO_PIN_FACTORY=mock)")]
    return [_chips(gpio, needs), *_lgpio(gpio, needs)]


def _chips(gpio: Gpio, needs: Needs) -> Finding:
    if gpio.chips:
        return good(_SUBJECT, f"pins: {', '.join(gpio.chips)}")
    return as_needed(
        needs.pins,
        _SUBJECT,
        "this machine has no pins (no /dev/gpiochip*)",
        "use a Raspberry Pi, or set GPIOZERO_PIN_FACTORY=mock to try it without",
    )


def _lgpio(gpio: Gpio, needs: Needs) -> list[Finding]:
    match gpio.lgpio:
        case None:
            return []
        case "whole":
            return [good(_SUBJECT, "lgpio is there and whole")]
    message, mend = _SAYS.get(
        gpio.lgpio, (f"lgpio cannot be imported ({gpio.lgpio.removeprefix('broken ')})", _INSTALL)
    )
    return [as_needed(needs.pins, _SUBJECT, message, mend)]
