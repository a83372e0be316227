"""Datagrams: forms batches that fit one datagram each, numbers them, and sends each of them once.

Nothing is spooled. A batch takes its seq when it is formed, and that is recorded before anything is
sent: what is never sent, fails or gets lost on its way is missing at the collector by number, and
END says how many there were. A sender is of one epoch. It takes readings from the start; until its
key is there a few batches wait, and the oldest of too many counts as failed.
"""

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from config.addresses import Address
from device.cipher import cipher
from device.departure import Departure
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point, cost_bytes
from wire.bodies import DatagramKey
from wire.datagrams import MAX_BODY_BYTES, DatagramHead, seal_datagram

# What may wait for the key, 73 KiB at most: a burst of so many fits into the buffers of a kernel.
MAX_WAITING_BATCHES = 64

Record: TypeAlias = Callable[[int, int], None]


class Counts(NamedTuple):
    """What END says of an epoch: its last seq, and the readings of all its batches, sent or not."""

    last_seq: int
    readings: int


class DatagramSender:
    """The batches of one datagram epoch; `sent` + `failed` + `waiting` make up `last_seq`.

    `departure` is when the open one is formed and sent.

    Args:
        epoch: 16 random bytes, new for each sender.
        boot_id: the boot that the times belong to.
        clock: gives the clock pair for a batch that is formed now.
        record: makes durable the highest seq and the readings so far; called before each send.
    """

    def __init__(
        self, epoch: bytes, boot_id: bytes, clock: Callable[[], ClockPair], record: Record
    ) -> None:
        self.epoch = epoch
        self.boot_id = boot_id
        self.last_seq = 0
        self.readings = 0
        self.sent = 0
        self.failed = 0
        self._clock = clock
        self._record = record
        self._body = OpenBody()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self.departure = Departure(self.flush)
        self._channel: _Channel | None = None
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many batches wait for the key."""
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether the key is there, so that batches leave as they are formed."""
        return self._channel is not None

    def open(self, key: DatagramKey, address: Address) -> None:
        """Take the key, and send what waited for it.

        Args:
            key: of this epoch; a sender takes one, since a seq must not be sealed with a key twice.
            address: the collector's, its host in digits, as the session's socket names its peer.
        """
        assert key.epoch == self.epoch, "the key is of another epoch"
        assert not self.is_open, "there was a key already"
        assert not self._is_closed, "this epoch has ended"
        self._channel = _Channel(key, address)
        while self._waiting:
            self._try(self._channel, *self._waiting.popleft())

    def accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> None:
        """Take what one read of one sensor gave; `departure` says when it leaves."""
        assert not self._is_closed, "this epoch has ended"
        for part in _parts(points):
            if self._body.readings and self._body.size_bytes + cost_bytes(part) > MAX_BODY_BYTES:
                self.flush()
            self._body.add(sensor, time_ns, part)
        self.departure.reading()

    def flush(self) -> None:
        """Form a batch of what is there, if anything is, and send it."""
        self.departure.gone()
        if not self._body.readings:
            return
        place = Place(self.epoch, self.last_seq + 1, self.readings)
        readings = self.readings + self._body.readings
        self._record(place.seq, readings)
        sealed = seal(self._body, place, self.boot_id, self._clock())
        self.last_seq, self.readings = place.seq, readings
        self._body = OpenBody()
        if self._channel is None:
            self._wait(place.seq, sealed)
        else:
            self._try(self._channel, place.seq, sealed)

    def close(self) -> Counts:
        """End the epoch: send what is there, give up what waits, and return what END says."""
        self.flush()
        self.failed += len(self._waiting)
        self._waiting.clear()
        self._is_closed = True
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        return Counts(self.last_seq, self.readings)

    def _wait(self, seq: int, sealed: bytes) -> None:
        self._waiting.append((seq, sealed))
        if len(self._waiting) > MAX_WAITING_BATCHES:
            self._waiting.popleft()
            self.failed += 1

    def _try(self, channel: "_Channel", seq: int, sealed: bytes) -> None:
        if channel.send(seq, sealed):
            self.sent += 1
        else:
            self.failed += 1


class _Channel:
    """A key, and a connected socket to the collector: the thin edge."""

    def __init__(self, key: DatagramKey, address: Address) -> None:
        self._key_id = key.key_id
        self._cipher = cipher(key.key)
        # Digits alone: a name would have to be asked for, and the event loop would wait.
        found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, _, _, _, socket_address = found[0]
        self._family: int = family
        self._address: tuple[Any, ...] = socket_address
        self._socket: socket.socket | None = None

    def send(self, seq: int, sealed: bytes) -> bool:
        """Try once; say whether the kernel took it."""
        datagram = seal_datagram(DatagramHead(self._key_id, seq), sealed, self._cipher)
        try:
            self._connected().send(datagram)
        except BlockingIOError:
            return False  # its buffer is full
        except OSError:
            # No route, or nobody there: a new socket finds the way that the next one may have.
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect(self._address)
        return self._socket


def _parts(points: Sequence[Point]) -> list[Sequence[Point]]:
    """Split a read that no datagram could hold whole; one reading always fits."""
    if len(points) <= 1 or cost_bytes(points) <= MAX_BODY_BYTES:
        return [points] if points else []
    half = len(points) // 2
    return _parts(points[:half]) + _parts(points[half:])
