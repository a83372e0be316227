"""telegauge-collector command: ask a device to do something, once."""

import argparse
import sys
from typing import TYPE_CHECKING

from collector.commands import control_socket, settings_of
from service import control, table
from service.cli import UsageError, add_json, to_json

if TYPE_CHECKING:
    from collector.remote import CommandAnswer

HELP = "ask a connected device to do something its device.yaml allows, once"
# For the way there and back, beside the time that the device is given.
_WAY_S = 8.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the device, the command and its arguments, and the time."""
    parser.add_argument("device", metavar="DEVICE", help="the device's name")
    parser.add_argument(
        "name",
        metavar="NAME",
        help="ping | identify | read_now [SENSOR] | set_interval SENSOR DURATION | output NAME on|off",
    )
    parser.add_argument("words", nargs="*", metavar="ARGS", help="what the command takes")
    parser.add_argument(
        "--within",
        default="10s",
        metavar="DURATION",
        help="how long the device has from when it hears of it, else it does not begin; 100ms to 50s, left out: 10s",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Ask the running collector; print what came of it. 0 only when the device says: done."""
    from collector.times import told, zone_of

    settings = settings_of(options)
    answer = _asked(options)
    if options.json:
        print(to_json(answer))
        return _code(answer)
    when = ""
    if answer.heard_ns is not None:
        when = f" (last heard {told(answer.heard_ns, zone_of(settings.time_zone))})"
    outcome = answer.outcome.replace("_", " ")
    out = sys.stderr if _code(answer) else sys.stdout
    print(f"{outcome}: {_printable(answer.detail)}{when}", file=out, flush=True)
    if answer.values:
        print("\n".join(table.lines(("SERIES", ">VALUE"), map(_row, answer.values.items()))))
    return _code(answer)


def _asked(options: argparse.Namespace) -> "CommandAnswer":
    from collector.remote import MAX_WITHIN_S, CommandAnswer
    from config.quantities import duration, format_duration

    try:
        within_s: float = duration("100ms", format_duration(MAX_WITHIN_S)).read(options.within)
    except ValueError as error:
        raise UsageError(f"--within: {error}") from None
    wanted = {"device": options.device, "name": options.name, "arguments": options.words}
    socket = control_socket()
    try:
        return control.ask_for(
            CommandAnswer, socket, "command", within_s + _WAY_S, **wanted, within_s=within_s
        )
    except (control.NotRunning, control.NotPermitted, control.Failed):
        raise  # nothing was sent
    except control.ControlError as error:
        return CommandAnswer("unknown", f"{error}: it may have been done or not")


def _code(answer: "CommandAnswer") -> int:
    return 0 if answer.outcome == "done" else 1


def _row(entry: tuple[str, str | float | None]) -> tuple[str, str]:
    name, value = entry
    if value is None:
        return _printable(name), "-"
    return _printable(name), _printable(value) if isinstance(value, str) else f"{value:.12g}"


def _printable(text: str) -> str:
    """Return what a device said without what could forge a line of the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
