"""device.outputs: what may be switched, on gpiozero's own mock pins."""

from collections.abc import Iterator
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from device.outputs import Output, problems
from device.sensors import SensorError

CLASSES = ("Buzzer", "DigitalOutputDevice", "LED", "OutputDevice")


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    """Mock pins; look at them with `pins.pin(4).state`."""
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


@pytest.mark.parametrize("name", CLASSES)
def test_output_follows_its_switch(pins: MockFactory, name: str) -> None:
    """On is high; each switch says what was before."""
    assert problems(f"gpiozero:{name}", {"pin": 4}) == []
    output = Output(f"gpiozero:{name}", {"pin": 4})
    assert not output.is_open
    assert output.switch(True) is False
    assert pins.pin(4).state == 1
    assert output.switch(True) is True
    assert output.switch(False) is True
    assert pins.pin(4).state == 0
    assert output.switch(False) is False
    output.close()


def test_relay_that_is_on_when_low(pins: MockFactory) -> None:
    """`active_high: false` is what most relay boards want."""
    output = Output("gpiozero:OutputDevice", {"pin": 17, "active_high": False})
    output.switch(False)
    assert pins.pin(17).state == 1
    output.switch(True)
    assert pins.pin(17).state == 0
    output.close()


def test_pin_is_taken_at_the_first_switch_and_given_back(pins: MockFactory) -> None:
    """An output that nobody switches touches nothing; close may come twice, and a switch after."""
    output, other = (Output("gpiozero:LED", {"pin": 4}) for _ in range(2))
    output.switch(True)
    with pytest.raises(SensorError, match=r"LED\(pin=4\): GPIOPinInUse: "):
        other.switch(True)
    assert not other.is_open
    output.close()
    output.close()
    assert not output.is_open
    assert pins.pin(4).function == "input"
    assert other.switch(True) is False
    other.close()


@pytest.mark.parametrize(
    ("driver", "options", "option", "part"),
    [
        ("led", {}, None, "nothing to switch with `led`. Accepted: gpiozero:Buzzer, gpiozero:Dig"),
        ("gpiozero:Button", {"pin": 4}, None, "no class `Button` to be switched. Accepted: Buzzer"),
        ("gpiozero:LDE", {"pin": 4}, None, "Did you mean `LED`?"),
        ("gpiozero", {}, None, "write `gpiozero:CLASS`. Accepted: Buzzer"),
        ("host", {}, None, "nothing to switch with `host`"),
        ("gpiozero:LED", {}, None, "`gpiozero:LED` needs the option `pin`"),
        ("gpiozero:LED", {"pni": 4, "pin": 4}, "pni", "Did you mean `pin`?"),
        ("gpiozero:LED", {"pin": 4.5}, "pin", "must be a whole number or text, not 4.5"),
        ("gpiozero:LED", {"pin": 4, "active_high": 1}, "active_high", "must be true or false"),
        ("gpiozero:Buzzer", {"pin": 4, "pin_factory": "x"}, "pin_factory", "has no option"),
    ],
)
def test_what_is_wrong_is_told(
    driver: str, options: dict[str, Any], option: str | None, part: str
) -> None:
    """Like a sensor's, with the key at fault; no pins are needed for it."""
    [problem] = problems(driver, options)
    assert problem.option == option
    assert part in problem.message


def test_no_pins_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for sensors."""
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nonsense")
    with pytest.raises(SensorError, match="GPIOZERO_PIN_FACTORY=mock"):
        Output("gpiozero:LED", {"pin": 4}).switch(True)
