"""A UDP relay that loses, doubles and reorders datagrams, and knows exactly which it lost.

Runs in a thread of its own, with choices that follow from its seed and the order of arrival alone.
Whoever sends through it has to wait for `seen` now and then: a kernel drops what its buffer has no
room for, and nobody would have counted that.
"""

import random
import socket
import threading
from typing import NamedTuple

_BUFFER_BYTES = 4 * 1024 * 1024
_LOOK_EVERY_S = 0.05
# How many others may overtake one that is held back.
_OVERTAKEN_BY = 64


class Faults(NamedTuple):
    """How often, from 0 to 1, a datagram is dropped, comes twice, or is overtaken by others."""

    drop: float = 0.0
    double: float = 0.0
    reorder: float = 0.0


class Relay:
    """Forwards what comes to 127.0.0.1:`port`, the system's choice where it is 0, to `target_port`.

    `seen` counts what came, `forwarded` what went on, doubles and all; `dropped` is what did not,
    `passed` each that did or will, once.
    """

    def __init__(self, target_port: int, seed: int, faults: Faults, port: int = 0) -> None:
        self.seen = 0
        self.forwarded = 0
        self.dropped: list[bytes] = []
        self.passed: list[bytes] = []
        self._faults = faults
        self._random = random.Random(seed)
        self._held: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.settimeout(_LOOK_EVERY_S)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._target = ("127.0.0.1", target_port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._socket.close()

    @property
    def held(self) -> int:
        """How many are held back, to be overtaken."""
        return len(self._held)

    def release(self) -> None:
        """Let everything go on that is held back, in an order of its own."""
        with self._lock:
            held, self._held = self._held, []
            self._random.shuffle(held)
            for _, datagram in held:
                self._forward(datagram)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(65536)
            except TimeoutError:
                continue
            with self._lock:
                self._take(datagram)
                self._release_due()
                self.seen += 1  # last: who waits for it finds all that came of it

    def _take(self, datagram: bytes) -> None:
        if self._random.random() < self._faults.drop:
            self.dropped.append(datagram)
            return
        self.passed.append(datagram)
        for _ in range(2 if self._random.random() < self._faults.double else 1):
            if self._random.random() < self._faults.reorder:
                due = self.seen + self._random.randint(1, _OVERTAKEN_BY)
                self._held.append((due, datagram))
            else:
                self._forward(datagram)

    def _release_due(self) -> None:
        due = [datagram for at, datagram in self._held if at <= self.seen]
        self._held = [entry for entry in self._held if entry[0] > self.seen]
        for datagram in due:
            self._forward(datagram)

    def _forward(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._target)
        self.forwarded += 1
