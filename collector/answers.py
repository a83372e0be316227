"""What a running collector answers on its control socket: `status`."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.report import Status, device_statuses
from collector.server import Server
from collector.sessions import Sessions
from collector.store import Reader, Writer


class Answers:
    """Answers for one collector."""

    def __init__(
        self, sessions: Sessions, writer: Writer, server: Server, store_file: Path
    ) -> None:
        self._sessions = sessions
        self._writer = writer
        self._server = server
        self._store_file = store_file
        self._began_s = time.monotonic()

    async def status(self, _arguments: Mapping[str, Any]) -> Status:
        """Answer `telegauge-collector status`."""
        return await asyncio.to_thread(self._status, self._sessions.devices, len(self._sessions))

    def _status(self, connected: list[str], sessions: int) -> Status:
        reader = Reader(self._store_file)
        try:
            return Status(
                running=True,
                store=str(self._store_file),
                store_bytes=reader.size_bytes(),
                devices=device_statuses(reader, connected),
                uptime_s=time.monotonic() - self._began_s,
                listen=str(self._server.address),
                sessions=sessions,
                pending_bytes=self._writer.pending_bytes,
                commits=self._writer.commits,
            )
        finally:
            reader.close()
