"""A connection: uvicorn's HTTP/1.1, with a limit of time for whoever sends slowly, or does not read.

What is answered is for the application; what a request may be long is for h11.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# A request has to arrive within this, however it comes; then the next one, or its first byte.
REQUEST_S = 15.0
KEEP_ALIVE_S = 20
# Who reads nothing for so long has gone, or may come back.
STALLED_S = 30.0
# Request line and headers.
MAX_HEAD_BYTES = 16 * 1024


class Asker(NamedTuple):
    """Who asks: the other end's IP address. `is_local`: from this machine to a loopback address of it."""

    host: str
    is_local: bool


def configured(application: Any) -> Config:
    """Return what uvicorn has to know of us: it only speaks HTTP here."""
    logger = logging.getLogger("uvicorn.error")
    logger.propagate = False  # strangers would fill our log by it
    logger.setLevel(logging.CRITICAL + 1)
    config = Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
    config.load()
    return config


class Connection(H11Protocol):
    """One connection; `gone` is called when nothing is left of one that was open."""

    is_open = False

    def __init__(
        self, config: Config, state: ServerState, asker: Asker, gone: Callable[[], None]
    ) -> None:
        super().__init__(config, state, {"asker": asker})
        self.asker = asker
        self._gone = gone
        self._arrival: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self.is_open = True
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what came of a request; all of it has to come in time."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._expect()
        else:
            _cancel(self._arrival)
            self._arrival = None

    def pause_writing(self) -> None:
        """Begin to wait for whoever does not read."""
        super().pause_writing()
        self._be_patient()

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        _cancel(self._stall)
        self._stall = None

    def on_response_complete(self) -> None:
        """Expect another request, or the end."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._be_patient()

    def send_400_response(self, msg: str) -> None:
        """Say that it was no HTTP, and close."""
        super().send_400_response(msg)
        self._be_patient()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nobody asks."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        _cancel(self._arrival)
        _cancel(self._stall)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._gone()

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()

    def _be_patient(self) -> None:
        self._stall = self._stall or self.loop.call_later(STALLED_S, self.abort)

    def _expect(self) -> None:
        self._arrival = self._arrival or self.loop.call_later(REQUEST_S, self.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
