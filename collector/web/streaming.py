"""A long answer, sent piece by piece; whoever goes away ends the work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CHUNK_BYTES = 256 * 1024


class Streamed(Response):
    """An answer from an iterator; `done` is called when nothing more is taken of it.

    Starlette's own would load anyio's event loop for the same.
    """

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        media_type: str,
        done: Callable[[], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self._parts = parts
        self._done = done
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; as ASGI."""
        try:
            if scope["method"] == "HEAD":
                await self._begin(send)
                await send({"type": "http.response.body", "body": b""})
                return
            sending = asyncio.ensure_future(self._send(send))
            leaving = asyncio.ensure_future(_left(receive))
            try:
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                ends = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(ends[0], Exception):
                raise ends[0]
        finally:
            self._done()

    async def _begin(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)

    async def _send(self, send: Send) -> None:
        await self._begin(send)
        async for part in self._parts:
            for at in range(0, len(part), CHUNK_BYTES):
                body = part[at : at + CHUNK_BYTES]
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
