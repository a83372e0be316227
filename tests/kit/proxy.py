"""A TCP proxy that knows frames, and cuts the link in the middle of the one it is told to.

Runs in a thread of its own. The cut is a reset on both sides after half of the frame went through,
so neither end can know whether what it sent has arrived.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable

_HEAD = struct.Struct("<IB")


class FrameProxy:
    """Forwards 127.0.0.1:`port` to `target_port`.

    Args:
        cut_at: given the number of a session from 1, the frame (from 1, both directions counted
            together in the order they pass) in whose middle it is cut; 0 for never.
    """

    def __init__(self, target_port: int, cut_at: Callable[[int], int]) -> None:
        self.sessions = 0
        self.cuts = 0
        self.port = 0
        self._target_port = target_port
        self._cut_at = cut_at
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> "FrameProxy":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._session, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.sessions += 1
        frames = _Counter(self._cut_at(self.sessions))
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            self._tasks.discard(task)
            return
        pumps = [
            asyncio.create_task(_pump(reader, there[1], frames)),
            asyncio.create_task(_pump(there[0], writer, frames)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.cuts += frames.cut
            for each in (writer, there[1]):
                _reset(each) if frames.cut else each.close()
            self._tasks.discard(task)


class _Counter:
    """Counts the frames of one session in both directions."""

    def __init__(self, cut_at: int) -> None:
        self.cut = False
        self._cut_at = cut_at
        self._seen = 0

    def next_is_cut(self) -> bool:
        self._seen += 1
        self.cut = self.cut or self._seen == self._cut_at
        return self._seen == self._cut_at


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: _Counter
) -> None:
    while True:
        try:
            head = await reader.readexactly(_HEAD.size)
            frame = head + await reader.readexactly(_HEAD.unpack(head)[0])
        except (asyncio.IncompleteReadError, OSError):
            return
        if frames.next_is_cut():
            writer.write(frame[: len(frame) // 2])
            await writer.drain()
            return
        writer.write(frame)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
