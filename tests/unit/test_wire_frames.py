"""wire.frames: a stream becomes frames, whatever pieces it comes in."""

import contextlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import EPOCH, HELD, MOMENT
from wire import frames
from wire.bodies import (
    Ack,
    Bye,
    Command,
    DatagramKey,
    Describe,
    End,
    Gap,
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
)
from wire.errors import PeerError
from wire.frames import Body, FrameReader, FrameType
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready

BODIES: list[Body] = [
    Hello("greenhouse", 1, 1, "test"),
    Hello("greenhouse", 1, 1, "test", bytes(32)),
    Join(bytes(8), bytes(32), 1, 1, "test"),
    Challenge(bytes(32)),
    Auth(bytes(32)),
    Ready(1, "test"),
    Joined("greenhouse", bytes(32)),
    Describe([]),
    Hold([HELD], more=True, lost="spool_lost"),
    Marks([Mark(EPOCH, 0)], more=True),
    Gap(EPOCH, 1, 2, "collector_rollback", 20, 10**9, 2 * 10**9),
    End(EPOCH, "stopped", 7, 70),
    End(EPOCH, "power_cut", until=MOMENT),
    Ack(EPOCH, 1, ended=True),
    Reject(EPOCH, 5, "checksum does not match"),
    Command(1, "set_interval", ["air", "1s"], 5.0),
    Result(1, True, "done", {"air.temperature": 20.5, "unit": "degC", "humidity": None}),
    OpenDatagrams(EPOCH, MOMENT, 10**9),
    DatagramKey(EPOCH, 2**32 - 1, bytes(32)),
    Report(EPOCH, 10, 9, 1),
    Key(bytes(32)),
    Ping(3),
    Pong(3),
    Bye("stopping"),
]


def test_every_frame_type_is_here() -> None:
    """No body escapes the tests below, and none but BATCH has no Struct."""
    assert {type(body) for body in BODIES} == set(frames.BODIES.values())
    assert set(FrameType) - set(frames.BODIES) == {FrameType.BATCH}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_every_body_comes_back(body: Body) -> None:
    """What one end encodes the other decodes to the same."""
    ((kind, data),) = FrameReader().feed(frames.encode(body))
    assert frames.BODIES[kind] is type(body)
    assert frames.decode(kind, data) == body


@given(st.lists(st.integers(0, 1200), max_size=20))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    """Any split of the stream gives the same frames."""
    stream = b"".join(map(frames.encode, BODIES))
    whole = FrameReader().feed(stream)
    reader, found, start = FrameReader(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += reader.feed(stream[start:cut])
        start = max(start, cut)
    assert found == whole
    assert not reader.begun


def test_frame_has_begun_until_it_is_whole() -> None:
    """From its first byte on, and again from the first byte behind it."""
    reader, frame = FrameReader(), frames.encode(Ping(1))
    seen = [reader.begun]
    for piece in (frame[:1], frame[1:5], frame[5:], frame + frame[:1]):
        reader.feed(piece)
        seen.append(reader.begun)
    assert seen == [False, True, True, False, True]


def test_frame_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    """The limit is checked on the length alone, before anything of the body is kept."""
    head = struct.pack("<IB", 1024, FrameType.HELLO)
    assert len(FrameReader().feed(head + bytes(1024))) == 1
    with pytest.raises(PeerError, match="frame of 1025 bytes, limit 1024"):
        FrameReader().feed(struct.pack("<IB", 1025, FrameType.HELLO))


def test_unknown_type_is_refused() -> None:
    """A type nobody knows ends the session, before its body has come."""
    with pytest.raises(PeerError, match="type 99"):
        FrameReader().feed(struct.pack("<IB", 10, 99))


def test_unknown_fields_are_ignored() -> None:
    """A later version may add fields."""
    data = msgspec.msgpack.encode({"token": 5, "new": [1, {"x": "y"}]})
    assert frames.decode(FrameType.PING, data) == Ping(5)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FrameType.HELLO, {"device": "a"}),
        (FrameType.HELLO, {"device": "a" * 65, "lowest_version": 1, "highest_version": 1}),
        (FrameType.HELLO, {"device": "a", "lowest_version": 1, "highest_version": 1, "nonce": bytes(31)}),
        (FrameType.JOIN, {"invitation": bytes(8), "nonce": None, "lowest_version": 1, "highest_version": 1}),
        (FrameType.JOIN, {"invitation": bytes(9), "nonce": bytes(32), "lowest_version": 1, "highest_version": 1}),
        (FrameType.CHALLENGE, {"nonce": bytes(33)}),
        (FrameType.AUTH, {"proof": bytes(31)}),
        (FrameType.AUTH, {}),
        (FrameType.READY, {"version": 256}),
        (FrameType.JOINED, {"device": "a", "key": bytes(31)}),
        (FrameType.KEY, {"key": "x" * 32}),
        (FrameType.ACK, {"epoch": b"short", "mark": 1}),
        (FrameType.ACK, {"epoch": EPOCH, "mark": -1}),
        (FrameType.ACK, {"epoch": EPOCH, "mark": 2**63}),
        (FrameType.BYE, {"reason": "x", "retry_after_s": float("nan")}),
        (FrameType.BYE, {"reason": "x", "retry_after_s": 1e9}),
        (FrameType.DESCRIBE, {"sensors": [{"name": "a", "driver": "b", "interval_s": 0, "channels": []}]}),
        (FrameType.DESCRIBE, {"sensors": [{"name": "a", "driver": "b", "interval_s": float("inf"), "channels": []}]}),
        (FrameType.HOLD, {"epochs": [{"epoch": EPOCH, "lowest_seq": 1}]}),
        (FrameType.GAP, {"epoch": EPOCH, "first_seq": 0, "last_seq": 1, "reason": "x"}),
        (FrameType.GAP, {"epoch": EPOCH, "first_seq": 1, "last_seq": 1, "reason": "x", "last_ns": 2**61}),
        (FrameType.END, {"epoch": EPOCH, "reason": "x" * 65}),
        (FrameType.REJECT, {"epoch": EPOCH, "seq": 0}),
        (FrameType.COMMAND, {"id": 1, "name": "x", "within_s": 0}),
        (FrameType.COMMAND, {"id": 1, "name": "x", "within_s": 3601}),
        (FrameType.COMMAND, {"id": 1, "name": "x", "arguments": ["x"] * 17}),
        (FrameType.RESULT, {"id": 1, "ok": True, "values": {str(n): 0 for n in range(2001)}}),
        (FrameType.DATAGRAM_KEY, {"epoch": EPOCH, "key_id": 2**32, "key": bytes(32)}),
        (FrameType.DATAGRAM_KEY, {"epoch": EPOCH, "key_id": 1, "key": bytes(31)}),
        (FrameType.PING, []),
    ],
)  # fmt: skip
def test_bodies_of_another_shape_are_refused(kind: FrameType, body: object) -> None:
    """Missing fields, wrong types and numbers out of range are the peer's fault."""
    with pytest.raises(PeerError, match=kind.name):
        frames.decode(kind, msgspec.msgpack.encode(body))


@given(st.sampled_from(sorted(frames.BODIES)), st.binary(max_size=300))
def test_any_bytes_are_a_body_or_a_peer_error(kind: FrameType, data: bytes) -> None:
    """A peer's bytes raise nothing but PeerError."""
    with contextlib.suppress(PeerError):
        frames.decode(kind, data)


def test_byte_by_byte_costs_no_copy_of_all_before() -> None:
    """A frame of the limit in single bytes stays linear: the bytes held are one growing buffer."""
    reader = FrameReader(frames.MAX_FRAME_BYTES)
    reader.feed(struct.pack("<IB", frames.MAX_FRAME_BYTES, FrameType.BATCH))
    for _ in range(1000):
        assert reader.feed(b"x") == []
    held = reader._rest
    reader.feed(b"x")
    assert reader._rest is held
