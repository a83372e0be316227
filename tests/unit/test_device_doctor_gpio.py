"""device.doctor.gpio: lgpio is imported for real, in a process of its own."""

from pathlib import Path

import pytest

from device.doctor import gpio
from device.doctor.board import Board
from device.doctor.finding import Level
from device.doctor.gpio import Gpio
from device.doctor.needs import Needs
from device.doctor.place import Place

PI = Board("Raspberry Pi 5 Model B Rev 1.0")
PC = Board()
CHIPS = ("gpiochip0",)
BUTTON = Needs(pins=("door",))
WHOLE = "def gpiochip_open(chip): ...\nopen('.lgd-nfy0', 'w').close()\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (WHOLE, "whole"),
        ("", "empty"),
        ("import nosuchlib", "broken No module named 'nosuchlib'"),
        ("raise SystemExit(3)", "broken SystemExit: 3"),
        (None, "missing"),
    ],
)
def test_lgpio_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, said: str
) -> None:
    """Whole, the empty package that pip finds, broken in any way, or missing; nothing is left here."""
    if source is not None:
        (tmp_path / "lgpio.py").write_text(source)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert gpio.look(Place(), {}).lgpio == said
    assert list(work.iterdir()) == []


def test_chips_are_found(tmp_path: Path) -> None:
    """By their names in /dev."""
    (tmp_path / "dev").mkdir()
    for name in ("gpiochip0", "gpiochip4", "gpiomem"):
        (tmp_path / "dev" / name).touch()
    found = gpio.look(Place(tmp_path, lambda _: None), {"GPIOZERO_PIN_FACTORY": "lgpio"})
    assert found == Gpio(("gpiochip0", "gpiochip4"), None, "lgpio")


def test_all_is_well() -> None:
    """Two good lines."""
    found = gpio.judge(Gpio(CHIPS, "whole"), PI, BUTTON)
    assert [each.level for each in found] == [Level.GOOD, Level.GOOD]


@pytest.mark.parametrize(("needs", "level"), [(BUTTON, Level.BAD), (Needs(), Level.WARNING)])
@pytest.mark.parametrize("lgpio", ["missing", "empty", "broken OSError: x"])
def test_lgpio_is_not_whole(lgpio: str, needs: Needs, level: Level) -> None:
    """Bad where a sensor needs it, and named; the mend installs it."""
    _, found = gpio.judge(Gpio(CHIPS, lgpio), PI, needs)
    assert found.level is level
    assert "apt install python3-lgpio" in found.mend
    assert ("door" in found.message) is bool(needs.pins)


def test_a_machine_without_pins() -> None:
    """Nothing to say where nobody needs them; bad where somebody does, with the way without."""
    assert gpio.judge(Gpio(lgpio="missing"), PC, Needs()) == []
    found = gpio.judge(Gpio(), PC, BUTTON)
    assert [each.level for each in found] == [Level.BAD]
    assert "GPIOZERO_PIN_FACTORY=mock" in found[0].mend


def test_mock_pins_need_nothing() -> None:
    """Who tries it on a laptop hears of no lgpio."""
    (found,) = gpio.judge(Gpio(lgpio="missing", pin_factory="mock"), PC, BUTTON)
    assert found.level is Level.GOOD
