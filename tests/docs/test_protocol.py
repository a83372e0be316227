"""wire/PROTOCOL.md: every example decodes, with nothing of ours, to what it says."""

import json
import re
import struct
import zlib
from pathlib import Path

import msgspec
import pytest

from wire import frames

TEXT = (Path(__file__).parents[2] / "wire" / "PROTOCOL.md").read_text()
HEX = {
    name: bytes.fromhex(body) for name, body in re.findall(r"```hex (\w+)\n(.*?)```", TEXT, re.S)
}
JSON = {name: json.loads(body) for name, body in re.findall(r"```json (\w+)\n(.*?)```", TEXT, re.S)}
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


def test_every_frame_type_has_an_example() -> None:
    """No frame is specified by words alone, and no example is left over."""
    assert set(HEX) == {kind.name for kind in frames.FrameType}


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


def test_numbers_of_the_text_are_those_of_the_code() -> None:
    """Limits and times that the page names are the ones in force."""
    from wire import batches, conversation, readings, sender

    assert f"more than {frames.MAX_GREETING_BYTES // 1024} KiB before READY" in TEXT
    assert f"{frames.MAX_FRAME_BYTES // 1024} KiB after it" in TEXT
    assert f"At most {sender.WINDOW_BYTES // 1024} KiB of batches" in TEXT
    assert f"readings in it, 1 to {batches.MAX_READINGS}" in TEXT
    assert f"at least every {conversation.PING_AFTER_S:.0f} s" in TEXT
    assert f"After {conversation.SILENCE_S:.0f} s without" in TEXT
    for quality in readings.Quality:
        if readings.reason(quality):
            assert f"| {int(quality)} | `{readings.reason(quality)}`" in TEXT
    reasons = {value for name, value in vars(frames.ByeReason).items() if name.isupper()}
    assert reasons == set(
        re.findall(
            r"`(\w+)` (?:the program|a newer|a batch|what came|no common|not from|nothing|too many)",
            TEXT.partition("## BYE")[2],
        )
    )
