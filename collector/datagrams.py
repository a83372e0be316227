"""Datagrams: takes readings over UDP, with keys that sessions hand out, and counts all it drops.

Keys live in memory only, one a device: when this process ends, or the device gets its next key,
whatever was recorded of its datagrams is worth nothing. Nothing is ever answered here, so that no
stranger can use this port against others. What came is handed to the store in one piece a wake-up;
what is reported is what the store has committed.
"""

import asyncio
import errno
import secrets
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import structlog

from collector.errors import ListenError
from collector.store import Revoked
from config.addresses import Address, listening
from wire.bodies import DatagramKey, OpenDatagrams, Report
from wire.datagrams import (
    MAX_DATAGRAM_BYTES,
    DatagramError,
    DropReason,
    ReplayWindow,
    check_batch,
    open_datagram,
    parse_head,
)
from wire.receiver import Arrived

_log = structlog.get_logger()

# Keys outlive their sessions, so there may be more of them; the one that was quiet longest goes.
MAX_KEYS = 4096
# What may wait for the store; what comes on top of it is dropped, and may still come again.
MAX_PENDING_BYTES = 8 * 1024 * 1024
# One wake-up takes this many at most, so that sessions have their turn.
_A_WAKE_UP = 256
# What may be left in the kernel's buffer when an epoch ends: more never fits into it.
_LEFT_OVER = 16 * 1024
_BUFFER_BYTES = 4 * 1024 * 1024

_SO_RXQ_OVFL = 40  # asm-generic/socket.h; Python has no name for it
_DROPS = struct.Struct("=I")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DROPS.size)

StoreDatagrams: TypeAlias = Callable[
    [str, bytes, Sequence[Arrived], Callable[[object], None]], None
]  # device, epoch, batches, done


class _Epoch:
    """One datagram epoch whose key is alive; `highest_seq` and `received` are what is committed."""

    def __init__(self, device: str, key: DatagramKey, now_s: float) -> None:
        self.device = device
        self.epoch = key.epoch
        self.key_id = key.key_id
        # Loaded when the first device wants to send datagrams: it takes 7 MB.
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        self.cipher = ChaCha20Poly1305(key.key)
        self.window = ReplayWindow()
        self.heard_s = now_s
        self.arrived: list[Arrived] = []
        self.highest_seq = 0
        self.received = 0


class Datagrams:
    """The UDP side of a collector. To be used on the event loop's thread.

    `received` counts what was taken, `dropped` what was not, by a word of `DropReason`.

    Args:
        store: commits batches of an epoch of a device and calls `done` after that, on the loop.
        is_disk_low: whether nothing may be stored now, as no session is let in then.
    """

    def __init__(self, store: StoreDatagrams, is_disk_low: Callable[[], bool]) -> None:
        self.received = 0
        self.dropped: Counter[str] = Counter()
        self.pending_bytes = 0
        self._store = store
        self._is_disk_low = is_disk_low
        self._loop = asyncio.get_running_loop()
        self._ports: list[_Port] = []
        self._by_key_id: dict[int, _Epoch] = {}
        self._by_device: dict[str, _Epoch] = {}
        self._with_arrived: list[_Epoch] = []

    async def start(self, address: Address) -> None:
        """Receive on every address that `address` stands for.

        Raises:
            ListenError: the port is taken, or not ours to take.
        """
        try:
            for each in listening(address):
                found = await self._loop.getaddrinfo(*each, type=socket.SOCK_DGRAM)
                for family, *_, socket_address in dict.fromkeys(found):
                    self._ports.append(_Port(family, socket_address))
        except OSError as error:
            self.stop()
            raise ListenError(
                f"cannot receive datagrams on {address}: {error.strerror or error}. "
                "End the program that has this UDP port, or set devices.listen to another port"
            ) from None
        for port in self._ports:
            self._loop.add_reader(port.socket, self._read, port, _A_WAKE_UP)

    @property
    def port(self) -> int:
        """The port that is received on: the system's choice where the address says 0."""
        return int(self._ports[0].socket.getsockname()[1])

    @property
    def kernel_drops(self) -> int:
        """How many datagrams the kernel had no room for, as far as a later one has told."""
        return sum(port.drops for port in self._ports)

    @property
    def keys(self) -> int:
        """How many keys are alive."""
        return len(self._by_device)

    def open(self, device: str, wish: OpenDatagrams) -> DatagramKey:
        """Make a key for a new epoch of a device; the key that it had dies."""
        self._forget(device)
        if len(self._by_device) >= MAX_KEYS:
            self._forget(min(self._by_device.values(), key=lambda epoch: epoch.heard_s).device)
        key = DatagramKey(wish.epoch, self._new_key_id(), secrets.token_bytes(32))
        epoch = _Epoch(device, key, self._loop.time())
        self._by_key_id[key.key_id] = self._by_device[device] = epoch
        return key

    def close(self, device: str, epoch: bytes) -> None:
        """Hand over what has come of an epoch, and let its key die; one without a key is fine."""
        known = self._by_device.get(device)
        if known is not None and known.epoch == epoch:
            self._forget(device)

    def revoke(self, device: str) -> None:
        """Let a device's key die, and what came by it and is not committed yet with it."""
        self._forget(device)

    def report(self, device: str) -> Report | None:
        """Say what is committed of the device's present epoch; None where it has no key."""
        known = self._by_device.get(device)
        if known is None:
            return None
        return Report(known.epoch, known.highest_seq, known.received, self.kernel_drops)

    def stop(self) -> None:
        """Hand over what has come, and receive no more."""
        for port in self._ports:
            self._loop.remove_reader(port.socket)
            self._read(port, _LEFT_OVER)
            port.socket.close()
        self._ports.clear()

    def _forget(self, device: str) -> None:
        if device not in self._by_device:
            return
        # What it had sent before it said END may still lie in the kernel's buffer.
        for port in self._ports:
            self._read(port, _LEFT_OVER)
        del self._by_key_id[self._by_device.pop(device).key_id]

    def _new_key_id(self) -> int:
        while (key_id := secrets.randbits(32)) in self._by_key_id:
            pass
        return key_id

    def _read(self, port: "_Port", limit: int) -> None:
        """Take what waits in the kernel, up to `limit` datagrams, and hand it to the store."""
        for _ in range(limit):
            came = port.receive()
            if came is None:
                break
            try:
                self._take(came)
            except DatagramError as error:
                self.dropped[error.reason] += 1
        self._hand_over()

    def _take(self, datagram: bytes) -> None:
        head = parse_head(datagram)
        epoch = self._by_key_id.get(head.key_id)
        if epoch is None:
            raise DatagramError(DropReason.UNKNOWN_KEY, f"{head.key_id}")
        if not epoch.window.is_new(head.seq):
            raise DatagramError(DropReason.REPLAYED, f"seq {head.seq}")
        sealed = open_datagram(datagram, head, epoch.cipher)
        # What there is no room for is not taken, so that it may still come a second time.
        if self._is_disk_low():
            raise DatagramError(DropReason.DISK_FULL, "the store's disk has too little room")
        if self.pending_bytes + len(sealed) > MAX_PENDING_BYTES:
            raise DatagramError(DropReason.OVERLOADED, f"{self.pending_bytes} bytes wait")
        epoch.window.take(head.seq)
        self._keep(epoch, Arrived(check_batch(sealed, epoch.epoch, head.seq), sealed))

    def _keep(self, epoch: _Epoch, arrived: Arrived) -> None:
        if not epoch.arrived:
            epoch.heard_s = self._loop.time()
            self._with_arrived.append(epoch)
        epoch.arrived.append(arrived)
        self.pending_bytes += len(arrived.sealed)
        self.received += 1

    def _hand_over(self) -> None:
        for epoch in self._with_arrived:
            batches, epoch.arrived = epoch.arrived, []
            done = partial(self._committed, epoch, batches)
            self._store(epoch.device, epoch.epoch, batches, done)
        self._with_arrived.clear()

    def _committed(self, epoch: _Epoch, batches: Sequence[Arrived], answer: object) -> None:
        self.pending_bytes -= sum(len(arrived.sealed) for arrived in batches)
        if isinstance(answer, Revoked):
            return
        epoch.received += len(batches)
        highest = max(arrived.header.place.seq for arrived in batches)
        epoch.highest_seq = max(epoch.highest_seq, highest)


class _Port:
    """One bound socket, and how many datagrams its kernel had no room for: the thin edge."""

    def __init__(self, family: int, address: tuple[Any, ...]) -> None:
        self.drops = 0
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # The kernel gives as much of it as net.core.rmem_max allows.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._ask_for_drops()
            self.socket.bind(address)
        except OSError:
            self.socket.close()
            raise

    def receive(self) -> bytes | None:
        """Return the next datagram, cut behind the first byte that is too much; None: none waits."""
        try:
            datagram, ancillary, _, _ = self.socket.recvmsg(
                MAX_DATAGRAM_BYTES + 1, _ANCILLARY_BYTES
            )
        except BlockingIOError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                self._note_drops(*_DROPS.unpack(data))
        return datagram

    def _ask_for_drops(self) -> None:
        """Let the kernel tell its count; emulated ones have none, and all else works without."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise

    def _note_drops(self, drops: int) -> None:
        """Take the kernel's count, which has 32 bits and begins anew behind them."""
        self.drops += (drops - self.drops) % 2**32
