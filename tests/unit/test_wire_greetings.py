"""wire.greetings: what is said up to READY, by strangers too, fits the little that is kept of them."""

import msgspec
import pytest

from wire import frames
from wire.errors import PeerError
from wire.frames import Body, FrameReader
from wire.greetings import INVITATION_BYTES, Auth, Challenge, Hello, Join, Joined, Ready

# Four bytes each in UTF-8: nothing takes more.
LONG_TEXT = "\U0001f321" * 200
LONG_NAME = "a" * 63
SECRET = bytes(32)
LONGEST: list[Body] = [
    Hello(LONG_NAME, 255, 255, LONG_TEXT, SECRET),
    Join(bytes(INVITATION_BYTES), SECRET, 255, 255, LONG_TEXT),
    Challenge(SECRET),
    Auth(SECRET),
    Ready(255, LONG_TEXT),
    Joined(LONG_NAME, SECRET),
]


@pytest.mark.parametrize("body", LONGEST, ids=lambda body: type(body).__name__)
def test_longest_greetings_fit(body: Body) -> None:
    """Whatever may be said before READY passes the limit that stands until then."""
    ((kind, data),) = FrameReader().feed(frames.encode(body))
    assert frames.decode(kind, data) == body


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
@pytest.mark.parametrize("field", ["nonce", "proof", "key"])
def test_secrets_have_one_length(field: str, size: int) -> None:
    """32 bytes; so what a proof is made over is never ambiguous, and a short nonce no choice."""
    found = [body for body in LONGEST if hasattr(body, field)]
    assert found
    for body in found:
        frame = frames.encode(msgspec.structs.replace(body, **{field: bytes(size)}))
        with pytest.raises(PeerError, match="length"):
            frames.decode(frames.FrameType(frame[4]), frame[5:])


@pytest.mark.parametrize("size", [0, 7, 9])
def test_invitation_has_one_length(size: int) -> None:
    """8 bytes name an invitation."""
    frame = frames.encode(Join(bytes(size), SECRET, 1, 1))
    with pytest.raises(PeerError, match="invitation"):
        frames.decode(frames.FrameType.JOIN, frame[5:])


def test_hello_without_nonce_is_nil_or_nothing() -> None:
    """Both are the plain HELLO of a device that has no key."""
    fields = {"device": "a", "lowest_version": 1, "highest_version": 1}
    for hello in (fields, fields | {"nonce": None}):
        data = msgspec.msgpack.encode(hello)
        assert frames.decode(frames.FrameType.HELLO, data) == Hello("a", 1, 1)
