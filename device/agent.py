"""The agent's composition root: build the parts, start them, wait for the stop, stop in reverse."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from device import credentials
from device.answers import Answers
from device.clock import Clock, boot_id
from device.contact import Contact, contact_of
from device.datagram_epochs import DatagramEpochs
from device.errors import JoinError
from device.health import Health
from device.link import Link
from device.own_facts import OwnFacts, asker
from device.remote import Remote
from device.sampler import Accept, Sampler
from device.sensor import describe_all
from device.sensor_set import SensorChange, SensorFactory, close_sensors
from device.sensors.own import Facts, Own
from device.settings import AT_START, DeviceSettings
from device.spool import Spool, open_spool
from service import logs
from service.control import ControlServer
from service.keyfile import KeyFileError
from service.notify import Notifier
from service.reload import Configuration, Reloader
from service.stop import stop_signal
from wire import __version__
from wire.blocks import Point
from wire.bodies import Describe, Moment

_log = structlog.get_logger()

# What is not acknowledged this long after the stop was asked for stays in the spool.
_DRAIN_S = 5.0
_CLOSE_SPOOL_S = 10.0


async def run_agent(
    settings: DeviceSettings,
    runtime_folder: Path,
    state_folder: Path,
    load: Callable[[], DeviceSettings] | None = None,
) -> None:
    """Open the spool, then run the agent until it is stopped; `load` gives the settings anew.

    Raises:
        SpoolError: the spool cannot be used as it is.
        JoinError, KeyFileError: nor can what a join gave this device.
    """
    found = credentials.load(state_folder)
    clock, boot = Clock(), boot_id()
    spool = await open_spool(
        settings.spool, runtime_folder, state_folder, lambda: Moment(boot, *clock.pair())
    )
    await Agent(settings, spool, runtime_folder, state_folder, found, load).run()


class Agent:
    """All parts of the running agent. To be built inside a running event loop.

    `found` is what a join gave this device, if it ever joined. `load` reads the settings anew.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        spool: Spool,
        runtime_folder: Path,
        state_folder: Path,
        found: credentials.Credentials | None = None,
        load: Callable[[], DeviceSettings] | None = None,
    ) -> None:
        self.reloader = Reloader(
            settings, load or (lambda: settings), self._take_up, AT_START, (JoinError, KeyFileError)
        )
        self._state_folder = state_folder
        contact = self._contact(found)
        self.factory = SensorFactory(partial(Own, asker(self._facts)))
        self.sensors = self.factory.build_all(settings)
        self.spool = spool
        self.sampler = Sampler(
            self.sensors,
            lambda: not spool.intake.is_full,
            self._accept,
            self._describe_again,
            self._edge_accepted,
        )
        self.remote = Remote(settings.commands, contact.device, self.sensors, self.sampler)
        self.link = Link(
            contact,
            f"telegauge-device {__version__}",
            spool,
            lambda: Describe(describe_all(list(self.sensors.values())), self.settings.label),
            self.remote.obey,
            keep=None if credentials.is_handed_over() else self._keep,
        )
        self._own = OwnFacts(self.sensors, self.sampler, spool, self.link)
        self._take: Accept = spool.accept
        self._hurry = self.link.departure.edge
        if settings.collector.transport == "udp":
            self.link.datagrams = DatagramEpochs(spool)
            self._take = self.link.datagrams.accept
            self._hurry = self.link.datagrams.edge_accepted
        answers = Answers(self.sensors, spool, self.link, self.sampler, self._configuration)
        self.control = ControlServer(
            runtime_folder / "control",
            {
                "status": answers.status,
                "read": answers.read,
                "joining": self._joining,
                "joined": self._joined,
            },
        )
        self.notifier = Notifier()
        self.health = Health(
            self.sensors,
            self.sampler,
            spool,
            self.link,
            self.notifier,
            self._configuration,
        )

    @property
    def settings(self) -> DeviceSettings:
        """What is in force."""
        return self.reloader.settings

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then send what is held, keep the rest, and end."""
        stop = stop_signal()
        await self.control.start()
        tasks = [
            asyncio.create_task(work)
            for work in (
                self.sampler.run(),
                self.reloader.run(self.notifier, self.health.line),
                self.link.run(),
                self.spool.run(),
                self.health.run(),
            )
        ]
        self.notifier.ready(self.health.line())
        _log.info("agent_started", device=self.link.device, sensors=list(self.sensors))
        ends: list[asyncio.Future[Any]] = [stop, *tasks]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await self._stop(tasks)
        for end in done:
            end.result()  # a part that ended by itself has failed: let it be seen

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        self.notifier.stopping()
        sampling, reloading, *others = tasks
        sampling.cancel()
        reloading.cancel()
        await asyncio.wait([sampling, reloading])  # from here on nothing more is accepted
        if self.link.datagrams:
            self.link.datagrams.stop()
        self.spool.end()
        _log.info("agent_stopping", held_readings=self.spool.held_readings, within_s=_DRAIN_S)
        await self.link.drain(_DRAIN_S)
        for task in others:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.control.close()
        await self.remote.close()
        close_sensors(self.sensors.values())
        await self._close_spool()
        _log.info("agent_stopped", acknowledged_readings=self.spool.acknowledged)

    async def _close_spool(self) -> None:
        kept = await self.spool.close(_CLOSE_SPOOL_S)
        held_readings = self.spool.held_readings  # closing removes what was acknowledged of late
        if not kept:
            _log.error("readings_not_on_card", readings=held_readings)
        elif held_readings:
            _log.info("readings_kept", readings=held_readings)

    async def _joining(self, _arguments: Mapping[str, Any]) -> str:
        """Answer `telegauge-device join` before anything is sent: the YAML's `name:`, or nothing."""
        if credentials.is_handed_over():
            raise JoinError(credentials.HANDED_OVER)
        return self.settings.name or ""

    async def _joined(self, arguments: Mapping[str, Any]) -> None:
        """Answer `telegauge-device join`: connect with what it brought."""
        found = credentials.checked(
            msgspec.convert(arguments.get("credentials"), credentials.Credentials)
        )
        async with self.reloader.turn:
            name = await self._joining({})
            if name not in ("", found.device):
                raise JoinError(
                    f"it joined as {found.device}, but device.yaml says `name: {name}`: "
                    "leave `name` out, and reload the agent"
                )
            contact = self._contact(found)
            await self.link.join(contact)
            self.remote.device = contact.device
        _log.info("joined", device=contact.device, collector=str(contact.addresses[0]))

    def _configuration(self) -> Configuration:
        return self.reloader.configuration

    async def _take_up(self, former: DeviceSettings, now: DeviceSettings) -> None:
        """Take up other settings; what is as before does not notice."""
        if now.logs != former.logs:
            logs.configure(now.logs)
        change = SensorChange(self.factory, self.sampler, former, now)
        await change.close_gone()
        await self.remote.use(now.commands)
        change.finish()
        self.link.describe_again()
        await self.link.change(self._contact)
        self.remote.device = self.link.device

    def _contact(self, found: credentials.Credentials | None) -> Contact:
        return contact_of(self.settings, found, socket.gethostname())

    def _keep(self, found: credentials.Credentials, former: credentials.Credentials | None) -> None:
        if former is None:
            credentials.store(self._state_folder, found)
        else:
            credentials.replace(self._state_folder, found, former)

    def _describe_again(self) -> None:
        self.link.describe_again()

    def _accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        accepted = self._take(sensor, time_ns, points)
        self.link.departure.reading()
        return accepted

    def _facts(self) -> Facts:
        return self._own.now()

    def _edge_accepted(self) -> None:
        self._hurry()
