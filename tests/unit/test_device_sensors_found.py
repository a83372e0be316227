"""Channels that are known by what was read: how they grow, and the read that comes with the opening."""

import math

import pytest

from device.sensors import Sample, SensorError, found
from device.sensors.found import Found, FoundAdapter


class Counting(FoundAdapter):
    """Gives the number of its reads, and a channel more each time; `fails`: then it raises."""

    def __init__(self, most=64):
        super().__init__(most)
        self.reads = 0
        self.fails = False
        self.is_started = False

    def _start(self):
        self.is_started = True

    def _take(self):
        self.reads += 1
        if self.fails:
            raise OSError("no answer")
        return [Sample(f"c{n}", float(self.reads), "m") for n in range(self.reads)]

    def _stop(self):
        self.is_started = False


def values(samples):
    """The values of a read by channel."""
    return {sample.channel: sample.value for sample in samples}


def test_a_channel_that_does_not_come_has_no_value():
    """In the place that it has had from the first, and in its unit."""
    channels = Found(64)
    channels.completed([Sample("a", 1.0, "m"), Sample("b", 2.0, "s")])
    first, second, third = channels.completed([Sample("c", 3.0, ""), Sample("b", 4.0, "s")])
    assert math.isnan(first.value)
    assert first[::2] == ("a", "m")
    assert (second, third) == (Sample("b", 4.0, "s"), Sample("c", 3.0, ""))


def test_too_many_channels_are_refused():
    """And none of them is new then, so that those that there are go on."""
    channels = Found(2)
    channels.meet([Sample("a", 1.0, "")])
    with pytest.raises(SensorError, match="more than 2 channels; the next would be `b`"):
        channels.meet([Sample("b", 1.0, ""), Sample("c", 1.0, "")])
    assert [channel.name for channel in channels.channels] == ["a"]


def test_a_channel_keeps_its_unit():
    """Also where it is not said again; one series in two units would be two."""
    channels = Found(2)
    channels.completed([Sample("level", 1.0, "m")])
    assert channels.completed([Sample("level", 2.0, "")]) == [("level", 2.0, "m", 0)]
    with pytest.raises(SensorError, match="`level` was in `m` and is now in `cm`"):
        channels.completed([Sample("level", 100.0, "cm")])


def test_opening_reads_once_and_the_first_read_gives_that():
    """So that channels are known when it is open, at the price of no read."""
    adapter = Counting()
    adapter.open()
    assert [channel.name for channel in adapter.channels] == ["c0"]
    assert values(adapter.read()) == {"c0": 1}
    assert values(adapter.read()) == {"c0": 2, "c1": 2}
    assert [channel.name for channel in adapter.channels] == ["c0", "c1"]


def test_what_was_read_at_the_opening_does_not_get_old(monkeypatch):
    """A first read that comes late reads for itself."""
    monkeypatch.setattr(found, "_FRESH_S", 0.0)
    adapter = Counting()
    adapter.open()
    assert values(adapter.read()) == {"c0": 2, "c1": 2}


def test_a_failure_at_the_opening_is_that_of_the_first_read():
    """It is open, and fails to read: the next read may do better."""
    adapter = Counting()
    adapter.fails = True
    adapter.open()
    with pytest.raises(OSError, match="no answer"):
        adapter.read()
    adapter.fails = False
    assert values(adapter.read()) == {"c0": 2, "c1": 2}


def test_channels_outlive_a_close():
    """And a closed one refuses to read."""
    adapter = Counting()
    adapter.open()
    adapter.close()
    assert not adapter.is_started
    assert [channel.name for channel in adapter.channels] == ["c0"]
    with pytest.raises(SensorError, match="not open"):
        adapter.read()
