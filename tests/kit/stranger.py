"""A device written from wire/PROTOCOL.md alone: a socket, struct, zlib and plain MessagePack.

Shares no code with the product, so that what both misread alike would show.
"""

import socket
import struct
import zlib
from typing import Any

import msgspec

HELLO, READY, DESCRIBE, HOLD, MARKS, BATCH, GAP, END, ACK, REJECT = 1, 4, 5, 6, 7, 8, 9, 10, 11, 12
PING, PONG, BYE = 16, 17, 18


class Stranger:
    """One connection that speaks frames."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=15)

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, kind: int, body: dict[str, Any] | bytes) -> None:
        """Send one frame."""
        data = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
        self._socket.sendall(struct.pack("<IB", len(data), kind) + data)

    def receive(self, wanted: int) -> dict[str, Any]:
        """Return the next frame, which must be of that type; PINGs are answered on the way."""
        while True:
            length, kind = struct.unpack("<IB", self._exactly(5))
            body = msgspec.msgpack.decode(self._exactly(length))
            if kind == PING:
                self.send(PONG, {"token": body.get("token", 0)})
                continue
            assert kind == wanted, (kind, body)
            assert isinstance(body, dict)
            return body

    def greet(self, device: str, epoch: bytes, boot_id: bytes) -> int:
        """Say hello, describe nothing, hold one epoch; return its mark."""
        self.send(HELLO, {"device": device, "lowest_version": 1, "highest_version": 1})
        assert self.receive(READY)["version"] == 1
        self.send(DESCRIBE, {"sensors": []})
        marks = self.hold([epoch], boot_id=boot_id)
        assert list(marks) == [epoch]
        return marks[epoch]

    def hold(self, *parts: list[bytes], boot_id: bytes) -> dict[bytes, int]:
        """Hold epochs, those of each part in a frame of their own; return the mark of each."""
        for number, part in enumerate(parts, 1):
            entries = [held(epoch, boot_id) for epoch in part]
            self.send(HOLD, {"epochs": entries, "more": number < len(parts)})
        marks: dict[bytes, int] = {}
        more = True
        while more:
            answer = self.receive(MARKS)
            marks |= {entry["epoch"]: entry["mark"] for entry in answer["marks"]}
            more = answer.get("more", False)
        return marks

    def acknowledged(self, epoch: bytes, mark: int, ended: bool = False) -> None:
        """Wait for an acknowledgement, past those of less."""
        found = {"epoch": b"", "mark": -1, "ended": False}
        while found != {"epoch": epoch, "mark": mark, "ended": ended}:
            found = {"ended": False} | self.receive(ACK)
            assert found["mark"] <= mark, found

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            assert part, "the collector closed the connection"
            data += part
        return data


def held(epoch: bytes, boot_id: bytes) -> dict[str, Any]:
    """An entry of HOLD: all of an epoch that began at 1 s, boot time equal to UTC."""
    clock = {"boot_id": boot_id, "boot_ns": 10**9, "wall_ns": 10**9, "synchronised": True}
    return {"epoch": epoch, "lowest_seq": 1, "clock": clock, "began_ns": 1_790_000_000 * 10**9}


def damaged(sealed: bytes) -> bytes:
    """The batch with a byte of its body changed on the way."""
    return sealed[:90] + bytes([sealed[90] ^ 0x40]) + sealed[91:]


def batch(epoch: bytes, boot_id: bytes, seq: int, values: list[float]) -> bytes:
    """Seal one batch: `meter.level` in m, one value a second, boot time equal to UTC."""
    first_ns = 1_790_000_000 * 10**9 + seq * 10**10
    times = [first_ns + number * 10**9 for number in range(len(values))]
    columns = [["level", "m", struct.pack(f"<{len(values)}d", *values), None]]
    body = msgspec.msgpack.encode([["meter", struct.pack(f"<{len(times)}q", *times), columns]])
    before = (seq - 1) * len(values)
    head = struct.pack(
        "<BBHI16sQQ16sqqqq",
        1, 0, len(values), 88 + len(body) + 4, epoch, seq, before, boot_id, 0, 0, times[0], times[-1],
    )  # fmt: skip
    sealed = head + body
    return sealed + struct.pack("<I", zlib.crc32(sealed))
