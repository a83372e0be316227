"""One end of a session that hears whatever a stranger says, and what must be true of it throughout.

What is heard ends in events; what is said is what the peer may be told, and in proportion to what was
heard; the session stays open, or ends once and for good, with a BYE where it was this end's decision.
"""

from collections.abc import Callable, Iterator

from kit.samples import SECRET, TOKEN, frame
from kit.wireworks import EPOCH, HELD, sealed_batch
from wire import frames
from wire.batches import Place
from wire.bodies import (
    Bye,
    Command,
    DatagramKey,
    End,
    Gap,
    Hold,
    Mark,
    Marks,
    OpenDatagrams,
    Ping,
    Result,
)
from wire.conversation import Closed, Conversation, Event, State
from wire.frames import (
    HEAD_BYTES,
    MAX_FRAME_BYTES,
    MAX_GREETING_BYTES,
    Body,
    FrameReader,
    FrameType,
)
from wire.greetings import Auth, Hello, Join, Joined, Ready
from wire.joiner import Joiner
from wire.readings import is_one_line
from wire.receiver import Arrived, Receiver
from wire.sender import Prover, Sender

# What an end may say at most: so many bytes for each that it heard, and a BYE or a word to a browser.
ANSWER_FACTOR = 4
ANSWER_BYTES = 1024

_LATER_S = 3600.0
_PIECES = 20
# Whole, in bytes, in heads and parts of them, in frames and parts of them.
_PIECES_BYTES = (MAX_FRAME_BYTES, 1, 7, 100)


def pieces(stream: bytes) -> Iterator[bytes]:
    """The stream in twenty pieces at most, whose size its length decides."""
    size = max(_PIECES_BYTES[len(stream) % len(_PIECES_BYTES)], len(stream) // _PIECES + 1)
    return (stream[start : start + size] for start in range(0, len(stream), size))


def hear_plain(stream: bytes) -> bool:
    """The collector's end, where it lets everybody in."""
    receiver = Receiver(0.0)
    return _hear(receiver, _Collector(receiver, asks=False), stream)


def hear_asking(stream: bytes) -> bool:
    """The collector's end, where HELLO and JOIN are asked for a proof, and any proof is good."""
    receiver = Receiver(0.0)
    return _hear(receiver, _Collector(receiver, asks=True), stream)


def hear_let_in(stream: bytes) -> bool:
    """The collector's end behind READY."""
    receiver = Receiver(0.0)
    receiver.receive(frame(Hello("greenhouse", 1, 1)), 0.0)
    receiver.ready("telegauge-collector 1")
    return _hear(receiver, _Collector(receiver, asks=False), stream)


def send_plain(stream: bytes) -> bool:
    """The device's end, which proves nothing."""
    sender = Sender("greenhouse", "telegauge-device 1", 0.0)
    return _hear(sender, _Device(sender), stream)


def send_proving(stream: bytes) -> bool:
    """The device's end, which waits for a CHALLENGE."""
    sender = Sender("greenhouse", "telegauge-device 1", 0.0, Prover(SECRET, SECRET, SECRET))
    return _hear(sender, _Device(sender), stream)


def send_let_in(stream: bytes) -> bool:
    """The device's end behind MARKS, with two batches, a gap and an END on their way."""
    sender = Sender("greenhouse", "telegauge-device 1", 0.0)
    sender.receive(frame(Ready(1)), 0.0)
    sender.hold([HELD])
    for seq in (1, 2):
        sender.batch(Place(EPOCH, seq, seq - 1), sealed_batch(seq))
    sender.gap(Gap(EPOCH, 3, 3, "spool_full"))
    sender.end(End(EPOCH, "stopped", 3, 2))
    return _hear(sender, _Device(sender), stream)


def join(stream: bytes) -> bool:
    """The device's end of a join."""
    joiner = Joiner(TOKEN, SECRET, "telegauge-device 1", 0.0)
    return _hear(joiner, _Newcomer(joiner), stream)


class _Collector:
    """Does on an event of the receiver what a collector does; whatever arrives is committed."""

    def __init__(self, receiver: Receiver, *, asks: bool) -> None:
        self._receiver = receiver
        self._asks = asks
        self._joins = False

    def __call__(self, event: Event) -> None:
        receiver = self._receiver
        match event:
            case Hello() | Join() if self._asks:
                self._joins = isinstance(event, Join)
                receiver.challenge(SECRET)
            case Hello():
                receiver.ready("telegauge-collector 1")
            case Auth() if self._joins:
                receiver.joined("greenhouse", SECRET)
            case Auth():
                receiver.ready("telegauge-collector 1")
            case Hold():
                receiver.marks(Marks([Mark(held.epoch, 2**63 - 1) for held in event.epochs]))
            case Arrived():
                receiver.ack(event.header.place.epoch, event.header.place.seq)
            case Gap():
                receiver.ack(event.epoch, event.last_seq)
            case End():
                receiver.ack(event.epoch, event.last_seq or 0, ended=True)
            case OpenDatagrams():
                receiver.datagram_key(DatagramKey(event.epoch, 2**32 - 1, SECRET))


class _Device:
    """Does on an event of the sender what a device does, but for sending more batches."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def __call__(self, event: Event) -> None:
        match event:
            case Ready():
                self._sender.hold([HELD])
            case Command():
                self._sender.result(Result(event.id, True, "done"))


class _Newcomer:
    """Says goodbye once it has joined."""

    def __init__(self, joiner: Joiner) -> None:
        self._joiner = joiner

    def __call__(self, event: Event) -> None:
        if isinstance(event, Joined):
            self._joiner.bye("stopping")


def _hear(conversation: Conversation, act: Callable[[Event], None], stream: bytes) -> bool:
    """Hear a stream to its end; say whether that was the peer's decision, and not a fault."""
    events: list[Event] = []
    said = bytearray()
    heard_bytes = 0
    conversation.outgoing(0.0)  # what it says by itself answers nothing
    was_let_in = conversation.state is State.OPEN
    for piece in pieces(stream):
        heard_bytes += len(piece)
        for event in conversation.receive(piece, 0.0):
            events.append(event)
            if conversation.state is not State.CLOSED:
                act(event)
        was_let_in |= conversation.state is State.OPEN
        said += b"".join(conversation.outgoing(0.0))
        assert len(said) <= ANSWER_FACTOR * heard_bytes + ANSWER_BYTES, "more is said than heard"
        _check_held(conversation)
    was_taken = conversation.state is not State.CLOSED or _by_peer(events)
    events += conversation.tick(_LATER_S)
    said += b"".join(conversation.outgoing(_LATER_S))
    _check_end(conversation, events, bytes(said), was_let_in)
    return was_taken


def _check_held(conversation: Conversation) -> None:
    if conversation.state is not State.CLOSED:
        assert len(conversation._reader._rest) < conversation._reader.limit_bytes + HEAD_BYTES


def _by_peer(events: list[Event]) -> bool:
    return isinstance(events[-1], Closed) and events[-1].by_peer if events else False


def _check_end(
    conversation: Conversation, events: list[Event], said: bytes, was_let_in: bool
) -> None:
    assert conversation.state is State.CLOSED, "left alone, it goes on for ever"
    closed = [event for event in events if isinstance(event, Closed)]
    if isinstance(conversation, Joiner) and not closed:
        return  # its owner said goodbye, which is no event
    assert closed == events[-1:], "something came behind the end"
    assert conversation.receive(frame(Ping()), _LATER_S) == conversation.receive_end() == []
    assert conversation.outgoing(_LATER_S) == []
    if said.startswith(b"HTTP/1.1 400 "):
        return
    told = list(_told(said, MAX_FRAME_BYTES if was_let_in else MAX_GREETING_BYTES))
    if not closed[0].by_peer:
        farewell = told[-1]
        assert isinstance(farewell, Bye)
        assert (farewell.reason, farewell.detail) == (closed[0].reason, closed[0].detail)
        assert is_one_line(farewell.detail)


def _told(said: bytes, limit_bytes: int) -> Iterator[Body]:
    """What the peer is told; it must be able to read all of it."""
    reader = FrameReader(limit_bytes)
    for kind, data in reader.feed(said):
        assert kind is not FrameType.BATCH
        yield frames.decode(kind, data)
    assert not reader.begun
