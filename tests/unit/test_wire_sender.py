"""wire.sender: the device's end, without a socket and with a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import EPOCH, HELD, MOMENT, sealed_batch
from wire import frames
from wire.batches import Place
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
from wire.proofs import Exchange, is_auth_proof
from wire.sender import BACKLOG_BYTES, WINDOW_BYTES, Prover, Sender

OLD_EPOCH = bytes(16)
OLD = Held(OLD_EPOCH, 1, MOMENT, 0)
PROVER = Prover(key=b"k" * 32, nonce=b"d" * 32, fingerprint=b"f" * 32)


def said(sender: Sender, now_s: float = 0.0) -> list[Body | bytes]:
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


def holding_sender() -> Sender:
    """A sender that holds a present and an old epoch, and was told that nothing is stored."""
    sender = open_sender()
    sender.hold([HELD, OLD])
    said(sender)
    hear(sender, Marks([Mark(EPOCH, 0), Mark(OLD_EPOCH, 0)]))
    return sender


def hear(sender: Sender, *bodies: Body) -> list[object]:
    """Give it frames of the collector; return what they mean."""
    return sender.receive(b"".join(map(frames.encode, bodies)), 0.0)


def refuses(sender: Sender, body: Body) -> str:
    """Give it a frame that must end the session; return why it did."""
    (closed,) = hear(sender, body)
    assert isinstance(closed, Closed)
    assert closed.reason == "protocol_error"
    assert isinstance(said(sender)[-1], Bye)
    return closed.detail


def send(sender: Sender, *seqs: int, epoch: bytes = EPOCH, size_bytes: int = 10) -> None:
    """Send batches of no content."""
    for seq in seqs:
        sender.batch(Place(epoch, seq, 0), bytes(size_bytes))


def test_conversation_goes_hello_describe_hold_batch() -> None:
    """The order of PROTOCOL.md, and nothing before its turn."""
    sender = open_sender()
    sender.describe(Describe([]))
    sender.hold([HELD], lost="power_cut")
    assert said(sender) == [Describe([]), Hold([HELD], lost="power_cut")]
    marks = Marks([Mark(EPOCH, 0)])
    assert hear(sender, marks) == [marks]
    sealed = sealed_batch()
    sender.batch(Place(EPOCH, 1, 0), sealed)
    gap, end = Gap(EPOCH, 2, 3, "collector_rollback"), End(EPOCH, "stopped", 3, 40)
    sender.gap(gap)
    sender.end(end)
    assert said(sender) == [sealed, gap, end]
    assert hear(sender, Ack(EPOCH, 3), Ack(EPOCH, 3, ended=True)) == [
        Ack(EPOCH, 3),
        Ack(EPOCH, 3, ended=True),
    ]
    assert sender.unacknowledged_bytes == 0


def test_device_that_has_a_key_proves_it() -> None:
    """HELLO has its nonce, AUTH a proof over both nonces and the certificate it saw; READY opens."""
    sender = Sender("greenhouse", "test", 0.0, PROVER)
    assert said(sender) == [Hello("greenhouse", 1, 1, "test", PROVER.nonce)]
    assert hear(sender, Challenge(b"c" * 32)) == []
    (auth,) = said(sender)
    assert isinstance(auth, Auth)
    exchange = Exchange(PROVER.nonce, b"c" * 32, PROVER.fingerprint)
    assert is_auth_proof(auth.proof, PROVER.key, exchange, "greenhouse")
    assert hear(sender, Ready(1)) == [Ready(1)]
    assert sender.state is State.OPEN


def test_collector_that_asks_for_no_proof_is_not_trusted() -> None:
    """A device that has a key takes no READY before it has shown that; else anyone could be it."""
    refuses(Sender("greenhouse", "test", 0.0, PROVER), Ready(1))


@pytest.mark.parametrize("opens", [False, True])
def test_second_challenge_ends_the_session(opens: bool) -> None:
    """One nonce, one proof: a device is no oracle, neither before READY nor after it."""
    sender = Sender("greenhouse", "test", 0.0, PROVER)
    hear(sender, Challenge(b"c" * 32), *([Ready(1)] if opens else []))
    refuses(sender, Challenge(b"e" * 32))


def test_challenge_without_a_key_ends_the_session() -> None:
    """Who has nothing to prove with cannot answer."""
    refuses(Sender("greenhouse", "test", 0.0), Challenge(b"c" * 32))


def test_many_epochs_are_held_in_several_frames() -> None:
    """Each within the limit, `more` on all but the last, the reason on each; none is left out."""
    epochs = [Held(seq.to_bytes(16, "big"), 2**62, MOMENT, 2**60, True) for seq in range(2500)]
    sender = open_sender()
    sender.hold(epochs, "spool_unreadable")
    told = [each for each in said(sender) if isinstance(each, Hold)]
    assert [each.more for each in told] == [True] * (len(told) - 1) + [False]
    assert len(told) > 1
    assert [held for each in told for held in each.epochs] == epochs
    assert {each.lost for each in told} == {"spool_unreadable"}


def test_marks_of_many_epochs_come_as_one_event() -> None:
    """However many frames they took; nothing is told before the last of them."""
    sender = open_sender()
    sender.hold([HELD, OLD])
    assert hear(sender, Marks([Mark(EPOCH, 1)], more=True)) == []
    assert hear(sender, Marks([Mark(OLD_EPOCH, 2)])) == [
        Marks([Mark(EPOCH, 1), Mark(OLD_EPOCH, 2)])
    ]
    sender.hold([HELD])
    assert hear(sender, Marks([Mark(EPOCH, 3)])) == [Marks([Mark(EPOCH, 3)])]


def test_endless_marks_end_the_session() -> None:
    """A collector cannot fill the device's memory with marks."""
    sender = open_sender()
    sender.hold([HELD])
    assert hear(sender, Marks([Mark(EPOCH, 1)], more=True)) == []
    assert "1 epochs" in refuses(sender, Marks([Mark(EPOCH, 1)], more=True))


def test_hold_names_the_present_epoch() -> None:
    """There always is one; without it nothing would answer."""
    with pytest.raises(LocalProtocolError, match="present epoch"):
        open_sender().hold([])


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
        lambda: sender.end(End(EPOCH, "stopped", 0, 0)),
        lambda: sender.result(Result(1, True)),
        lambda: sender.open_datagrams(OpenDatagrams(EPOCH, MOMENT, 0)),
    ):
        with pytest.raises(LocalProtocolError):
            act()


def test_window_bounds_what_is_unacknowledged() -> None:
    """512 KiB and no more, gaps and ends included; where nothing is out a batch always goes."""
    sender = holding_sender()
    assert sender.has_room(EPOCH, WINDOW_BYTES + 1)
    send(sender, 1, size_bytes=WINDOW_BYTES - 1000)
    assert sender.has_room(EPOCH, 1000)
    assert not sender.has_room(EPOCH, 1001)
    sender.gap(Gap(EPOCH, 2, 3, "spool_full"))
    assert not sender.has_room(EPOCH, 1000)
    with pytest.raises(LocalProtocolError, match="no room"):
        send(sender, 4, size_bytes=1000)
    hear(sender, Ack(EPOCH, 1))
    assert sender.has_room(EPOCH, 1000)


def test_backlog_gets_a_part_of_the_window() -> None:
    """64 KiB of all old epochs together, or one batch; the present epoch has the rest."""
    sender = holding_sender()
    assert sender.has_room(OLD_EPOCH, BACKLOG_BYTES + 1)
    send(sender, 1, epoch=OLD_EPOCH, size_bytes=BACKLOG_BYTES - 10)
    assert sender.backlog_bytes == BACKLOG_BYTES - 10
    assert sender.has_room(OLD_EPOCH, 10)
    assert not sender.has_room(OLD_EPOCH, 11)
    assert not sender.has_room(b"another old one.", 11)
    with pytest.raises(LocalProtocolError, match="no room"):
        send(sender, 2, epoch=OLD_EPOCH, size_bytes=11)
    send(sender, 1, size_bytes=WINDOW_BYTES - BACKLOG_BYTES)
    assert sender.backlog_bytes == BACKLOG_BYTES - 10
    assert sender.has_room(EPOCH, 10)
    assert not sender.has_room(EPOCH, 11)


def test_backlog_is_part_of_the_window_and_not_beside_it() -> None:
    """A full window has no room for old epochs either, although none of their bytes is out."""
    sender = holding_sender()
    send(sender, 1, size_bytes=WINDOW_BYTES)
    assert sender.backlog_bytes == 0
    assert not sender.has_room(OLD_EPOCH, 1)


def test_ack_is_cumulative_and_of_its_epoch_only() -> None:
    """An acknowledgement frees what it covers, and nothing of another epoch."""
    sender = holding_sender()
    send(sender, 1, 2, 3)
    send(sender, 1, epoch=OLD_EPOCH, size_bytes=7)
    hear(sender, Ack(EPOCH, 2))
    assert (sender.unacknowledged_bytes, sender.backlog_bytes) == (17, 7)
    hear(sender, Ack(OLD_EPOCH, 9))
    assert (sender.unacknowledged_bytes, sender.backlog_bytes) == (10, 0)


def test_end_is_acknowledged_by_an_ack_that_says_so() -> None:
    """The mark of the last batch alone leaves the END unacknowledged."""
    sender = holding_sender()
    send(sender, 1, epoch=OLD_EPOCH)
    sender.end(End(OLD_EPOCH, "stopped", 1, 1))
    hear(sender, Ack(OLD_EPOCH, 1))
    assert 0 < sender.backlog_bytes < 100
    hear(sender, Ack(OLD_EPOCH, 1, ended=True))
    assert sender.backlog_bytes == 0


def test_ack_of_an_end_never_sent_ends_the_session() -> None:
    """The device would forget an epoch that the collector still waits for."""
    sender = holding_sender()
    send(sender, 1)
    assert "END" in refuses(sender, Ack(EPOCH, 1, ended=True))


def test_rejected_batch_takes_back_what_was_sent_behind_it() -> None:
    """The collector drops that unanswered; what came before it stays on its way."""
    sender = holding_sender()
    send(sender, 1, 2, 3, 4)
    sender.gap(Gap(EPOCH, 5, 6, "spool_full"))
    sender.end(End(EPOCH, "rolled", 6, 60))
    send(sender, 1, epoch=OLD_EPOCH, size_bytes=7)
    reject = Reject(EPOCH, 3, "checksum does not match")
    assert hear(sender, reject) == [reject]
    assert sender.unacknowledged_bytes == 27
    sender.gap(Gap(EPOCH, 3, 3, "rejected"))
    send(sender, 4)
    sender.end(End(EPOCH, "rolled", 4, 60))
    hear(sender, Ack(EPOCH, 4), Ack(EPOCH, 4, ended=True))
    assert sender.unacknowledged_bytes == 7


def test_earlier_batch_may_be_rejected_behind_a_later_one() -> None:
    """The later was damaged on the way, the earlier refused by the store a moment after."""
    sender = holding_sender()
    send(sender, 1, 2, 3, 4)
    hear(sender, Reject(EPOCH, 3))
    sender.gap(Gap(EPOCH, 3, 3, "rejected"))
    assert hear(sender, Reject(EPOCH, 1)) == [Reject(EPOCH, 1)]
    assert sender.unacknowledged_bytes == 0


@pytest.mark.parametrize("reject", [Reject(EPOCH, 3), Reject(EPOCH, 9), Reject(bytes(16), 1)])
def test_reject_of_what_is_not_on_its_way_ends_the_session(reject: Reject) -> None:
    """Nothing can be put in the place of a batch that was never sent, or is committed."""
    sender = holding_sender()
    send(sender, 1, 2, 3, 4)
    hear(sender, Ack(EPOCH, 3))
    assert refuses(sender, reject)


@given(st.lists(st.tuples(st.sampled_from("baAreG"), st.integers(1, 40), st.booleans())))
def test_books_are_in_order_whatever_happens(acts: list[tuple[str, int, bool]]) -> None:
    """Counts are those of what was sent and neither acknowledged nor rejected, in any order."""
    sender = holding_sender()
    out: dict[bytes, list[tuple[int, int]]] = {EPOCH: [], OLD_EPOCH: []}
    for act, number, is_old in acts:
        epoch = OLD_EPOCH if is_old else EPOCH
        sent = out[epoch]
        seq = sent[-1][0] + 1 if sent else number
        if act == "b" and sender.has_room(epoch, number * 1000):
            send(sender, seq, epoch=epoch, size_bytes=number * 1000)
            sent.append((seq, number * 1000))
        elif act == "G":
            gap = Gap(epoch, seq, seq + 1, "spool_full")
            sender.gap(gap)
            sent.append((seq + 1, len(frames.encode(gap))))
        elif act == "r" and sent:
            first = sent[number % len(sent)][0]
            hear(sender, Reject(epoch, first))
            sent[:] = [each for each in sent if each[0] < first]
        elif act in "aA":
            hear(sender, Ack(epoch, number))
            sent[:] = [each for each in sent if each[0] > number]
        sizes = {name: sum(size for _, size in each) for name, each in out.items()}
        assert sender.state is State.OPEN
        assert sender.unacknowledged_bytes == sum(sizes.values())
        assert sender.backlog_bytes == sizes[OLD_EPOCH]


def test_collector_asks_and_gives() -> None:
    """COMMAND, KEY, DATAGRAM_KEY and REPORT reach the owner; RESULT and OPEN_DATAGRAMS go out."""
    sender = open_sender()
    given = [Key(bytes(32)), DatagramKey(EPOCH, 7, bytes(32)), Report(EPOCH, 10, 9, 1)]
    bodies = [Command(1, "ping"), *given]
    assert hear(sender, *bodies) == bodies
    sender.result(Result(1, True, "pong"))
    wish = OpenDatagrams(OLD_EPOCH, MOMENT, 10**9)
    sender.open_datagrams(wish)
    assert said(sender) == [Result(1, True, "pong"), wish]


def test_result_is_one_line_and_short() -> None:
    """An error's own words may hold anything; the collector would refuse a line break."""
    sender = open_sender()
    sender.result(Result(1, False, "no\nsuch\x1b[31m" + "!" * 300, {"a\tb": "c\u2028d", "x": 1.5}))
    (result,) = said(sender)
    assert isinstance(result, Result)
    assert result.detail == "no such [31m" + "!" * 188
    assert result.values == {"a b": "c d", "x": 1.5}


def test_long_words_of_a_bye_are_cut() -> None:
    """What explains an end must not make a second error of it."""
    sender = open_sender()
    assert sender.bye("stopping", "x" * 300).detail == "x" * 200
    assert said(sender) == [Bye("stopping", 0.0, "x" * 200)]


@pytest.mark.parametrize(
    "body",
    [
        Hello("x", 1, 1),
        Join(bytes(8), bytes(32), 1, 1),
        Challenge(bytes(32)),
        Auth(bytes(32)),
        Joined("x", bytes(32)),
        Describe([]),
        Ready(1),
        Marks([]),
        Gap(EPOCH, 1, 1, "x"),
        End(EPOCH, "stopped", 0, 0),
        Result(1, True),
        OpenDatagrams(EPOCH, MOMENT, 0),
        Reject(EPOCH, 1),
    ],
    ids=lambda body: type(body).__name__,
)
def test_frames_out_of_turn_end_the_session(body: Body) -> None:
    """What a collector does not say at this point is answered with BYE, and never raises."""
    refuses(open_sender(), body)


@pytest.mark.parametrize("prover", [None, PROVER], ids=["plain", "with a key"])
@pytest.mark.parametrize(
    "body",
    [
        Command(1, "ping"),
        DatagramKey(EPOCH, 1, bytes(32)),
        Key(bytes(32)),
        Report(EPOCH, 1, 1),
        Joined("greenhouse", bytes(32)),
        Marks([]),
    ],
    ids=lambda body: type(body).__name__,
)
def test_nothing_is_taken_before_ready(body: Body, prover: Prover | None) -> None:
    """Who has not let the device in cannot command it, nor change its key."""
    refuses(Sender("greenhouse", "test", 0.0, prover), body)


def test_ack_of_an_epoch_never_spoken_of_ends_the_session() -> None:
    """A promise for somebody else's batches must not free ours."""
    sender = open_sender()
    sender.hold([HELD])
    assert hear(sender, Ack(EPOCH, 0)) == [Ack(EPOCH, 0)]
    refuses(sender, Ack(bytes(16), 1))


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


def test_pong_of_a_question_is_told() -> None:
    """Whoever asked with a token learns that it was answered; a mere sign of life is none."""
    assert hear(open_sender(), Pong(), Pong(7)) == [Pong(7)]


def test_end_of_stream_is_reported_once() -> None:
    """A lost connection ends the session; what comes later is ignored."""
    sender = open_sender()
    (closed,) = sender.receive_end()
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by_peer) == ("connection_lost", True)
    assert sender.receive_end() == []
    assert sender.state is State.CLOSED
