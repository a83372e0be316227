"""Health: whether the collector makes progress, and the line that says how it stands; systemd hears both.

Progress is that the event loop turns and that the writer commits what it was given. What is a state
and no hang keeps nothing back: too little space, no device, nobody who asks for a commit.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from collector.services import Services
from collector.status_line import status_line
from collector.store import names_in, size_on_disk
from service.notify import Notifier

_log = structlog.get_logger()

_STUCK_AFTER_S = 20.0
_TELL_EVERY_S = 60.0


class Health:
    """Tells systemd of one collector, and its log of strangers at the door.

    `listen` gives where it listens, `troubles` what else somebody should know.
    """

    def __init__(
        self,
        services: Services,
        store_file: Path,
        listen: str,
        notifier: Notifier,
        troubles: Callable[[], list[str]],
    ) -> None:
        self._services = services
        self._store_file = store_file
        self._listen = listen
        self._notifier = notifier
        self._troubles = troubles
        self._names: list[str] = []
        self._store_bytes = 0
        self._told_strangers, self._tell_again_s = 0, 0.0

    async def run(self) -> None:
        """Tell it again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._notifier.tell_every_s)
            if self.makes_progress():
                self._notifier.watchdog()
            await self.look()
            self._notifier.status(self.line())
            self._tell_of_strangers()

    def makes_progress(self) -> bool:
        """Say whether no commit has been under way for too long; that this is asked shows the rest."""
        return not self._services.writer.is_stuck(time.monotonic(), _STUCK_AFTER_S)

    async def look(self) -> None:
        """See what the store says of itself, for the line."""
        self._names = await asyncio.to_thread(names_in, self._store_file)
        self._store_bytes = size_on_disk(self._store_file)

    def line(self) -> str:
        """Say how the collector stands."""
        sessions = self._services.sessions
        return status_line(
            sessions.devices,
            [name for name in self._names if not self._services.trust.is_revoked(name)],
            self._store_bytes,
            self._listen,
            self._services.space.is_low(),
            sessions.duplicate_identities,
            self._troubles(),
        )

    def _tell_of_strangers(self) -> None:
        """Log how many were turned away at the door since this was last told, once a minute at most."""
        turned_away = self._services.admission.sent_away
        now_s = time.monotonic()
        if turned_away > self._told_strangers and now_s >= self._tell_again_s:
            more = turned_away - self._told_strangers
            _log.warning("strangers_turned_away", connections=more, since_start=turned_away)
            self._told_strangers, self._tell_again_s = turned_away, now_s + _TELL_EVERY_S
