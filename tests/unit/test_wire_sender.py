"""wire.sender: the device's end, without a socket and with a clock of our own."""

import pytest

from kit.wireworks import BOOT, EPOCH, sealed_batch
from wire import frames
from wire.batches import Place
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
from wire.sender import WINDOW_BYTES, Sender


def said(sender: Sender, now_s: float = 0.0) -> list[frames.Body | bytes]:
    """What the sender has to say, decoded; a batch as its bytes."""
    reader = frames.FrameReader(frames.MAX_FRAME_BYTES)
    found = reader.feed(b"".join(sender.outgoing(now_s)))
    return [
        data if kind is frames.FrameType.BATCH else frames.decode(kind, data)
        for kind, data in found
    ]


def open_sender() -> Sender:
    """A sender that the collector has let in."""
    sender = Sender("greenhouse", "test", 0.0)
    assert said(sender) == [Hello("greenhouse", 1, 1, "test")]
    assert sender.receive(frames.encode(Ready(1, "c")), 0.0) == [Ready(1, "c")]
    return sender


def test_conversation_goes_hello_describe_hold_batch() -> None:
    """The order of PROTOCOL.md, and nothing before its turn."""
    sender = open_sender()
    sender.describe(Describe([]))
    sender.hold([Held(EPOCH, BOOT, 1)])
    assert said(sender) == [Describe([]), Hold([Held(EPOCH, BOOT, 1)])]
    marks = Marks([Mark(EPOCH, 0)])
    assert sender.receive(frames.encode(marks), 0.0) == [marks]
    sealed = sealed_batch()
    sender.batch(Place(EPOCH, 1, 0), sealed)
    sender.gap(Gap(EPOCH, 2, 3, "collector_rollback"))
    assert said(sender) == [sealed, Gap(EPOCH, 2, 3, "collector_rollback")]
    assert sender.unacknowledged_bytes == len(sealed)
    assert sender.receive(frames.encode(Ack(EPOCH, 1)), 0.0) == [Ack(EPOCH, 1)]
    assert sender.unacknowledged_bytes == 0


def test_long_description_goes_in_several_frames() -> None:
    """A device with thousands of channels is described whole, each frame within the limit."""
    channels = [ChannelDescription(f"channel_{n}", "degC", "temperature") for n in range(1000)]
    sensors = [SensorDescription(f"s{n}", "synthetic:sine", 1.0, channels) for n in range(9)]
    sender = open_sender()
    sender.describe(Describe(sensors, "many"))
    told = said(sender)
    assert len(told) > 1
    assert all(isinstance(each, Describe) and each.label == "many" for each in told)
    assert [s for each in told if isinstance(each, Describe) for s in each.sensors] == sensors


def test_nothing_may_be_said_before_ready() -> None:
    """A bug of ours is seen at once, not on the wire."""
    sender = Sender("greenhouse", "test", 0.0)
    for act in (
        lambda: sender.describe(Describe([])),
        lambda: sender.hold([]),
        lambda: sender.batch(Place(EPOCH, 1, 0), b""),
        lambda: sender.gap(Gap(EPOCH, 1, 1, "x")),
    ):
        with pytest.raises(LocalProtocolError):
            act()


def test_window_bounds_what_is_unacknowledged() -> None:
    """512 KiB and no more; a single batch always goes."""
    sender = open_sender()
    assert sender.has_room(WINDOW_BYTES + 1)
    sender.batch(Place(EPOCH, 1, 0), bytes(WINDOW_BYTES - 10))
    assert sender.has_room(10)
    assert not sender.has_room(11)
    with pytest.raises(LocalProtocolError, match="no room"):
        sender.batch(Place(EPOCH, 2, 0), bytes(11))
    sender.receive(frames.encode(Ack(EPOCH, 1)), 0.0)
    assert sender.has_room(11)


def test_ack_is_cumulative_and_of_its_epoch_only() -> None:
    """An acknowledgement frees what it covers, and nothing of another epoch."""
    sender = open_sender()
    other = bytes(16)
    for seq in (1, 2, 3):
        sender.batch(Place(EPOCH, seq, 0), bytes(10))
    sender.batch(Place(other, 1, 0), bytes(7))
    sender.receive(frames.encode(Ack(EPOCH, 2)), 0.0)
    assert sender.unacknowledged_bytes == 17
    sender.receive(frames.encode(Ack(other, 9)), 0.0)
    assert sender.unacknowledged_bytes == 10


@pytest.mark.parametrize(
    "body",
    [Hello("x", 1, 1), Describe([]), Ready(1), Marks([])],
    ids=lambda body: type(body).__name__,
)
def test_frames_out_of_turn_end_the_session(body: frames.Body) -> None:
    """What a collector does not say at this point is answered with BYE, and never raises."""
    sender = open_sender()
    (closed,) = sender.receive(frames.encode(body), 0.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "protocol_error"
    assert [type(each) for each in said(sender)] == [Bye]


def test_ack_of_an_epoch_never_spoken_of_ends_the_session() -> None:
    """A promise for somebody else's batches must not free ours."""
    sender = open_sender()
    sender.hold([Held(EPOCH, BOOT, 1)])
    assert sender.receive(frames.encode(Ack(EPOCH, 0)), 0.0) == [Ack(EPOCH, 0)]
    (closed,) = sender.receive(frames.encode(Ack(bytes(16), 1)), 0.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "protocol_error"


def test_batches_are_not_for_the_device() -> None:
    """A BATCH from the collector is refused."""
    (closed,) = open_sender().receive(frames.encode_batch(sealed_batch()), 0.0)
    assert isinstance(closed, Closed)
    assert "takes none" in closed.detail


def test_ready_of_another_version_ends_the_session() -> None:
    """A version that was not offered is not spoken."""
    sender = Sender("greenhouse", "test", 0.0)
    (closed,) = sender.receive(frames.encode(Ready(2)), 0.0)
    assert isinstance(closed, Closed)
    assert "version 2" in closed.detail


def test_no_ready_within_five_seconds_ends_the_session() -> None:
    """A peer that accepts and says nothing is given up."""
    sender = Sender("greenhouse", "test", 100.0)
    assert sender.next_deadline_s() == 105.0
    assert sender.tick(104.9) == []
    (closed,) = sender.tick(105.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "silence"


def test_ping_goes_out_after_five_quiet_seconds() -> None:
    """Each end says something at least every 5 s, and answers PING with its token."""
    sender = open_sender()
    assert sender.tick(4.9) == []
    assert said(sender, 4.9) == []
    sender.tick(5.0)
    assert said(sender, 5.0) == [Ping()]
    assert sender.next_deadline_s() == 10.0
    sender.receive(frames.encode(Ping(42)), 6.0)
    assert said(sender, 6.0) == [Pong(42)]


def test_fifteen_silent_seconds_end_the_session() -> None:
    """A pulled cable is noticed; a PONG is a sign of life; half a frame is none."""
    sender = open_sender()
    sender.receive(frames.encode(Pong()), 10.0)
    sender.receive(frames.encode(Pong())[:-1], 20.0)
    assert sender.tick(24.9) == []
    (closed,) = sender.tick(25.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "silence"


def test_who_does_not_read_counts_no_silence() -> None:
    """Backpressure is no fault of the peer."""
    sender = open_sender()
    sender.set_reading(False, 1.0)
    assert sender.tick(100.0) == []
    sender.set_reading(True, 100.0)
    assert sender.tick(114.9) == []
    assert sender.tick(115.0) != []


def test_bye_of_the_peer_carries_its_wish() -> None:
    """Reason and retry_after_s reach the owner; nothing is answered."""
    sender = open_sender()
    said(sender)
    events = sender.receive(frames.encode(Bye("replaced", 60.0, "why")), 0.0)
    assert events == [Closed("replaced", "why", 60.0, by_peer=True)]
    assert said(sender) == []
    assert sender.receive(frames.encode(Ping()), 0.0) == []


def test_end_of_stream_is_reported_once() -> None:
    """A lost connection ends the session; what comes later is ignored."""
    sender = open_sender()
    (closed,) = sender.receive_end()
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by_peer) == ("connection_lost", True)
    assert sender.receive_end() == []
    assert sender.state is State.CLOSED
