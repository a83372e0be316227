"""device.lights: an LED of the kernel and an output, and that each is put back."""

from pathlib import Path

import pytest

from device.lights import ActivityLed, OutputLight, activity_led
from device.outputs import Output


def led(leds: Path, name: str = "ACT", brightness: str = "0\n") -> Path:
    """A folder with the files that the kernel shows of an LED."""
    folder = leds / name
    folder.mkdir()
    (folder / "trigger").write_text("none rc-feedback [mmc0] timer heartbeat\n")
    (folder / "brightness").write_text(brightness)
    (folder / "max_brightness").write_text("255\n")
    return folder


def test_the_trigger_stands_aside_and_comes_back(tmp_path: Path) -> None:
    """Else the card's own flicker would blink along, and after us nothing would."""
    folder = led(tmp_path)
    light = ActivityLed(folder)
    light.show(True)
    assert (folder / "trigger").read_text() == "none"
    assert (folder / "brightness").read_text() == "255"
    light.show(False)
    assert (folder / "brightness").read_text() == "0"
    light.restore()
    assert (folder / "trigger").read_text() == "mmc0"
    assert light.name == "the LED ACT of the board"


def test_led_without_a_trigger_gets_its_brightness_back(tmp_path: Path) -> None:
    """Somebody may have put it on by hand."""
    folder = led(tmp_path, brightness="255\n")
    (folder / "trigger").write_text("[none] timer\n")
    light = ActivityLed(folder)
    light.show(False)
    light.restore()
    assert (folder / "trigger").read_text() == "none"
    assert (folder / "brightness").read_text() == "255"


def test_restore_without_a_show_touches_nothing(tmp_path: Path) -> None:
    """It may fail before it began."""
    folder = led(tmp_path)
    ActivityLed(folder).restore()
    assert "[mmc0]" in (folder / "trigger").read_text()


@pytest.mark.parametrize("name", ["ACT", "led0"])
def test_the_activity_led_is_found_by_either_name(tmp_path: Path, name: str) -> None:
    """Kernels named it differently."""
    led(tmp_path, "PWR")
    led(tmp_path, name)
    found = activity_led(tmp_path)
    assert found is not None
    assert name in found.name


def test_no_led_is_no_error(tmp_path: Path) -> None:
    """A PC has none, and a container not even the folder."""
    led(tmp_path, "input3::capslock")
    assert activity_led(tmp_path) is None
    assert activity_led(tmp_path / "leds") is None


def test_led_that_may_not_be_written_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the unit's sandbox makes of it: a file system that is read-only (root may do all else)."""
    led(tmp_path)
    monkeypatch.setattr("os.access", lambda file, _mode: "brightness" not in str(file))
    assert activity_led(tmp_path) is None


class Bulb(Output):
    """An output without a pin."""

    def __init__(self, is_on: bool) -> None:
        super().__init__("", {})
        self.states = [is_on]

    def switch(self, is_on: bool) -> bool:
        """Note it."""
        self.states.append(is_on)
        return self.states[-2]


@pytest.mark.parametrize("is_on", [True, False])
def test_output_is_as_it_was_in_the_end(is_on: bool) -> None:
    """Who had it on has it on again."""
    bulb = Bulb(is_on)
    light = OutputLight("lamp", bulb)
    light.restore()
    assert bulb.states == [is_on]
    for state in (True, False, True):
        light.show(state)
    light.restore()
    assert bulb.states == [is_on, True, False, True, is_on]
    assert light.name == "the output `lamp`"
