"""A TCP proxy that hurts the link as it is told to: byte for byte, and session by session.

Runs in a thread with an event loop of its own. A fault (`kit.linkfaults`) strikes when exactly so many
bytes have gone through, not when they were read. Knows no frames; `kit.proxy` does.
"""

import asyncio
import threading
from collections.abc import Callable

from kit.linkfaults import BOTH, Act, Fault, Locator, Plan, Way
from kit.pipes import End, Pipe

__all__ = ["BOTH", "Act", "Fault", "FaultProxy", "Locator", "Plan", "Way"]

_START_WITHIN_S = 10.0


class FaultProxy:
    """Forwards 127.0.0.1:`port` to `target_port` of the same host.

    Args:
        plan: given the number of a session, from 1, what that session meets.

    Attributes:
        sessions: connections that came. faults: faults that struck.
        bytes: what went through, by direction.
    """

    def __init__(self, target_port: int, plan: Callable[[int], Plan] = lambda _: Plan()) -> None:
        self.sessions = 0
        self.faults = 0
        self.bytes = dict.fromkeys(Way, 0)
        self.port = 0
        self.live: set[Session] = set()
        self._target_port = target_port
        self._plan = plan
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        assert self._ready.wait(_START_WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_WITHIN_S)
        assert not self._thread.is_alive(), "the proxy did not end"

    def strike(self, act: Act, stall_s: float = 0.0) -> None:
        """Let every present session meet a fault now. From any thread."""

        def now() -> None:
            for session in list(self.live):
                session.strike(Fault(act, stall_s=stall_s))

        self._loop.call_soon_threadsafe(now)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await self._some_turns()  # asyncio 3.11 drops what is just being accepted
        server.close()
        for session in list(self.live):
            session.abort()
        await self._some_turns()

    async def _some_turns(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def _accept(self) -> asyncio.Protocol:
        self.sessions += 1
        session = Session(self, self._plan(self.sessions))
        self.live.add(session)
        return session.near

    async def connect(self, session: "Session") -> None:
        """Open the far end of a session; where nobody listens the near one is reset."""
        try:
            await self._loop.create_connection(lambda: session.far, "127.0.0.1", self._target_port)
        except OSError:
            session.abort()


class Session:
    """Both ends of one connection, and the pipes between them."""

    def __init__(self, proxy: FaultProxy, plan: Plan) -> None:
        self.proxy = proxy
        self.loop = asyncio.get_running_loop()
        self.near, self.far = End(self), End(self)
        self._fault = plan.fault
        self._locate = plan.fault.locator() if plan.fault else None
        self.is_swallowing = False
        self.pipes = {
            way: Pipe(self, way, source, sink, plan)
            for way, source, sink in (
                (Way.UP, self.near, self.far),
                (Way.DOWN, self.far, self.near),
            )
        }
        self._connecting: asyncio.Task[None] | None = None

    def pipe_from(self, end: End) -> Pipe:
        """The pipe that an end speaks into."""
        return self.pipes[Way.UP if end is self.near else Way.DOWN]

    def pipe_to(self, end: End) -> Pipe:
        """The pipe that an end hears."""
        return self.pipes[Way.DOWN if end is self.near else Way.UP]

    def opened(self, end: End) -> None:
        """One end is open: open the other, then let data flow."""
        end.transport.pause_reading()
        if end is self.near:
            self._connecting = self.loop.create_task(self.proxy.connect(self))
        elif self.near.is_open:
            for pipe in self.pipes.values():
                pipe.flow()
        else:
            self.abort()

    def lost(self, end: End, error: Exception | None) -> None:
        """One end is gone; if it was reset, the other is, behind what is under way to it."""
        if error is not None or not end.has_heard_end:
            self.pipe_from(end).put(None)
        self.pipe_to(end).flow()
        if not (self.near.is_open or self.far.is_open):
            self.proxy.live.discard(self)

    def passing(self, way: Way, data: bytes) -> bytes:
        """Count what may go through, and begin the fault behind it if its place is there."""
        place = self._locate(way, data) if self._locate else None
        data = data if place is None else data[:place]
        self.proxy.bytes[way] += len(data)
        if place is not None:
            assert self._fault is not None
            self._locate = None
            for pipe in self.pipes.values():
                pipe.is_halted = True
            self.pipes[way].when_flushed = lambda fault=self._fault: self.strike(fault)
        return data

    def strike(self, fault: Fault) -> None:
        """Do what a fault does."""
        if self.is_swallowing:
            return
        self.proxy.faults += 1
        if fault.act is Act.RESET:
            self.abort()
        elif fault.act is Act.STALL:
            self._set_halted(True)
            self.loop.call_later(fault.stall_s, self._set_halted, False)
        else:
            self.is_swallowing = True
            for pipe in self.pipes.values():
                pipe.swallow(says_end=fault.act is Act.FINISH)

    def abort(self) -> None:
        """RST to whatever is open, and forget what is under way."""
        self.is_swallowing = True
        for end in (self.near, self.far):
            end.reset()

    def _set_halted(self, halted: bool) -> None:
        for pipe in self.pipes.values():
            pipe.is_halted = halted
            pipe.flow()
