"""The agent's composition root: build the parts, start them, wait for the stop, stop in reverse."""

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import structlog

from config.addresses import parse_address
from device.answers import Answers
from device.clock import Clock, boot_id, boottime_ns
from device.link import Link
from device.sampler import Sampler
from device.sensor import Sensor, describe_all
from device.sensors import make
from device.settings import DeviceSettings, default_device_name
from device.spool import Spool
from service.control import ControlServer
from service.notify import Notifier
from service.stop import stop_signal
from wire import __version__
from wire.blocks import Point
from wire.frames import Describe

_log = structlog.get_logger()

# What is not acknowledged this long after the stop was asked for is given up, and counted.
_DRAIN_S = 5.0
_CLOSE_SENSORS_S = 2.0
_STATUS_EVERY_S = 10.0
_GRACE_S = 10.0


class Agent:
    """All parts of the running agent. To be built inside a running event loop."""

    def __init__(self, settings: DeviceSettings, runtime_folder: Path) -> None:
        device = settings.name or default_device_name(socket.gethostname())
        self.sensors = build_sensors(settings)
        self.spool = Spool(os.urandom(16), boot_id(), Clock().pair, settings.spool.max_bytes)
        self.link = Link(
            parse_address(settings.collector.address),
            device,
            f"telegauge-device {__version__}",
            self.spool,
            lambda: Describe(describe_all(list(self.sensors.values())), settings.label),
        )
        self.sampler = Sampler(
            self.sensors, lambda: not self.spool.is_full, self._accept, self.link.describe_again
        )
        answers = Answers(self.sensors, self.spool, self.link, self.sampler)
        self.control = ControlServer(
            runtime_folder / "control", {"status": answers.status, "read": answers.read}
        )
        self.notifier = Notifier()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then send what is held, and end."""
        stop = stop_signal()
        await self.control.start()
        tasks = [
            asyncio.create_task(work)
            for work in (self.sampler.run(), self.link.run(), self._report())
        ]
        self.notifier.ready(self._summary())
        _log.info("agent_started", device=self.link.device, sensors=list(self.sensors))
        ends: list[asyncio.Future[Any]] = [stop, *tasks]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await self._stop(tasks)
        for end in done:
            end.result()  # a part that ended by itself has failed: let it be seen

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        self.notifier.stopping()
        sampling, *others = tasks
        sampling.cancel()
        await asyncio.wait([sampling])  # from here on nothing more is accepted
        _log.info("agent_stopping", held_readings=self.spool.held_readings, within_s=_DRAIN_S)
        if not await self.link.drain(_DRAIN_S):
            _log.error("readings_given_up", readings=self.spool.held_readings)
        for task in others:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.control.close()
        close_sensors(self.sensors.values())
        _log.info("agent_stopped", acknowledged_readings=self.spool.acknowledged)

    def _accept(self, sensor: str, time_ns: int, points: Sequence[Point]) -> bool:
        accepted = self.spool.accept(sensor, time_ns, points)
        if accepted:
            self.link.readings_accepted()
        return accepted

    async def _report(self) -> None:
        """Tell systemd that sampling goes on, and how it stands."""
        every_s = min(self.notifier.watchdog_interval_s or _STATUS_EVERY_S, _STATUS_EVERY_S)
        while True:
            await asyncio.sleep(every_s)
            if self.sampler.is_on_time(boottime_ns(), _GRACE_S):
                self.notifier.watchdog()
            self.notifier.status(self._summary())

    def _summary(self) -> str:
        link = "link up" if self.link.is_up else "link down"
        return f"{len(self.sensors)} sensors, {link}, {self.spool.held_readings} readings waiting"


def build_sensors(settings: DeviceSettings) -> dict[str, Sensor]:
    """Build every configured sensor; nothing is opened yet."""
    return {
        name: Sensor(
            name,
            sensor,
            *settings.sensor_timing(name),
            make(sensor.driver, sensor.options),
        )
        for name, sensor in settings.sensors.items()
    }


def close_sensors(sensors: Iterable[Sensor]) -> None:
    """Close every adapter; one that hangs is left behind."""
    readers = [sensor.reader for sensor in sensors]
    for reader in readers:
        reader.stop()
    until_s = time.monotonic() + _CLOSE_SENSORS_S
    for reader in readers:
        reader.join(max(0.0, until_s - time.monotonic()))
