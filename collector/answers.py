"""What a running collector answers on its control socket: `status`, `seal`, `delete` and `command`."""

import asyncio
import time
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

from collector import remote
from collector.device_notes import DeviceNote
from collector.report import Space, Status, device_statuses, growth_of
from collector.server import Server
from collector.services import Services
from collector.store import Deleted, Housekeeper, Reader, Selection
from service.reload import Configuration

# How long who asks waits at most, before they ask again.
_SEAL_S = 20.0


class Answers:
    """Answers for one collector; `configuration` gives how its file stands to what is in force."""

    def __init__(
        self,
        services: Services,
        server: Server,
        store_file: Path,
        housekeeper: Housekeeper,
        configuration: Callable[[], Configuration] = Configuration,
    ) -> None:
        self._sessions = services.sessions
        self._writer = services.writer
        self._space = services.space
        self._admission = services.admission
        self._datagrams = services.datagrams
        self._notes = services.notes
        self._server = server
        self._store_file = store_file
        self._housekeeper = housekeeper
        self._configuration = configuration
        self._sealing: asyncio.Future[None] | None = None
        self._deletions: dict[Selection, asyncio.Future[Deleted]] = {}
        self._began_s = time.monotonic()

    async def status(self, _arguments: Mapping[str, Any]) -> Status:
        """Answer `telegauge-collector status`."""
        low = self._space.is_low()
        space = Space(self._space.free_bytes, self._space.min_free_bytes, low)
        return await asyncio.to_thread(
            self._status,
            self._sessions.devices,
            self._sessions.duplicate_identities,
            len(self._sessions),
            space,
            self._notes.copy(),
        )

    async def seal(self, _arguments: Mapping[str, Any]) -> bool:
        """Answer `telegauge-collector seal`: say whether it is done; it goes on else."""
        if self._sealing is None:
            self._sealing = asyncio.wrap_future(self._housekeeper.finish())
        await asyncio.wait([self._sealing], timeout=_SEAL_S)
        if not self._sealing.done():
            return False
        sealing, self._sealing = self._sealing, None
        sealing.result()
        return True

    async def delete(self, arguments: Mapping[str, Any]) -> Deleted | None:
        """Answer `telegauge-collector delete`: None while it goes on; then ask `again`."""
        selection = Selection(arguments["pattern"], arguments["start_ns"], arguments["end_ns"])
        deletion = self._deletions.get(selection)
        if deletion is None or (deletion.done() and not arguments["again"]):
            deletion = asyncio.wrap_future(self._housekeeper.delete(selection))
            self._deletions[selection] = deletion
        await asyncio.wait([deletion], timeout=_SEAL_S)
        if not deletion.done():
            return None
        self._deletions.pop(selection, None)
        return deletion.result()

    async def command(self, arguments: Mapping[str, Any]) -> remote.CommandAnswer:
        """Answer `telegauge-collector command DEVICE NAME [ARGS...]`."""
        return await remote.command(self._sessions, self._store_file, arguments)

    def _status(
        self,
        connected: list[str],
        duplicates: Set[str],
        sessions: int,
        space: Space,
        notes: Mapping[str, DeviceNote],
    ) -> Status:
        reader = Reader(self._store_file)
        try:
            return Status(
                running=True,
                store=str(self._store_file),
                store_bytes=reader.size_bytes(),
                devices=device_statuses(
                    reader,
                    connected,
                    duplicates,
                    unsealable=self._writer.unsealed.given_up(),
                    notes=notes,
                ),
                space=space,
                growth=growth_of(self._store_file, space),
                uptime_s=time.monotonic() - self._began_s,
                listen=str(self._server.address),
                sessions=sessions,
                pending_bytes=self._writer.pending_bytes,
                commits=self._writer.commits,
                unsealed_readings=self._writer.unsealed.readings(),
                holds=self._writer.holds.status(),
                turned_away=self._admission.sent_away,
                dropped_datagrams=dict(self._datagrams.dropped),
                kernel_drops=self._datagrams.kernel_drops,
                configuration=self._configuration(),
            )
        finally:
            reader.close()
