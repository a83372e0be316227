"""wire.conversation: what both ends do alike; here each is tried on both."""

from collections.abc import Callable

import pytest

from kit.wireworks import MOMENT
from wire import frames
from wire.bodies import Bye, Ping, Pong
from wire.conversation import Closed, Conversation, State
from wire.frames import Body
from wire.greetings import Hello, Ready
from wire.receiver import Receiver
from wire.sender import Sender

PONG = frames.encode(Pong())


def greeting_sender() -> Sender:
    """The device's end, before READY."""
    return Sender("greenhouse", "test", 0.0)


def greeting_receiver() -> Receiver:
    """The collector's end, before READY."""
    return Receiver(0.0)


def open_sender() -> Sender:
    """The device's end, let in."""
    sender = greeting_sender()
    sender.receive(frames.encode(Ready(1)), 0.0)
    return sender


def open_receiver() -> Receiver:
    """The collector's end, its device let in."""
    receiver = greeting_receiver()
    receiver.receive(frames.encode(Hello("greenhouse", 1, 1)), 0.0)
    receiver.ready("test")
    return receiver


@pytest.fixture(params=[open_sender, open_receiver], ids=["device", "collector"])
def end(request: pytest.FixtureRequest) -> Conversation:
    """Either end of a session, open and with nothing left to say."""
    make: Callable[[], Conversation] = request.param
    conversation = make()
    conversation.outgoing(0.0)
    assert conversation.state is State.OPEN
    return conversation


@pytest.fixture(params=[greeting_sender, greeting_receiver], ids=["device", "collector"])
def greeting_end(request: pytest.FixtureRequest) -> Conversation:
    """Either end before READY."""
    make: Callable[[], Conversation] = request.param
    return make()


def closed_at(end: Conversation, now_s: float) -> str:
    """The time ends the session, and not a moment before; return why."""
    assert not any(isinstance(each, Closed) for each in end.tick(now_s - 0.1))
    (closed,) = end.tick(now_s)
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by_peer) == ("silence", False)
    return closed.detail


def test_frame_is_whole_within_ten_seconds(end: Conversation) -> None:
    """Who sends a byte a second holds a place, and gets no more time for it."""
    for second in range(1, 6):
        assert end.receive(PONG[second - 1 : second], float(second)) == []
    assert "not whole after 10 s" in closed_at(end, 11.0)


def test_deadline_of_a_frame_is_told(end: Conversation) -> None:
    """The owner's timer comes in time, also where nothing else is due."""
    end.receive(PONG[:1], 1.0)
    end.tick(10.0)
    end.outgoing(10.0)  # the PING, so that the next one is due at 15
    assert end.next_deadline_s() == 11.0


def test_each_frame_has_its_own_ten_seconds(end: Conversation) -> None:
    """A stream whose pieces never end where a frame does is as good as any."""
    end.receive(PONG[:1], 1.0)
    for second in (9.0, 17.0, 25.0):
        assert end.receive(PONG[1:] + PONG[:1], second) == []
        assert not any(isinstance(each, Closed) for each in end.tick(second + 7.9))
    assert "not whole" in closed_at(end, 35.0)


def test_whole_frame_ends_the_ten_seconds(end: Conversation) -> None:
    """What is over is not counted: then only silence is."""
    end.receive(PONG[:1], 1.0)
    end.receive(PONG[1:], 5.0)
    assert "no frame within 15 s" in closed_at(end, 20.0)


def test_who_does_not_read_counts_no_unfinished_frame(end: Conversation) -> None:
    """Its rest may lie in the kernel: the ten seconds begin anew with the reading."""
    end.receive(PONG[:1], 1.0)
    end.set_reading(False, 5.0)
    assert end.tick(100.0) == []
    assert end.next_deadline_s() == pytest.approx(5.0)  # of the PING alone
    end.set_reading(True, 100.0)
    assert "not whole after 10 s" in closed_at(end, 110.0)


def test_reading_again_begins_no_frame(end: Conversation) -> None:
    """Where none had begun, only silence is counted."""
    end.set_reading(False, 5.0)
    end.set_reading(True, 6.0)
    assert "no frame within 15 s" in closed_at(end, 21.0)


@pytest.mark.parametrize("body", [Ping(), Ping(7), Pong(), Pong(7)])
def test_nobody_is_kept_waiting_by_pings(greeting_end: Conversation, body: Body) -> None:
    """Before READY a PING is no greeting: it ends the session, and gets no PONG."""
    greeting_end.outgoing(0.0)
    (closed,) = greeting_end.receive(frames.encode(body), 1.0)
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by_peer) == ("protocol_error", False)
    assert "before READY" in closed.detail
    found = frames.FrameReader().feed(b"".join(greeting_end.outgoing(1.0)))
    assert [kind for kind, _ in found] == [frames.FrameType.BYE]


@pytest.mark.parametrize(
    ("ping", "pong"), [(Ping(7), Pong(7, MOMENT)), (Ping(), Pong())], ids=["question", "sign"]
)
def test_device_says_what_its_clocks_show(ping: Ping, pong: Pong) -> None:
    """In answer to a question; not where a PING only says that its end lives."""
    sender = Sender("greenhouse", "test", 0.0, clock=lambda: MOMENT)
    sender.receive(frames.encode(Ready(1)), 1.0)
    sender.outgoing(1.0)
    assert sender.receive(frames.encode(ping), 2.0) == []
    assert sender.outgoing(2.0) == [frames.encode(pong)]


def test_device_of_an_earlier_version_says_nothing_of_them() -> None:
    """Its PONG has no clock, and is the same event."""
    body = b"\x81\xa5token\x07"
    assert frames.decode(frames.FrameType.PONG, body) == Pong(7)


def test_bye_may_come_before_ready(greeting_end: Conversation) -> None:
    """A collector sends away who may not come in; a device may change its mind."""
    events = greeting_end.receive(frames.encode(Bye("not_accepted", 0.0, "why")), 1.0)
    assert events == [Closed("not_accepted", "why", 0.0, by_peer=True)]


def test_frames_are_short_before_ready(greeting_end: Conversation) -> None:
    """A stranger can make nobody keep more than 1 KiB; READY lifts that."""
    long_head = (1025).to_bytes(4, "little") + bytes([frames.FrameType.HOLD])
    (closed,) = greeting_end.receive(long_head, 1.0)
    assert isinstance(closed, Closed)
    assert "limit 1024" in closed.detail


def test_frames_may_be_long_after_ready(end: Conversation) -> None:
    """Up to 256 KiB, and not a byte more."""
    limit = frames.MAX_FRAME_BYTES
    longest = limit.to_bytes(4, "little") + bytes([frames.FrameType.PING]) + bytes(limit)
    assert end.receive(longest[:-1], 1.0) == []
    (closed,) = end.receive(longest[-1:], 1.0)
    assert "body of PING" in closed.detail  # it came whole, and was looked at
