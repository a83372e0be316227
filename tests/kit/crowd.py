"""Strangers at a collector's door, in a process of their own: python -m kit.crowd PLAN (JSON).

Each comes from an address of 127.0.0.0/8 that is not the devices', stays for as long as it is left
alone, and comes again when it was sent away. What became of them is printed as JSON at the end.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from device.credentials import Credentials
from service import tls
from service.stream import ConversationStream
from wire import frames
from wire.bodies import Ping
from wire.conversation import Closed, Event
from wire.greetings import Ready
from wire.proofs import NONCE_BYTES
from wire.sender import Prover, Sender

# What a slow stranger begins with: a record of TLS, or a frame that is not whole for long.
_BEGINNINGS = (b"\x16\x03\x01\x02\x00\x01", frames.encode(Ping())[:1] + b"\x02\x00\x00\x01")
_AGAIN_S = 0.5
_CONNECT_S = 10.0
_QUESTION = frames.encode(Ping(2**63 - 1))
_QUESTIONS_A_S = 20_000  # of all that are deaf together
_DEAF_BUFFER_BYTES = 4096
# Said when all that are deaf have come in, and the others begin.
READY = "ready"


class Plan(msgspec.Struct, frozen=True):
    """How many of each kind, for how long.

    `slow` send a byte a second, `silent` nothing, `knocking` a wrong key under the name `device`,
    `deaf` (one for each of `credentials`) come in, ask without end, and read nothing.
    """

    port: int
    seconds: float
    slow: int = 0
    silent: int = 0
    knocking: int = 0
    device: str = "greenhouse"
    fingerprint: bytes = b""
    deaf: list[Credentials] = []


class Crowd:
    """All of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.until_s = time.monotonic() + plan.seconds
        self.longest_s = 0.0
        self.did: Counter[str] = Counter()
        self.came_in: set[str] = set()
        self._hosts = (f"127.0.{a}.{b}" for a in itertools.cycle((0, 1)) for b in range(2, 52))

    async def run(self) -> dict[str, float]:
        """Let all of them try until the time is over."""
        plan = self.plan
        deaf = [asyncio.create_task(self._deaf(*each)) for each in enumerate(plan.deaf)]
        while len(self.came_in) < len(deaf):
            await asyncio.sleep(0.05)
        print(READY, flush=True)
        ways = [
            *[self._slow(_BEGINNINGS[number % 2]) for number in range(plan.slow)],
            *[self._silent() for _ in range(plan.silent)],
            *[self._knocking() for _ in range(plan.knocking)],
        ]
        tasks = [*deaf, *[asyncio.create_task(way) for way in ways]]
        await asyncio.wait(tasks, timeout=plan.seconds)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        return {"longest_s": round(self.longest_s, 2), "came_in": len(self.came_in), **self.did}

    async def _slow(self, beginning: bytes) -> None:
        while True:
            async with self._connection("slow") as (reader, writer):
                for byte in itertools.chain(beginning, itertools.repeat(0)):
                    writer.write(bytes([byte]))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await reader.read(1)
                            break

    async def _silent(self) -> None:
        while True:
            async with self._connection("silent") as (reader, _):
                await reader.read(1)

    async def _knocking(self) -> None:
        while True:
            key = secrets.token_bytes(32)
            await self._session(next(self._hosts), self.plan.device, key, self.plan.fingerprint)
            await asyncio.sleep(0.05)

    async def _deaf(self, number: int, found: Credentials) -> None:
        while True:
            began_s = time.monotonic()
            host = f"127.2.{number // 250}.{number % 250 + 2}"
            await self._session(host, found.device, found.key, found.fingerprint, is_deaf=True)
            self._stayed("deaf", time.monotonic() - began_s)
            await asyncio.sleep(_AGAIN_S)

    async def _session(
        self, host: str, device: str, key: bytes, fingerprint: bytes, *, is_deaf: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        prover = Prover(key, secrets.token_bytes(NONCE_BYTES), fingerprint)
        connection = socket.socket()
        try:
            async with asyncio.timeout(_CONNECT_S):
                if is_deaf:
                    size = (socket.SOL_SOCKET, socket.SO_RCVBUF, _DEAF_BUFFER_BYTES)
                    connection.setsockopt(*size)
                connection.setblocking(False)
                connection.bind((host, 0))
                await loop.sock_connect(connection, ("127.0.0.1", self.plan.port))
                await loop.create_connection(
                    lambda: _Stream(self, device, prover, ended, is_deaf=is_deaf),
                    sock=connection,
                    ssl=tls.client_context(),
                    server_hostname="",
                )
        except OSError:
            connection.close()
            self.did["not connected"] += 1
            return
        self.did[await ended] += 1

    @asynccontextmanager
    async def _connection(
        self, kind: str
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """One try; what the other end does to it is no fault."""
        await asyncio.sleep(secrets.randbelow(500) / 1000)
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.plan.port, local_addr=(next(self._hosts), 0)
                )
            began_s = time.monotonic()
            try:
                yield reader, writer
                self._stayed(kind, time.monotonic() - began_s)
            finally:
                writer.transport.abort()
            return
        self._stayed(kind, 0.0)
        await asyncio.sleep(_AGAIN_S)

    def _stayed(self, kind: str, seconds: float) -> None:
        self.did[kind] += 1
        self.longest_s = max(self.longest_s, seconds)


class _Stream(ConversationStream):
    """A session that somebody should not have, or that never reads."""

    def __init__(
        self,
        crowd: Crowd,
        device: str,
        prover: Prover,
        ended: "asyncio.Future[str]",
        *,
        is_deaf: bool,
    ) -> None:
        self._crowd = crowd
        self._device = device
        super().__init__(Sender(device, "stranger", asyncio.get_running_loop().time(), prover))
        self._ended = ended
        self._is_deaf = is_deaf

    def happened(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._crowd.came_in.add(self._device)
        if isinstance(event, Ready) and self._is_deaf:
            self.transport.set_read_buffer_limits(0)  # type: ignore[attr-defined]
            self.transport.pause_reading()
            self._ask()

    def ended(self, closed: Closed) -> None:
        if not self._ended.done():
            self._ended.set_result(closed.reason)

    def _ask(self) -> None:
        if self.transport.is_closing() or self._ended.done():
            return
        if not self.is_stalled:
            self.transport.write(_QUESTION * (_QUESTIONS_A_S // len(self._crowd.plan.deaf)))
        self._loop.call_later(1.0, self._ask)


def main() -> None:
    """Run one plan, given as the only argument."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    tls.shrink_buffers()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    print(json.dumps(asyncio.run(Crowd(plan).run())))


if __name__ == "__main__":
    main()
