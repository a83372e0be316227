"""wire.receiver: the collector's end, without a socket; a stranger's bytes never raise."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import BOOT, EPOCH, resealed, sealed_batch
from wire import frames
from wire.conversation import Closed, State
from wire.errors import LocalProtocolError
from wire.frames import (
    Ack,
    Bye,
    ChannelDescription,
    Describe,
    Gap,
    Held,
    Hello,
    Hold,
    Mark,
    Marks,
    Ping,
    Pong,
    Ready,
    SensorDescription,
)
from wire.receiver import Arrived, Receiver

HELLO = frames.encode(Hello("greenhouse", 1, 1, "test"))


def said(receiver: Receiver) -> list[frames.Body]:
    """What the receiver has to say, decoded."""
    found = frames.FrameReader(frames.MAX_FRAME_BYTES).feed(b"".join(receiver.outgoing(0.0)))
    return [frames.decode(kind, data) for kind, data in found]


def open_receiver() -> Receiver:
    """A receiver that has let its device in."""
    receiver = Receiver(0.0)
    assert receiver.receive(HELLO, 0.0) == [Hello("greenhouse", 1, 1, "test")]
    receiver.ready("c")
    assert said(receiver) == [Ready(1, "c")]
    return receiver


def closed_by(receiver: Receiver, data: bytes) -> Closed:
    """Give bytes that must end the session; return how it ended."""
    *_, closed = receiver.receive(data, 0.0)
    assert isinstance(closed, Closed)
    assert receiver.state is State.CLOSED
    return closed


def test_events_come_in_the_order_of_the_stream() -> None:
    """Everything a device says reaches the owner as it came."""
    receiver = open_receiver()
    sealed = sealed_batch()
    gap = Gap(EPOCH, 2, 3, "collector_rollback")
    hold = Hold([Held(EPOCH, BOOT, 1)])
    stream = (
        frames.encode(Describe([])) + frames.encode(hold)
        + frames.encode_batch(sealed) + frames.encode(gap)
    )  # fmt: skip
    describe_event, hold_event, arrived, gap_event = receiver.receive(stream, 0.0)
    assert (describe_event, hold_event, gap_event) == (Describe([]), hold, gap)
    assert isinstance(arrived, Arrived)
    assert arrived.sealed == sealed
    assert arrived.header.place.seq == 1


def test_answers_are_marks_and_acks() -> None:
    """What the owner decides goes out as frames."""
    receiver = open_receiver()
    receiver.marks(Marks([Mark(EPOCH, 4)]))
    receiver.ack(EPOCH, 5)
    assert said(receiver) == [Marks([Mark(EPOCH, 4)]), Ack(EPOCH, 5)]


def test_nothing_is_acknowledged_before_ready() -> None:
    """A bug of ours is seen at once."""
    receiver = Receiver(0.0)
    with pytest.raises(LocalProtocolError):
        receiver.ack(EPOCH, 1)
    with pytest.raises(LocalProtocolError):
        receiver.marks(Marks([]))


@pytest.mark.parametrize(
    "data",
    [
        frames.encode(Describe([])),
        frames.encode(Hold([])),
        frames.encode(Ack(EPOCH, 1)),
        frames.encode(Ready(1)),
        frames.encode_batch(sealed_batch()),
        b"abc" + bytes(10),
        struct.pack("<IB", 1025, 1),
        b"\xff" * 64,
    ],
)
def test_strangers_before_hello_get_bye(data: bytes) -> None:
    """Anything but HELLO ends the session with a frame that says why."""
    receiver = Receiver(0.0)
    assert closed_by(receiver, data).reason == "protocol_error"
    assert [type(each) for each in said(receiver)] == [Bye]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /api HTTP/1.1\r\n"])
def test_browser_is_told_where_it_is(data: bytes) -> None:
    """HTTP gets an HTTP answer, and the log a reason."""
    receiver = Receiver(0.0)
    assert closed_by(receiver, data) == Closed("not_a_device", "the peer speaks HTTP")
    answer = b"".join(receiver.outgoing(0.0))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"telegauge-device" in answer


def test_tls_is_recognised() -> None:
    """A peer that speaks TLS is named as such, not as garbage."""
    assert "TLS" in closed_by(Receiver(0.0), b"\x16\x03\x01\x02\x00\x01").detail


def test_three_letters_wait_for_more_then_time_out() -> None:
    """A peer that sends less than a head is no error until its five seconds are over."""
    receiver = Receiver(0.0)
    assert receiver.receive(b"abc", 1.0) == []
    (closed,) = receiver.tick(5.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "silence"


@pytest.mark.parametrize("name", ["", "Green House", "a/b", "-a", "ä"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    """A device that cannot be named cannot send."""
    assert "cannot name" in closed_by(Receiver(0.0), frames.encode(Hello(name, 1, 1))).detail


def test_no_common_version_says_so() -> None:
    """A newer device learns which version is spoken here."""
    receiver = Receiver(0.0)
    closed = closed_by(receiver, frames.encode(Hello("a", 2, 3)))
    assert closed.reason == "unsupported_version"
    assert "speaks 1" in closed.detail
    assert closed.retry_after_s > 0


def test_range_of_versions_that_holds_ours_is_welcome() -> None:
    """A device that speaks more than we do is let in."""
    assert Receiver(0.0).receive(frames.encode(Hello("a", 0, 9)), 0.0) == [Hello("a", 0, 9)]


def described(**changed: str) -> bytes:
    """A DESCRIBE with one channel, and one thing about it changed."""
    facts = {"sensor": "air", "channel": "t", "unit": "degC", "label": "Air", "driver": "host"}
    facts |= changed
    channel = ChannelDescription(facts["channel"], facts["unit"], "temperature", 1, facts["label"])
    sensor = SensorDescription(facts["sensor"], facts["driver"], 1.0, [channel], label="Außen")
    return frames.encode(Describe([sensor], facts["label"]))


@pytest.mark.parametrize(
    "changed",
    [{"sensor": "Air"}, {"channel": "a.b"}, {"unit": "\x1b[31m"}, {"unit": "°" * 9},
     {"label": "a\nb"}, {"driver": "\x07"}],
)  # fmt: skip
def test_description_that_could_forge_a_line_is_refused(changed: dict[str, str]) -> None:
    """What is shown in terminals is names, and words that print."""
    assert len(open_receiver().receive(described(), 0.0)) == 1
    assert closed_by(open_receiver(), described(**changed)).reason == "protocol_error"


def test_second_hello_ends_the_session() -> None:
    """A device says who it is once."""
    assert closed_by(open_receiver(), HELLO).reason == "protocol_error"


def test_damaged_batch_ends_the_session() -> None:
    """A checksum that does not match is never stored."""
    sealed = bytearray(sealed_batch())
    sealed[-1] ^= 1
    assert "checksum" in closed_by(open_receiver(), frames.encode_batch(bytes(sealed))).detail


def test_batch_that_lies_about_itself_ends_the_session() -> None:
    """A header that cannot be is refused although its checksum fits."""
    lie = resealed(sealed_batch(), 24, bytes(8))
    assert "seq 0" in closed_by(open_receiver(), frames.encode_batch(lie)).detail


def test_gap_that_ends_before_it_begins_is_refused() -> None:
    """A mark never goes back."""
    gap = frames.encode(Gap(EPOCH, 3, 2, "x"))
    assert closed_by(open_receiver(), gap).reason == "protocol_error"


def test_ping_is_answered() -> None:
    """Also on this end."""
    receiver = open_receiver()
    assert receiver.receive(frames.encode(Ping(9)), 0.0) == []
    assert said(receiver) == [Pong(9)]


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_any_bytes_in_any_pieces_never_raise(pieces: list[bytes], let_in: bool) -> None:
    """Whatever a stranger sends, before or after READY, ends in events."""
    receiver = open_receiver() if let_in else Receiver(0.0)
    for piece in pieces:
        receiver.receive(piece, 0.0)
    receiver.receive_end()
    assert receiver.state is State.CLOSED


@given(st.data())
def test_mutated_conversation_never_raises(data: st.DataObject) -> None:
    """A real conversation with bytes changed, cut or doubled ends in events, never in an error."""
    stream = bytearray(
        HELLO + frames.encode(Describe([])) + frames.encode_batch(sealed_batch())
        + frames.encode(Gap(EPOCH, 2, 3, "x"))
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    receiver = Receiver(0.0)
    for event in receiver.receive(bytes(stream), 0.0):
        if isinstance(event, Hello) and receiver.state is State.GREETING:
            receiver.ready("c")
    receiver.receive_end()
