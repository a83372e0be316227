"""device.sensors.pulses: counts the edges of gpiozero's mock pins."""

import time
from collections.abc import Iterator
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from device.sensors import make, problems
from device.sensors.pulses import Pulses
from kit.waiting import wait_until


@pytest.fixture(autouse=True)
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    """Mock pins, and folders of the test's own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


def opened(**options: object) -> Pulses:
    """An open counter of pin 4."""
    adapter = make("pulses", {"pin": 4, **options})
    assert isinstance(adapter, Pulses)
    adapter.open()
    return adapter


def pulse(pins: MockFactory, times: int) -> None:
    """Let the pin, pulled up, be pulled down and let go."""
    for _ in range(times):
        pins.pin(4).drive_low()
        pins.pin(4).drive_high()


def values(adapter: Pulses) -> dict[str, float]:
    """What one read gives, by channel."""
    return {sample.channel: sample.value for sample in adapter.read()}


def test_every_pulse_counts(pins: MockFactory) -> None:
    """A contact to ground by default: going low is a pulse, coming back is none."""
    adapter = opened()
    pulse(pins, 3)
    assert values(adapter)["count"] == 3
    pins.pin(4).drive_low()
    assert values(adapter)["count"] == 4
    adapter.close()


def test_rate_is_since_the_read_before(pins: MockFactory) -> None:
    """Pulses a second; none since then is 0."""
    adapter = opened()
    adapter.read()
    began_s = time.monotonic()
    pulse(pins, 10)
    wait_until(lambda: time.monotonic() > began_s + 0.05)
    rate = values(adapter)["rate"]
    assert 0 < rate <= 10 / 0.05
    assert values(adapter)["rate"] == 0
    adapter.close()


def test_what_bounces_counts_once(pins: MockFactory) -> None:
    """Within `bounce_time` of a pulse there is no other; behind it there is."""
    adapter = opened(bounce_time=0.02)
    pulse(pins, 5)
    assert values(adapter)["count"] == 1
    wait_until(lambda: _settled(adapter))
    pulse(pins, 5)
    assert values(adapter)["count"] == 2
    adapter.close()


def _settled(adapter: Pulses) -> bool:
    """Whether the bouncing is over."""
    edges = adapter._edges
    return edges is not None and edges._debounce.settles_ns is None


def test_count_goes_on(pins: MockFactory) -> None:
    """Over a close and an open, as over a restart of the agent."""
    adapter = opened()
    pulse(pins, 3)
    adapter.close()
    again = opened()
    pulse(pins, 2)
    assert values(again)["count"] == 5
    again.close()


@pytest.mark.parametrize(
    ("driver", "options", "told"),
    [
        ("pulses", {}, "`pulses` needs the option `pin`"),
        ("pulses:4", {"pin": 4}, "write `pulses` alone"),
        ("pulses", {"pin": 4, "pull_up": None}, "a pin without a pull needs `active_state`"),
        ("pulses", {"pin": 4, "bounce": 1}, "Did you mean `bounce_time`?"),
    ],
)
def test_what_is_wrong_is_told(driver: str, options: dict[str, object], told: str) -> None:
    """Without hardware."""
    [problem] = problems(driver, options)
    assert told in problem.message
