"""wire.joiner: a token becomes a name and a key, or the session is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import EPOCH
from wire import frames
from wire.bodies import Ack, Bye, Command, Key, Marks, Ping
from wire.conversation import Closed, State
from wire.frames import Body
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready
from wire.joiner import Joiner
from wire.proofs import Exchange, verifier_of
from wire.receiver import Receiver
from wire.tokens import Token

TOKEN = Token(b"f" * 32, b"s" * 16, (("192.168.1.10", 8888),))
NONCE, OTHER = b"d" * 32, b"c" * 32
JOINED = Joined("greenhouse", b"k" * 32)


def new_joiner() -> Joiner:
    """A joiner with its token, at time 0."""
    return Joiner(TOKEN, NONCE, "test", 0.0)


def hear(joiner: Joiner, *bodies: Body) -> list[object]:
    """Give it frames of the collector; return what they mean."""
    return joiner.receive(b"".join(map(frames.encode, bodies)), 0.0)


def said(joiner: Joiner) -> list[Body]:
    """What it has to say, decoded."""
    found = frames.FrameReader().feed(b"".join(joiner.outgoing(0.0)))
    return [frames.decode(kind, data) for kind, data in found]


def refuses(joiner: Joiner, *bodies: Body) -> str:
    """Give it frames of which the last must end the session; return why it did."""
    *_, closed = hear(joiner, *bodies)
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by_peer) == ("protocol_error", False)
    assert isinstance(said(joiner)[-1], Bye)
    return closed.detail


def test_token_becomes_name_and_key() -> None:
    """JOIN names the invitation; AUTH proves the token over both nonces and its certificate."""
    joiner = new_joiner()
    verifier = verifier_of(TOKEN.secret)
    assert said(joiner) == [Join(verifier.invitation, NONCE, 1, 1, "test")]
    assert hear(joiner, Challenge(OTHER)) == []
    (auth,) = said(joiner)
    assert isinstance(auth, Auth)
    assert verifier.accepts(auth.proof, Exchange(NONCE, OTHER, TOKEN.fingerprint))
    assert hear(joiner, JOINED) == [JOINED]


def test_collector_takes_what_it_says() -> None:
    """With the receiver at the other end; the BYE that follows ends both."""
    joiner, receiver = new_joiner(), Receiver(0.0)
    (join,) = receiver.receive(b"".join(joiner.outgoing(0.0)), 0.0)
    assert isinstance(join, Join)
    receiver.challenge(OTHER)
    joiner.receive(b"".join(receiver.outgoing(0.0)), 0.0)
    (auth,) = receiver.receive(b"".join(joiner.outgoing(0.0)), 0.0)
    assert isinstance(auth, Auth)
    receiver.joined(JOINED.device, JOINED.key)
    assert joiner.receive(b"".join(receiver.outgoing(0.0)), 0.0) == [JOINED]
    joiner.bye("stopping")
    (closed,) = receiver.receive(b"".join(joiner.outgoing(0.0)), 0.0)
    assert closed == Closed("stopping", by_peer=True)


def test_token_itself_never_travels() -> None:
    """Neither its secret nor what is made of it alone, but for the invitation's id."""
    joiner = new_joiner()
    stream = b"".join(joiner.outgoing(0.0))
    hear(joiner, Challenge(OTHER))
    stream += b"".join(joiner.outgoing(0.0))
    assert TOKEN.secret not in stream
    assert verifier_of(TOKEN.secret).stored_key not in stream


@pytest.mark.parametrize(
    "body",
    [
        JOINED,
        Ready(1),
        Hello("greenhouse", 1, 1),
        Join(bytes(8), NONCE, 1, 1),
        Auth(NONCE),
        Key(NONCE),
        Marks([]),
        Ack(EPOCH, 1),
        Command(1, "ping"),
        Ping(),
    ],
    ids=lambda body: type(body).__name__,
)
def test_nothing_but_challenge_answers_join(body: Body) -> None:
    """A name and key that were given for nothing are not taken, and there is no session here."""
    refuses(new_joiner(), body)
    if body != JOINED:
        refuses(new_joiner(), Challenge(OTHER), body)
        refuses(new_joiner(), Challenge(OTHER), JOINED, body)


def test_batches_are_not_for_the_joiner() -> None:
    """A BATCH is refused like any other frame."""
    (closed,) = new_joiner().receive(frames.encode_batch(b"x"), 0.0)
    assert isinstance(closed, Closed)
    assert "takes none" in closed.detail


def test_one_challenge_and_one_name() -> None:
    """A second of either ends the session: one join gives one name."""
    refuses(new_joiner(), Challenge(OTHER), Challenge(OTHER))
    refuses(new_joiner(), Challenge(OTHER), JOINED, Challenge(OTHER))
    assert "twice" in refuses(new_joiner(), Challenge(OTHER), JOINED, JOINED)


@pytest.mark.parametrize("name", ["", "Green House", "../x", "-a", "a\n"])
def test_name_that_cannot_be_is_refused(name: str) -> None:
    """It becomes the name of series and files."""
    assert "names no device" in refuses(new_joiner(), Challenge(OTHER), Joined(name, NONCE))


def test_refusal_reaches_the_owner() -> None:
    """A token that is used, expired or guessed is answered with BYE."""
    joiner = new_joiner()
    events = hear(joiner, Challenge(OTHER), Bye("not_accepted", 0.0, "no"))
    assert events == [Closed("not_accepted", "no", 0.0, by_peer=True)]
    assert hear(joiner, JOINED) == []


def test_join_takes_five_seconds_at_most() -> None:
    """Also after its CHALLENGE: a collector that says no more is given up."""
    joiner = new_joiner()
    hear(joiner, Challenge(OTHER))
    assert joiner.next_deadline_s() == 5.0
    (closed,) = joiner.tick(5.0)
    assert isinstance(closed, Closed)
    assert closed.reason == "silence"


@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans())
def test_any_bytes_never_raise(pieces: list[bytes], is_challenged: bool) -> None:
    """Whatever stands at that address, it ends in events."""
    joiner = new_joiner()
    if is_challenged:
        hear(joiner, Challenge(OTHER))
    for piece in pieces:
        joiner.receive(piece, 0.0)
    joiner.receive_end()
    assert joiner.state is State.CLOSED
