"""Adapters that listen: their thread, what it does with lines and failures, and how it ends."""

import selectors
import socket

import pytest

from device.sensors import SensorError
from device.sensors.hearing import HearingAdapter
from kit.listening import Ear, held
from kit.programs import boottime_ns
from kit.waiting import wait_until

OPTIONS = {"parse": "auto", "pattern": None, "stale_after": 60.0}


class Wire(HearingAdapter):
    """Listens to one end of a pair of sockets, `far` is the other; the bytes `fail` are a failure."""

    fails_to_open = False

    def _take(self, selector, taken):
        near, self.far = (taken.enter_context(end) for end in socket.socketpair())
        if self.fails_to_open:
            raise SensorError("no wire")
        selector.register(near, selectors.EVENT_READ, self._take_bytes)

    def _take_bytes(self, near):
        data = near.recv(100)
        if data == b"fail":
            raise RuntimeError("torn")
        self._hear(data.splitlines(), boottime_ns())


@pytest.fixture
def wire():
    """An open wire, which leaves nothing behind when it is closed."""
    before = held()
    wire = Wire("wire", OPTIONS)
    wire.ear = Ear()
    wire.listen(wire.ear)
    wire.open()
    yield wire
    wire.close()
    assert held() == before


def test_what_comes_is_emitted_as_it_comes(wire):
    """Line by line; a read adds nothing, and what is no reading is left out."""
    before_ns = boottime_ns()
    wire.far.send(b"a=1\nhello\nb 2")
    wait_until(lambda: len(wire.ear.events) == 2)
    assert wire.ear.values == [{"a": 1}, {"b": 2}]
    assert before_ns < wire.ear.times_ns[0] < wire.ear.times_ns[1] <= boottime_ns()
    assert [channel.name for channel in wire.channels] == ["a", "b"]
    assert wire.read() == []


def test_nobody_need_listen():
    """An adapter may be opened and read alone."""
    wire = Wire("wire", OPTIONS)
    wire.open()
    wire.far.send(b"a=1")
    wait_until(lambda: wire.channels)
    assert wire.read() == []
    wire.close()


def test_a_failure_is_the_next_reads(wire):
    """As an OSError, until it was opened anew; then all is well."""
    wire.far.send(b"fail")
    wait_until(lambda: wire._failure)
    for _ in range(2):
        with pytest.raises(OSError, match=r"^torn$"):
            wire.read()
    wire.open()
    assert wire.read() == []
    wire.far.send(b"a=1")
    wait_until(lambda: wire.ear.events)


def test_what_was_heard_outlives_a_close(wire):
    """Channels are known while it is closed."""
    wire.far.send(b"a=1")
    wait_until(lambda: wire.channels)
    wire.close()
    assert [channel.name for channel in wire.channels] == ["a"]
    with pytest.raises(SensorError, match="not open"):
        wire.read()


def test_a_failed_open_leaves_nothing_behind():
    """No descriptor and no thread, also without a close."""
    before = held()
    wire = Wire("wire", OPTIONS)
    wire.fails_to_open = True
    with pytest.raises(SensorError, match="no wire"):
        wire.open()
    assert held() == before
    wire.close()


def test_closed_while_it_is_opened_it_does_not_stay_open():
    """An open that hung is not waited for; what it took in the end is given back."""
    before = held()
    wire = Wire("wire", OPTIONS)
    take, wire._take = wire._take, lambda *given: (take(*given), wire.close())
    with pytest.raises(SensorError, match="not open"):
        wire.open()
    assert held() == before
