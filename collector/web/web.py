"""The HTTP door as one part of the collector: built, started, reloaded and closed as a whole."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from pathlib import Path

import structlog

from collector.errors import CertificateError, ListenError
from collector.following import Following
from collector.report import Status, WebStatus
from collector.settings import CollectorSettings
from collector.times import zone_of
from collector.web.access import Access
from collector.web.alerts import WebAlerts
from collector.web.application import Application
from collector.web.certificate import Certificates
from collector.web.changes import Changes, Handler
from collector.web.devices import Devices
from collector.web.door import Door
from collector.web.granting import DEFAULT_PORT, Reached, urls
from collector.web.guard import Guard
from collector.web.live import Hub
from collector.web.login import Login
from collector.web.logins import Logins
from collector.web.metrics import WebFacts
from collector.web.names import Names, own_names
from collector.web.reading import Reading
from config.addresses import parse_address
from service.keyfile import KeyFileError

_log = structlog.get_logger()

# How often it is looked whether names or certificates have changed, or a taken port is free.
LOOK_EVERY_S = 60.0


class Web:
    """The HTTP door of one collector. To be built inside a running event loop.

    Args:
        following: of the store.
        status: how the collector is doing.
        trouble: why it is not well, "" where it is.
        handlers: what answers `devices` and each change, as on the control socket.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        following: Following,
        state_folder: Path,
        access: Access,
        status: Callable[[], Awaitable[Status]],
        trouble: Callable[[], str],
        handlers: Mapping[str, Handler],
    ) -> None:
        self._settings = settings
        self._zone = zone_of(settings.time_zone)
        self._trouble = ""
        self._logins = Logins()
        listen = parse_address(settings.web.listen, DEFAULT_PORT)
        self._certificates = Certificates(
            state_folder, lambda: own_names(listen, self._settings.web.names)
        )
        self._reading = Reading(following.store_file)
        self.hub = Hub(self._reading, following)
        self._login = Login(access, self._logins)
        self.application = Application(
            self._reading, self.hub, status, self._zone_now, self._facts, trouble
        )
        self.application.add(self._login.routes())
        devices = Devices(
            self._reading, self.application.latest, status, handlers["devices"], self._zone_now
        )
        self.application.add(devices.routes())
        self.alerts = WebAlerts(self.hub, handlers, self._zone_now)
        self.application.add(self.alerts.routes())
        self.application.add(Changes(self._login, handlers, self._zone_now).routes())
        self._guard = Guard(self.application.asgi, access, self._logins, self._names)
        self.door = Door(listen, self._guard)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the door; where its port is taken, go on without until it is free."""
        self._reading.start()
        await self._open()
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Close it."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.hub.close()
        await self.door.close()
        await asyncio.to_thread(self._reading.close)

    async def take_up(self, settings: CollectorSettings) -> None:
        """Take up other settings."""
        self._settings = settings
        self._zone = zone_of(settings.time_zone)
        await self._look()

    def end_strangers(self) -> None:
        """End all logins, and all connections from other machines: who may come in has changed."""
        self._logins.end_all()
        self.door.end_strangers()

    def status(self) -> WebStatus:
        """Return how the door stands."""
        return WebStatus(
            str(self.door.address), self.troubles(), len(self.door.places), len(self.hub)
        )

    def troubles(self) -> list[str]:
        """Say what somebody should do about it."""
        return [each for each in (self._trouble, self._certificates.trouble) if each]

    async def _open(self) -> None:
        try:
            await self._show()
            await self.door.start()
        except (ListenError, KeyFileError, CertificateError) as error:
            trouble = f"nothing is served over HTTP: {error}"
            if trouble != self._trouble:
                _log.error("web_not_listening", detail=str(error), again_in_s=LOOK_EVERY_S)
            self._trouble = trouble
            return
        self._trouble = ""
        _log.info("web_listening", listen=str(self.door.address))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await (self._open() if self._trouble else self._look())

    async def _look(self) -> None:
        try:
            await self._show()
        except (KeyFileError, CertificateError) as error:  # what is shown stays
            _log.error("web_certificate_not_made", detail=str(error))

    async def _show(self) -> None:
        """Show the certificate that is to be shown by now."""
        given = self._settings.web.certificate
        shown = await asyncio.to_thread(self._certificates.look, given)
        self.door.context = shown.context

    def _names(self) -> Names:
        shown = self._certificates.shown
        own = self._certificates.names
        return own if shown is None else own | shown.names

    def reached(self) -> Reached:
        """Return where browsers find it."""
        shown = self._certificates.shown
        fingerprint = None if shown is None else shown.fingerprint.hex(":").upper()
        return Reached(urls(self._settings.web.listen), fingerprint, "; ".join(self.troubles()))

    def _zone_now(self) -> tzinfo:
        return self._zone

    def _facts(self) -> WebFacts:
        return WebFacts(
            connections=len(self.door.places),
            requests=self.door.requests,
            turned_away=self.door.places.turned_away,
            refusals=self._guard.refusals,
            questions=self._reading.questions,
            questions_refused=self._reading.refused,
            login_failures=self._login.failures,
            listeners=len(self.hub),
            dropped_events=self.hub.dropped,
        )
