"""wire/PROTOCOL.md: every example decodes, with nothing of ours, to what it says."""

import base64
import hashlib
import hmac
import json
import re
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from wire import (
    batches,
    bodies,
    conversation,
    datagrams,
    frames,
    proofs,
    readings,
    receiver,
    sender,
    tokens,
)

TEXT = (Path(__file__).parents[2] / "wire" / "PROTOCOL.md").read_text()
FLOWING = " ".join(TEXT.split())
HEX = {
    name: bytes.fromhex(body) for name, body in re.findall(r"```hex (\w+)\n(.*?)```", TEXT, re.S)
}
JSON = {name: json.loads(body) for name, body in re.findall(r"```json (\w+)\n(.*?)```", TEXT, re.S)}
DATAGRAM = HEX.pop("DATAGRAM")
PROOFS = {
    name: bytes.fromhex(each) for name, each in JSON.pop("PROOFS").items() if name != "device"
}
(TOKEN,) = re.findall(r"^```token\n(.*)\n```", TEXT, re.M)
TYPES = {name: int(kind) for kind, name in re.findall(r"^\| (\d+) \| (\w+) \|", TEXT, re.M)}
TYPES |= {"PING": 16, "PONG": 17}


def as_json(value: object) -> object:
    """Bytes as hex, as the examples write them."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: as_json(each) for key, each in value.items()}
        case list():
            return [as_json(each) for each in value]
    return value


def section(title: str) -> str:
    """What stands under a heading, up to the next."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return found


def words_of(reasons: type) -> set[str]:
    """The words of a class of reasons."""
    return {word for name, word in vars(reasons).items() if name.isupper()}


def test_every_frame_type_has_an_example() -> None:
    """No frame is specified by words alone, and no example is left over."""
    assert set(HEX) == {kind.name for kind in frames.FrameType}
    assert set(JSON) == set(HEX) - {"BATCH"}


def test_table_of_frames_is_that_of_the_code() -> None:
    """Numbers, and nothing beyond them but what is reserved."""
    listed = dict(re.findall(r"^\| (\d+) \| (\w+) \| (?:device|collector|either)", TEXT, re.M))
    found = {int(number): name for number, name in listed.items()}
    assert found | {16: "PING", 17: "PONG"} == {int(kind): kind.name for kind in frames.FrameType}


@pytest.mark.parametrize("name", sorted(HEX))
def test_head_of_every_example(name: str) -> None:
    """Length and type of each example are those of the table."""
    length, kind = struct.unpack_from("<IB", HEX[name])
    assert length == len(HEX[name]) - 5
    assert kind == TYPES[name] == frames.FrameType[name]


@pytest.mark.parametrize("name", sorted(JSON))
def test_body_of_every_example(name: str) -> None:
    """Plain MessagePack gives the fields written beside it; our own code takes the frame."""
    assert as_json(msgspec.msgpack.decode(HEX[name][5:])) == JSON[name]
    ((kind, data),) = frames.FrameReader(frames.MAX_FRAME_BYTES).feed(HEX[name])
    assert frames.encode(frames.decode(kind, data)) == HEX[name]


def test_batch_example() -> None:
    """The sealed batch, read by the offsets of the table, holds what the text says."""
    sealed = HEX["BATCH"][5:]
    fields = struct.unpack_from("<BBHI16sQQ16sqqqq", sealed)
    assert fields[:4] == (1, 2, 4, len(sealed))
    assert fields[5:7] == (1, 0)
    assert fields[10:] == (5 * 10**9, 6 * 10**9)
    assert zlib.crc32(sealed[:-4]) == struct.unpack("<I", sealed[-4:])[0]
    ((sensor, times, columns),) = msgspec.msgpack.decode(sealed[88:-4])
    assert (sensor, struct.unpack("<2q", times)) == ("air", (5 * 10**9, 6 * 10**9))
    assert columns[0][:2] == ["temperature", "degC"]
    assert struct.unpack("<2d", columns[0][2]) == (21.5, 21.625)
    assert columns[0][3] is None
    assert columns[1][:2] == ["humidity", "%"]
    assert struct.unpack("<2d", columns[1][2])[0] == 40.25
    assert columns[1][3] == bytes([0, 130])


def test_proof_of_a_key_by_its_formula() -> None:
    """Plain HMAC gives the proof, from what the frames of the examples carry; our code the same."""
    hello, challenge = JSON["HELLO"], JSON["CHALLENGE"]
    exchange = bytes.fromhex(hello["nonce"] + challenge["nonce"]) + PROOFS["fingerprint"]
    key = bytes.fromhex(JSON["JOINED"]["key"])
    text = b"telegauge auth 1\x00" + exchange + hello["device"].encode()
    proof = hmac.new(key, text, hashlib.sha256).digest()
    assert (key, proof) == (PROOFS["key"], PROOFS["auth_proof"])
    assert proof.hex() == JSON["AUTH"]["proof"]
    assert proof == proofs.auth_proof(key, its_exchange(), hello["device"])


def test_proof_of_a_token_by_its_formula() -> None:
    """Step by step, as the page says, each step with its number; our code the same."""
    secret = PROOFS["secret"]
    token_key = hmac.new(secret, b"telegauge token 1", hashlib.sha256).digest()
    stored_key = hashlib.sha256(token_key).digest()
    invitation = hashlib.sha256(stored_key).digest()[:8]
    text = b"telegauge join 1\x00" + b"".join(its_exchange())
    signature = hmac.new(stored_key, text, hashlib.sha256).digest()
    proof = bytes(one ^ other for one, other in zip(token_key, signature, strict=True))
    found = {
        "token_key": token_key,
        "stored_key": stored_key,
        "invitation": invitation,
        "signature": signature,
        "join_proof": proof,
    }
    assert {name: PROOFS[name] for name in found} == found
    assert invitation.hex() == JSON["JOIN"]["invitation"]
    assert proof == proofs.join_proof(secret, its_exchange())
    assert proofs.verifier_of(secret) == (stored_key,)


def its_exchange() -> proofs.Exchange:
    """What the proofs of the page are made over; HELLO and JOIN have the same nonce."""
    exchange = proofs.Exchange(
        PROOFS["device_nonce"], PROOFS["collector_nonce"], PROOFS["fingerprint"]
    )
    for name in ("HELLO", "JOIN"):
        assert JSON[name]["nonce"] == exchange.device_nonce.hex()
    return exchange


def test_token_example() -> None:
    """Read by the offsets of the table, it holds what the text says; our code reads the same."""
    letters = TOKEN.removeprefix("tg1-")
    data = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    assert (data[:32], data[32:48]) == (PROOFS["fingerprint"], PROOFS["secret"])
    addresses, rest = [], data[48:-4]
    while rest:
        host, port = struct.unpack_from(f"<{rest[0]}sH", rest, 1)
        addresses.append((host.decode(), port))
        rest = rest[3 + len(host) :]
    assert addresses == [("192.168.1.10", 8888), ("collector.local", 8888)]
    assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0]
    assert tokens.decode_token(TOKEN) == (data[:32], data[32:48], tuple(addresses))


def test_every_field_of_a_frame_is_in_its_table() -> None:
    """Also those that may be left out, which are marked as such."""
    for kind, body in frames.BODIES.items():
        title = "PING and PONG" if kind.name in ("PING", "PONG") else kind.name
        assert_table_names(section(title), body)
    assert_table_names(section("HOLD"), bodies.Held)
    assert_table_names(section("HOLD"), bodies.Moment)
    assert_table_names(section("MARKS"), bodies.Mark)


def assert_table_names(text: str, body: type[msgspec.Struct]) -> None:
    """A row for each field, and a question mark exactly where it may be left out."""
    rows = re.findall(r"^\| \.*([a-z_, .]+) \| ([\w ]+\??[\w ]*) \|", text, re.M)
    told = {name.strip(" ."): kind for names, kind in rows for name in names.split(",")}
    for field in msgspec.structs.fields(body):
        assert field.name in told, (body, field.name)
        assert ("?" in told[field.name]) == (not field.required), (body, field.name)


def test_datagram_example() -> None:
    """Read by its table, with the key of the text, it holds the batch of the text."""
    (version, key_id, seq), head = struct.unpack_from("<BIQ", DATAGRAM), DATAGRAM[:13]
    assert (version, key_id, seq) == (1, JSON["DATAGRAM_KEY"]["key_id"], 1)
    cipher = ChaCha20Poly1305(bytes.fromhex(JSON["DATAGRAM_KEY"]["key"]))
    nonce = bytes(4) + struct.pack("<Q", seq)
    assert cipher.decrypt(nonce, DATAGRAM[13:], head) == HEX["BATCH"][5:]


def test_numbers_of_the_text_are_those_of_the_code() -> None:
    """Limits and times that the page names are the ones in force."""
    from collector import replacements, session

    assert f"more than {frames.MAX_GREETING_BYTES // 1024} KiB before READY" in FLOWING
    assert f"{frames.MAX_FRAME_BYTES // 1024} KiB after it" in FLOWING
    assert (
        f"At most {sender.WINDOW_BYTES // 1024} KiB of BATCH, GAP and END may be unacknowledged, "
        f"of which backlog at most {sender.BACKLOG_BYTES // 1024} KiB" in FLOWING
    )
    assert f"hold {receiver.MAX_HELD_EPOCHS} epochs in all" in FLOWING
    assert f"more than {receiver.MAX_REJECTED_EPOCHS} epochs may wait for such a GAP" in FLOWING
    assert f"readings in it, 1 to {batches.MAX_READINGS}" in FLOWING
    assert f"READY or JOINED comes within {conversation.GREETING_S:.0f} s of connecting" in FLOWING
    assert f"at least every {conversation.PING_AFTER_S:.0f} s" in FLOWING
    assert (
        f"After {conversation.SILENCE_S:.0f} s without a whole frame, "
        f"or {conversation.FRAME_S:.0f} s after a frame began" in FLOWING
    )
    assert f"1 to {tokens.MAX_ADDRESSES} addresses" in FLOWING
    assert f"at the latest {session.ALIVE_WITHIN_S:.0f} s later, BYE `replaced`" in FLOWING
    assert "At the third time within ten minutes" in FLOWING
    assert (replacements.REPLACEMENTS, replacements.WITHIN_S) == (3, 600)
    assert f"and {datagrams.MAX_DATAGRAM_BYTES} bytes at most" in FLOWING
    assert f"or lies {datagrams.ReplayWindow.WIDTH} or more behind" in FLOWING


def test_words_of_the_text_are_those_of_the_code() -> None:
    """Qualities, and the reasons of BYE, GAP and END: each explained, none left over."""
    for quality in readings.Quality:
        if readings.reason(quality):
            assert f"| {int(quality)} | `{readings.reason(quality)}`" in TEXT
    explained = re.compile(r"^\| `(\w+)` \| \w", re.M)
    assert set(explained.findall(section("BYE"))) == words_of(bodies.ByeReason)
    assert set(explained.findall(section("GAP"))) == words_of(bodies.GapReason)
    (end_reasons,) = re.findall(r"^\| reason \| str \| (.*) \|$", section("END"), re.M)
    assert set(re.findall(r"`(\w+)`", end_reasons)) == words_of(bodies.EndReason)
