"""Edges, end to end: a pin is driven, and its state is in the store with the time of the edge."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.pinned import DOOR, RAIN, Pinned, running
from kit.waiting import wait_until


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Pinned]:
    """Both programs, running."""
    with running(tmp_path) as made:
        yield made


def test_every_edge_is_stored_with_its_time(pins: Pinned) -> None:
    """In order, each once, at the moment at which the pin moved; the sensor is read once an hour."""
    levels = ["low", "high"] * 20
    pins.drive(DOOR, *levels)
    wait_until(lambda: len(pins.readings("pi/door.pressed")) == 1 + len(levels))
    _, *found = pins.readings("pi/door.pressed")
    assert [each.value for each in found] == [1.0, 0.0] * 20
    offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    late_ns = [
        each.time_ns - driven_ns - offset_ns
        for each, driven_ns in zip(found, pins.driven_ns(), strict=True)
    ]
    assert all(-50_000_000 < late < 5_000_000_000 for late in late_ns), late_ns
    assert pins.device.ask("status")["sensors"][0]["events"] == len(levels)


def test_count_goes_on_over_kill_9(pins: Pinned) -> None:
    """Pulses between two reads are all counted, and none is forgotten with the agent."""
    pins.drive(RAIN, *["low", "high"] * 30)
    wait_until(lambda: pins.readings("pi/rain.count")[-1].value == 30)
    pins.device.kill()
    pins.device.start()
    wait_until(lambda: pins.device.ask("status")["sensors"][1]["reads"])
    pins.drive(RAIN, *["low", "high"] * 12)
    wait_until(lambda: pins.readings("pi/rain.count")[-1].value == 42)
    counts = [each.value for each in pins.readings("pi/rain.count")]
    assert counts == sorted(counts)
