"""The collector's composition root: build the parts, start them, wait for the stop, stop in reverse."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from msgspec.structs import replace

from collector import trust_file
from collector.admission import Admission
from collector.alerts.alerts import Alerts
from collector.answers import Answers
from collector.certificate import own_certificate
from collector.datagrams import Datagrams
from collector.following import Following
from collector.health import Health
from collector.interfaces import reachable_at
from collector.invitations import Inviter
from collector.membership import Membership
from collector.report import Status
from collector.retention_settings import kept_by
from collector.server import Server, secured_by
from collector.services import Services
from collector.session import Session
from collector.sessions import Sessions
from collector.settings import AT_START, CollectorSettings
from collector.space import FreeSpace
from collector.store import Housekeeper, Writer, names_in, open_for_writing, set_aside
from collector.trust import Trust
from collector.web.access import Access
from collector.web.granting import Granting, Reached
from config.addresses import parse_address
from service import logs, tls
from service.control import ControlServer
from service.damage import is_damage
from service.notify import Notifier
from service.reload import Configuration, Reloader
from service.stop import stop_signal
from wire import __version__

if TYPE_CHECKING:
    from collector.web.changes import Handler
    from collector.web.web import Web

_log = structlog.get_logger()

VERSION = f"telegauge-collector {__version__}"
_CLOSE_STORE_S = 30.0
_NO_WEB = "nothing is served over HTTP: web.enabled is false in collector.yaml"


class Collector:
    """All parts of the running collector. To be built inside a running event loop.

    `load` reads the settings anew.

    Raises:
        StoreError: the store cannot be opened.
        TrustError, KeyFileError: who may send cannot be known.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        store_file: Path,
        runtime_folder: Path,
        state_folder: Path,
        load: Callable[[], CollectorSettings] | None = None,
    ) -> None:
        self.reloader = Reloader(settings, load or (lambda: settings), self._take_up, AT_START)
        loop = asyncio.get_running_loop()
        self.store_file = store_file
        self.failed: asyncio.Future[Exception] = loop.create_future()
        listen = parse_address(settings.devices.listen)
        certificate = own_certificate(state_folder)
        secured = secured_by(certificate)
        access = Access(state_folder)
        self.trust = Trust(state_folder / trust_file.FILE_NAME)
        try:
            database = open_for_writing(store_file)
        except BaseException:
            self.trust.close()
            raise
        self.sessions = Sessions()
        self.following = Following(store_file)
        self.writer = Writer(
            database,
            loop.call_soon_threadsafe,
            self._delivered,
            self._store_failed,
            self.trust.is_revoked,
        )
        self.housekeeper = Housekeeper(
            store_file, self.writer, loop.call_soon_threadsafe, self._store_failed
        )
        self.housekeeper.retain(kept_by(settings.retention))
        self.space = FreeSpace(store_file.parent, settings.store.min_free_bytes)
        self.datagrams = Datagrams(self.writer.store_datagrams, self.space.is_low)
        self.admission = Admission(settings.devices.plain_on_loopback)
        self.alerts = Alerts(
            settings,
            self.following,
            state_folder,
            lambda: self.sessions.devices,
            self.trust.is_revoked,
            self._trouble,
        )
        self.services = Services(
            self.writer,
            self.sessions,
            VERSION,
            self.space,
            self.datagrams,
            self.trust,
            self.admission,
            settings.devices.plain_on_loopback,
            certificate.fingerprint,
            described=self.alerts.described,
            stopped=self.alerts.stopped,
        )
        self.server = Server(listen, partial(Session, self.services), self.admission, secured)
        if self.trust.know_by(certificate.fingerprint):
            _log.error(
                "certificate_changed",
                detail="devices that joined know another certificate: put back collector.pem, or "
                "invite each of them again",
            )
        inviter = Inviter(
            self.trust,
            certificate.fingerprint,
            partial(reachable_at, listen),
            partial(names_in, store_file),
        )
        membership = Membership(self.services, inviter, store_file)
        answers = Answers(
            self.services, self.server, store_file, self.housekeeper, self._configuration
        )
        self.answers = answers
        members = {
            **self.alerts.handlers(),
            "command": answers.command,
            "invite": membership.invite,
            "devices": membership.devices,
            "revoke": membership.revoke,
            "rotate": membership.rotate,
        }
        self.web = None
        if settings.web.enabled:
            self.web = self._new_web(settings, state_folder, access, members)
            self.alerts.told = self.web.alerts.tell
            self.web.application.figures = self.alerts.figures
        granting = Granting(access, self._reached, self._end_strangers)
        self.control = ControlServer(
            runtime_folder / "control",
            {
                **granting.handlers(),
                **members,
                "status": self._status,
                "seal": answers.seal,
                "delete": answers.delete,
            },
        )
        self.notifier = Notifier()
        self.health = Health(self.services, store_file, str(listen), self.notifier, self._troubles)

    async def run(self) -> bool:
        """Run until SIGTERM or SIGINT, or until the store fails; say whether all was well."""
        stop = stop_signal()
        if not tls.shrink_buffers():
            _log.warning("tls_buffers_large", detail="each TLS connection takes 256 KiB here")
        self.writer.start()
        self.housekeeper.start()
        try:
            await self.server.start()
            await self.datagrams.start(self.server.address)
            if self.web is not None:
                await self.web.start()
            self.alerts.start()
            await self.control.start()  # the last: who is answered may connect a device
            await self._serve(stop)
        finally:
            await self._close()
        if self.failed.done():
            self._give_up(self.failed.result())
        _log.info("collector_stopped")
        return not self.failed.done()

    async def _serve(self, stop: asyncio.Future[str]) -> None:
        await self.health.look()
        tasks = [
            asyncio.create_task(work)
            for work in (
                self.health.run(),
                self.reloader.run(self.notifier, self.health.line),
            )
        ]
        self.notifier.ready(self.health.line())
        _log.info("collector_started", listen=str(self.server.address), store=str(self.store_file))
        ends: list[asyncio.Future[Any]] = [stop, self.failed, *tasks]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.notifier.stopping()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in done:
            end.result()  # a part that ended by itself has failed: let it be seen

    async def _close(self) -> None:
        if self.web is not None:
            await self.web.close()
        await self.server.close()
        for session in self.sessions:
            session.stop()
        self.datagrams.stop()
        await self.control.close()
        await self.alerts.close()
        await self.following.close()
        closed = await asyncio.to_thread(self.housekeeper.close, _CLOSE_STORE_S)
        closed &= await asyncio.to_thread(self.writer.close, _CLOSE_STORE_S)
        if not closed:
            _log.error("store_not_closed", waited_s=_CLOSE_STORE_S)
        self.trust.close()

    def _store_failed(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_result(error)

    def _give_up(self, error: Exception) -> None:
        self.notifier.status(f"the store has failed: {error}")
        fault = None if isinstance(error, sqlite3.Error) else error  # ours: say where it is
        _log.error("store_failed", store=str(self.store_file), detail=str(error), exc_info=fault)
        if is_damage(error):
            set_aside(self.store_file)

    def _configuration(self) -> Configuration:
        return self.reloader.configuration

    def _new_web(
        self,
        settings: CollectorSettings,
        state_folder: Path,
        access: Access,
        handlers: Mapping[str, "Handler"],
    ) -> "Web":
        from collector.web.web import Web  # 5 MB that nobody else needs

        status = partial(self.answers.status, {})
        return Web(settings, self.following, state_folder, access, status, self._trouble, handlers)

    def _delivered(self) -> None:
        self.sessions.catch_up()
        self.following.committed()

    async def _status(self, arguments: Mapping[str, Any]) -> Status:
        status = await self.answers.status(arguments)
        return status if self.web is None else replace(status, web=self.web.status())

    def _troubles(self) -> list[str]:
        """Say what somebody should do about how it runs."""
        troubles = [*self.reloader.configuration.troubles(), *self.alerts.troubles()]
        return troubles if self.web is None else [*troubles, *self.web.troubles()]

    def _trouble(self) -> str:
        """Say why nothing is stored now; "" where all is well."""
        if self.failed.done():
            return "the store has failed"
        if self.space.is_low():
            return "too little space (store.min_free): nothing is accepted"
        return "" if self.health.makes_progress() else "a commit takes too long"

    def _reached(self) -> Reached:
        return self.web.reached() if self.web is not None else Reached([], None, _NO_WEB)

    def _end_strangers(self) -> None:
        if self.web is not None:
            self.web.end_strangers()

    async def _take_up(self, former: CollectorSettings, now: CollectorSettings) -> None:
        """Take up other settings; the commands read the file themselves."""
        if now.logs != former.logs:
            logs.configure(now.logs)
        self.space.set_floor(now.store.min_free_bytes)
        self.housekeeper.retain(kept_by(now.retention))
        self.services.allow_plain(now.devices.plain_on_loopback)
        await self.alerts.take_up(now)
        if self.web is not None:
            await self.web.take_up(now)
