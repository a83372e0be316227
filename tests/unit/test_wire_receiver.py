"""wire.receiver: the collector's end, without a socket; a stranger's bytes never raise."""

import struct
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import EPOCH, HELD, MOMENT, damaged, resealed, sealed_batch
from wire import frames
from wire.bodies import (
    Ack,
    Bye,
    ChannelDescription,
    Command,
    DatagramKey,
    Describe,
    End,
    Gap,
    Held,
    Hold,
    Key,
    Mark,
    Marks,
    OpenDatagrams,
    Ping,
    Pong,
    Reject,
    Report,
    Result,
    SensorDescription,
)
from wire.conversation import Closed, State
from wire.errors import LocalProtocolError
from wire.frames import Body
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready
from wire.receiver import MAX_HELD_EPOCHS, MAX_REJECTED_EPOCHS, Arrived, Dropped, Receiver

OTHER_EPOCH = bytes(16)
HELLO = frames.encode(Hello("greenhouse", 1, 1, "test"))
NONCE = b"n" * 32
PROVING = Hello("greenhouse", 1, 1, "test", b"d" * 32)
JOIN = Join(b"i" * 8, b"d" * 32, 1, 1, "test")
AUTH = Auth(b"p" * 32)


def said(receiver: Receiver) -> list[Body]:
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


def challenged_receiver(greeting: Hello | Join = PROVING) -> Receiver:
    """A receiver that has asked for a proof."""
    receiver = Receiver(0.0)
    assert hear(receiver, greeting) == [greeting]
    receiver.challenge(NONCE)
    assert said(receiver) == [Challenge(NONCE)]
    return receiver


def hear(receiver: Receiver, *frames_: Body | bytes) -> list[object]:
    """Give it frames of the device, a batch as its bytes; return what they mean, Arrived as seqs."""
    stream = b"".join(
        frames.encode_batch(each) if isinstance(each, bytes) else frames.encode(each)
        for each in frames_
    )
    return [
        each.header.place.seq if isinstance(each, Arrived) else each
        for each in receiver.receive(stream, 0.0)
    ]


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
    end, result = End(EPOCH, "stopped", 3, 20), Result(4, False, "no such sensor")
    wish, hold = OpenDatagrams(OTHER_EPOCH, MOMENT, 10**9), Hold([HELD], lost="power_cut")
    first, last = (Describe([]), hold), (gap, end, result, wish)
    stream = (
        b"".join(map(frames.encode, first))
        + frames.encode_batch(sealed) + b"".join(map(frames.encode, last))
    )  # fmt: skip
    *before, arrived, gap_event, end_event, result_event, wish_event = receiver.receive(stream, 0.0)
    assert tuple(before) == first
    assert (gap_event, end_event, result_event, wish_event) == last
    assert isinstance(arrived, Arrived)
    assert arrived.sealed == sealed
    assert arrived.header.place.seq == 1


def test_what_the_owner_decides_goes_out() -> None:
    """Answers and wishes become frames."""
    receiver = open_receiver()
    receiver.marks(Marks([Mark(EPOCH, 4)]))
    receiver.ack(EPOCH, 5)
    receiver.ack(EPOCH, 6, ended=True)
    receiver.reject(OTHER_EPOCH, 7, "x" * 300)
    bodies = [Command(1, "ping"), DatagramKey(EPOCH, 7, bytes(32)), Report(EPOCH, 10, 9, 1)]
    receiver.key(NONCE)
    receiver.command(bodies[0])
    receiver.datagram_key(bodies[1])
    receiver.report(bodies[2])
    receiver.ping(9)
    assert said(receiver) == [
        Marks([Mark(EPOCH, 4)]),
        Ack(EPOCH, 5),
        Ack(EPOCH, 6, ended=True),
        Reject(OTHER_EPOCH, 7, "x" * 200),
        Key(NONCE),
        *bodies,
        Ping(9),
    ]
    assert hear(receiver, Pong(9)) == [Pong(9)]


@pytest.mark.parametrize(
    "command",
    [Command(1, "n" * 65), Command(1, "n", ["x" * 201]), Command(1, "n", [], 0.0), Command(1, 7)],
)
def test_command_that_no_frame_can_say_is_refused_here(command: Command) -> None:
    """The device would end the session over it."""
    receiver = open_receiver()
    with pytest.raises(LocalProtocolError, match="cannot say"):
        receiver.command(command)
    assert said(receiver) == []


def test_many_epochs_come_in_many_frames_as_one_event() -> None:
    """Nothing is told before the last of them; the answer goes in as many frames as it needs."""
    epochs = [Held(seq.to_bytes(16, "big"), 1, MOMENT, 0) for seq in range(10_000)]
    receiver = open_receiver()
    for start in range(0, 10_000, 1000):
        part = Hold(epochs[start : start + 1000], more=start < 9000, lost="spool_lost")
        events = hear(receiver, part)
        assert events == ([] if part.more else [Hold(epochs, lost="spool_lost")])
    receiver.marks(Marks([Mark(held.epoch, 2**62) for held in epochs]))
    answer = [each for each in said(receiver) if isinstance(each, Marks)]
    assert [each.more for each in answer] == [True, True, False]
    assert [mark.epoch for each in answer for mark in each.marks] == [held.epoch for held in epochs]


def test_second_hold_begins_anew() -> None:
    """What was named before is not named again."""
    receiver = open_receiver()
    other = Held(OTHER_EPOCH, 1, MOMENT, 0)
    assert hear(receiver, Hold([HELD]), Hold([other])) == [Hold([HELD]), Hold([other])]


def test_endless_hold_ends_the_session() -> None:
    """A device cannot fill memory with epochs."""
    receiver = open_receiver()
    part = frames.encode(Hold([HELD] * 1000, more=True))
    for _ in range(MAX_HELD_EPOCHS // 1000):
        assert receiver.receive(part, 0.0) == []
    assert "100000 epochs" in closed_by(receiver, frames.encode(Hold([HELD]))).detail


def test_proof_comes_before_ready() -> None:
    """HELLO with a nonce, CHALLENGE, AUTH: each reaches the owner, who then lets the device in."""
    receiver = challenged_receiver()
    assert hear(receiver, AUTH) == [AUTH]
    receiver.ready("c")
    assert said(receiver) == [Ready(1, "c")]
    assert hear(receiver, Hold([HELD])) == [Hold([HELD])]


def test_join_gives_name_and_key_and_no_session() -> None:
    """JOIN, CHALLENGE, AUTH, JOINED; the device comes again to send anything."""
    receiver = challenged_receiver(JOIN)
    assert hear(receiver, AUTH) == [AUTH]
    receiver.joined("greenhouse", b"k" * 32)
    assert said(receiver) == [Joined("greenhouse", b"k" * 32)]
    assert closed_by(receiver, frames.encode(Describe([]))).reason == "protocol_error"


def test_nobody_is_let_in_while_a_proof_is_awaited() -> None:
    """A bug of ours must not become an open door; nor is anything said before HELLO."""
    for receiver in (challenged_receiver(), challenged_receiver(JOIN), Receiver(0.0)):
        acts = (
            (receiver.ready, "c"),
            (receiver.joined, "greenhouse", NONCE),
            (receiver.challenge, NONCE),
        )
        for act, *arguments in acts:
            with pytest.raises(LocalProtocolError, match="yet to come"):
                act(*arguments)
        assert said(receiver) == []


@pytest.mark.parametrize("greeting", [PROVING, JOIN], ids=["HELLO", "JOIN"])
def test_auth_that_nobody_asked_for_ends_the_session(greeting: Hello | Join) -> None:
    """Before its CHALLENGE, in one breath with the greeting, or a second time."""
    auth = frames.encode(AUTH)
    receiver = Receiver(0.0)
    hear(receiver, greeting)
    assert closed_by(receiver, auth).reason == "protocol_error"
    assert closed_by(Receiver(0.0), frames.encode(greeting) + auth).reason == "protocol_error"
    receiver = challenged_receiver(greeting)
    assert hear(receiver, AUTH) == [AUTH]
    assert closed_by(receiver, auth).reason == "protocol_error"


def test_auth_in_an_open_session_ends_it() -> None:
    """The device is in already, with a proof or, on loopback, without."""
    receiver = challenged_receiver()
    hear(receiver, AUTH)
    receiver.ready("c")
    for opened in (receiver, open_receiver()):
        assert closed_by(opened, frames.encode(AUTH)).reason == "protocol_error"


@pytest.mark.parametrize("second", [PROVING, JOIN], ids=["HELLO", "JOIN"])
@pytest.mark.parametrize("first", [PROVING, JOIN], ids=["HELLO", "JOIN"])
def test_who_greets_twice_goes(first: Hello | Join, second: Hello | Join) -> None:
    """A proof that was asked of one name cannot be used for another: before AUTH and after it."""
    assert closed_by(challenged_receiver(first), frames.encode(second)).reason == "protocol_error"
    receiver = challenged_receiver(first)
    hear(receiver, AUTH)
    assert closed_by(receiver, frames.encode(second)).reason == "protocol_error"


def test_nothing_but_auth_answers_a_challenge() -> None:
    """What an open session takes is refused from whoever has proven nothing."""
    for body in (Describe([]), Hold([HELD]), OpenDatagrams(EPOCH, MOMENT, 0), Ping()):
        receiver = challenged_receiver()
        assert closed_by(receiver, frames.encode(body)).reason == "protocol_error"
    batch = frames.encode_batch(sealed_batch())
    assert "BATCH before READY" in closed_by(challenged_receiver(), batch).detail


def test_nothing_is_acknowledged_before_ready() -> None:
    """A bug of ours is seen at once."""
    receiver = Receiver(0.0)
    with pytest.raises(LocalProtocolError):
        receiver.ack(EPOCH, 1)
    for act in (
        lambda: receiver.marks(Marks([])),
        lambda: receiver.reject(EPOCH, 1, "x"),
        lambda: receiver.command(Command(1, "ping")),
        lambda: receiver.datagram_key(DatagramKey(EPOCH, 1, bytes(32))),
        lambda: receiver.report(Report(EPOCH, 1, 1)),
        lambda: receiver.key(NONCE),
        lambda: receiver.ping(1),
    ):
        with pytest.raises(LocalProtocolError):
            act()


@pytest.mark.parametrize(
    "data",
    [
        frames.encode(Describe([])),
        frames.encode(Hold([])),
        frames.encode(Ack(EPOCH, 1)),
        frames.encode(Ready(1)),
        frames.encode(AUTH),
        frames.encode(Challenge(NONCE)),
        frames.encode(Joined("greenhouse", NONCE)),
        frames.encode(Key(NONCE)),
        frames.encode(Ping()),
        frames.encode(Pong()),
        frames.encode(Gap(EPOCH, 1, 1, "x")),
        frames.encode(End(EPOCH, "stopped", 0, 0)),
        frames.encode(Result(1, True)),
        frames.encode(OpenDatagrams(EPOCH, MOMENT, 0)),
        frames.encode_batch(sealed_batch()),
        b"abc" + bytes(10),
        struct.pack("<IB", 1025, 1),
        b"\xff" * 64,
    ],
)
def test_strangers_before_hello_get_bye(data: bytes) -> None:
    """Anything but HELLO or JOIN ends the session with a frame that says why."""
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


@pytest.mark.parametrize("agent", ["a\nb", "\x1b[31m", "a\u2028b", "\x7f"])
@pytest.mark.parametrize("greeting", [PROVING, JOIN], ids=["HELLO", "JOIN"])
def test_agent_that_could_forge_a_line_is_refused(greeting: Hello | Join, agent: str) -> None:
    """A stranger's words are shown in terminals and logs."""
    data = frames.encode(msgspec.structs.replace(greeting, agent=agent))
    assert "control characters" in closed_by(Receiver(0.0), data).detail


@pytest.mark.parametrize("greeting", [PROVING, JOIN], ids=["HELLO", "JOIN"])
def test_no_common_version_says_so(greeting: Hello | Join) -> None:
    """A newer device learns which version is spoken here."""
    receiver = Receiver(0.0)
    newer = msgspec.structs.replace(greeting, lowest_version=2, highest_version=3)
    closed = closed_by(receiver, frames.encode(newer))
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


def test_damaged_batch_is_rejected() -> None:
    """A checksum that does not match is never stored; the device hears which batch, and why."""
    receiver = open_receiver()
    detail = "checksum does not match"
    assert hear(receiver, sealed_batch(1), damaged(sealed_batch(2))) == [
        1,
        Dropped(EPOCH, 2, detail),
    ]
    assert said(receiver) == [Reject(EPOCH, 2, detail)]


@pytest.mark.parametrize(
    ("offset", "new"), [(2, bytes(2)), (4, struct.pack("<I", 999)), (72, struct.pack("<q", 2**60))]
)
def test_batch_that_lies_about_itself_is_rejected(offset: int, new: bytes) -> None:
    """A header that cannot be is refused although its checksum fits."""
    receiver = open_receiver()
    (dropped,) = hear(receiver, resealed(sealed_batch(), offset, new))
    assert isinstance(dropped, Dropped)
    assert said(receiver) == [Reject(EPOCH, 1, dropped.detail)]


@pytest.mark.parametrize("sealed", [b"", bytes(87), resealed(sealed_batch(), 24, bytes(8))])
def test_batch_that_names_no_place_ends_the_session(sealed: bytes) -> None:
    """Nothing could take its place."""
    assert closed_by(open_receiver(), frames.encode_batch(sealed)).reason == "protocol_error"


def test_what_follows_a_rejected_batch_is_dropped_until_its_gap() -> None:
    """Unanswered, whatever it is: else a hole would be stored. Then the epoch goes on."""
    receiver = open_receiver()
    hear(receiver, damaged(sealed_batch(2)))
    said(receiver)
    behind = [
        sealed_batch(3),
        damaged(sealed_batch(4)),
        Gap(EPOCH, 5, 6, "spool_full"),
        End(EPOCH, "stopped", 6, 6),
    ]
    assert hear(receiver, *behind) == [Dropped(EPOCH, seq) for seq in (3, 4, 5, None)]
    gap = Gap(EPOCH, 2, 2, "rejected")
    assert hear(receiver, gap, sealed_batch(3), behind[-1]) == [gap, 3, behind[-1]]
    assert said(receiver) == []


def test_other_epochs_go_on_beside_a_rejected_batch() -> None:
    """The damage is one epoch's; a gap of another does not mend it."""
    receiver = open_receiver()
    hear(receiver, damaged(sealed_batch(2)))
    gap, end = Gap(OTHER_EPOCH, 2, 2, "spool_full"), End(OTHER_EPOCH, "stopped", 2, 2)
    assert hear(receiver, sealed_batch(1, epoch=OTHER_EPOCH), gap, end) == [1, gap, end]
    assert hear(receiver, sealed_batch(3)) == [Dropped(EPOCH, 3)]


def test_gap_may_take_the_place_of_more_than_the_rejected_batch() -> None:
    """Neighbouring gaps merge on the device."""
    receiver = open_receiver()
    hear(receiver, damaged(sealed_batch(5)))
    gap = Gap(EPOCH, 3, 9, "spool_full")
    assert hear(receiver, gap, sealed_batch(10)) == [gap, 10]


def test_owner_may_reject_an_earlier_batch_later() -> None:
    """The store takes longer than the checksum; the earlier one counts, and a later one not more."""
    receiver = open_receiver()
    hear(receiver, damaged(sealed_batch(5)))
    receiver.reject(EPOCH, 3, "the store refuses it")
    receiver.reject(EPOCH, 4, "the store refuses it")
    assert [each.seq for each in said(receiver) if isinstance(each, Reject)] == [5, 3]
    late = Gap(EPOCH, 5, 5, "rejected")
    assert hear(receiver, late) == [Dropped(EPOCH, 5)]
    gap = Gap(EPOCH, 3, 3, "rejected")
    assert hear(receiver, gap, sealed_batch(4), late) == [gap, 4, late]


def test_rejected_epochs_are_bounded() -> None:
    """A stranger cannot fill memory with damaged batches of epochs of his fancy."""
    receiver = open_receiver()
    for number in range(MAX_REJECTED_EPOCHS):
        bad = damaged(sealed_batch(epoch=number.to_bytes(16, "big")))
        assert isinstance(*hear(receiver, bad), Dropped)
    assert (
        "wait for a GAP" in closed_by(receiver, frames.encode_batch(damaged(sealed_batch()))).detail
    )


@given(st.lists(st.tuples(st.sampled_from(["batch", "damaged", "gap", "end"]), st.integers(1, 6))))
def test_nothing_passes_between_a_rejection_and_its_gap(acts: list[tuple[str, int]]) -> None:
    """Whatever order a device finds: the owner gets nothing of an epoch that waits for a GAP."""
    receiver = open_receiver()
    rejected: int | None = None
    for act, seq in acts:
        body: dict[str, Body | bytes] = {
            "batch": sealed_batch(seq),
            "damaged": damaged(sealed_batch(seq)),
            "gap": Gap(EPOCH, seq, seq + 1, "spool_full"),
            "end": End(EPOCH, "stopped", seq, seq),
        }
        (event,) = hear(receiver, body[act])
        answers = said(receiver)
        if act == "gap" and rejected in (seq, seq + 1):
            rejected = None
        if act == "damaged" and rejected is None:
            rejected = seq
            assert [each.seq for each in answers if isinstance(each, Reject)] == [seq]
        else:
            assert answers == []
        assert isinstance(event, Dropped) == (rejected is not None)


@pytest.mark.parametrize(
    "body",
    [
        Gap(EPOCH, 3, 2, "x"),
        Gap(EPOCH, 1, 2, "x", None, 2, 1),
        Gap(EPOCH, 1, 2, "a\nb"),
        End(EPOCH, "\x1b[31m", 1, 1),
        Hold([HELD], lost="a\x7fb"),
        Result(1, True, "a\nb"),
        Result(1, True, "", {"a\rb": 1.0}),
        Result(1, True, "", {"a": "\u2028"}),
    ],
)
def test_what_cannot_be_or_could_forge_a_line_is_refused(body: Body) -> None:
    """A mark never goes back, and what people will read is on one line."""
    assert closed_by(open_receiver(), frames.encode(body)).reason == "protocol_error"


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


CONVERSATION = (
    frames.encode(Describe([])) + frames.encode(Hold([HELD], more=True)) + frames.encode(Hold([HELD]))
    + frames.encode_batch(sealed_batch()) + frames.encode(Gap(EPOCH, 2, 3, "x"))
    + frames.encode_batch(damaged(sealed_batch(4))) + frames.encode_batch(sealed_batch(5))
    + frames.encode(Gap(EPOCH, 4, 4, "rejected")) + frames.encode(End(EPOCH, "stopped", 4, 4))
    + frames.encode(Result(1, True, "", {"a": 1.0}))
)  # fmt: skip


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    """The stream in pieces of any size."""
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    edges = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(st.data())
def test_pieces_of_the_stream_make_no_difference(data: st.DataObject) -> None:
    """The network may cut anywhere: the same events come, and the same answers."""
    whole, pieces = open_receiver(), open_receiver()
    events = whole.receive(CONVERSATION, 0.0)
    assert [
        each for piece in cut(data, CONVERSATION) for each in pieces.receive(piece, 0.0)
    ] == events
    assert said(pieces) == said(whole)


@given(st.data())
def test_mutated_conversation_never_raises(data: st.DataObject) -> None:
    """A real conversation with bytes changed, cut or doubled ends in events, never in an error."""
    stream = bytearray(CONVERSATION)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    receiver = open_receiver()
    for piece in cut(data, bytes(stream)):
        receiver.receive(piece, 0.0)
    receiver.receive_end()
    assert receiver.state is State.CLOSED


@given(st.data(), st.sampled_from([PROVING, JOIN]))
def test_mutated_greeting_never_raises(data: st.DataObject, greeting: Hello | Join) -> None:
    """So does a HELLO or JOIN that is none, and an AUTH behind it that is none."""
    receiver = Receiver(0.0)
    for stream in (frames.encode(greeting), frames.encode(AUTH)):
        place, count = data.draw(st.integers(0, len(stream))), data.draw(st.integers(0, 3))
        new = data.draw(st.binary(max_size=3))
        events = receiver.receive(stream[:place] + new + stream[place + count :], 0.0)
        if receiver.state is State.GREETING and any(isinstance(e, Hello | Join) for e in events):
            receiver.challenge(NONCE)
    receiver.receive_end()
    assert receiver.state is State.CLOSED
