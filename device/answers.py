"""What a running agent answers on its control socket: `status` and `read`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from device.clock import boottime_ns
from device.datagram_epochs import DatagramEpochs
from device.filters import Filtered
from device.link import Link
from device.reader import Outcome
from device.sampler import Sampler
from device.sensor import Sensor
from device.settings import AGENT
from device.spool import Spool
from device.spool_status import SpoolStatus, spool_status
from service.reload import Configuration
from wire.blocks import bad_points
from wire.readings import Quality, grade, reason, series_name

_LOOK_EVERY_S = 0.05


class SensorStatus(msgspec.Struct, frozen=True):
    """How one sensor is doing."""

    sensor: str
    interval_s: float
    reads: int
    failures: int
    quality: str
    reason: str
    detail: str
    took_s: float | None
    events: int = 0
    retries: int = 0
    note: str = ""


class DatagramStatus(msgspec.Struct, frozen=True):
    """What became of datagrams since the start; `missing` is what the collector says, as of now."""

    sent: int
    failed: int
    received: int | None
    missing: int | None


class Status(msgspec.Struct, frozen=True):
    """How the agent is doing."""

    device: str
    uptime_s: float
    link: str
    collector: str
    is_joined: bool
    sessions: int
    last_end: str
    next_try_s: float | None
    accepted_readings: int
    acknowledged_readings: int
    skipped_reads: int
    spool: SpoolStatus
    datagrams: DatagramStatus | None
    sensors: list[SensorStatus]
    configuration: Configuration = Configuration()


class ReadResult(msgspec.Struct, frozen=True):
    """One point of one `read`; `value` is None where the quality is bad."""

    series: str
    value: float | None
    unit: str
    quality: str
    reason: str
    detail: str
    took_s: float


class Answers:
    """Answers for one agent; `configuration` gives how its file stands to what is in force."""

    def __init__(
        self,
        sensors: Mapping[str, Sensor],
        spool: Spool,
        link: Link,
        sampler: Sampler,
        configuration: Callable[[], Configuration] = Configuration,
    ) -> None:
        self._sensors = sensors
        self._spool = spool
        self._link = link
        self._sampler = sampler
        self._configuration = configuration
        self._began_ns = boottime_ns()

    async def status(self, _arguments: Mapping[str, Any]) -> Status:
        """Answer `telegauge-device status`."""
        return Status(
            device=self._link.device,
            uptime_s=self._uptime_s(),
            link="up" if self._link.is_up else "down",
            collector=str(self._link.address),
            is_joined=self._link.contact.credentials is not None,
            sessions=self._link.sessions,
            last_end=_end(self._link),
            next_try_s=self._link.next_try_s(),
            accepted_readings=self._spool.intake.accepted,
            acknowledged_readings=self._spool.acknowledged,
            skipped_reads=self._sampler.skipped_reads,
            spool=spool_status(self._spool, self._link.owner, self._uptime_s()),
            datagrams=_datagram_status(self._link.datagrams),
            sensors=[_sensor_status(sensor) for sensor in self._sensors.values()],
            configuration=self._configuration(),
        )

    def _uptime_s(self) -> float:
        return (boottime_ns() - self._began_ns) / 1e9

    async def read(self, arguments: Mapping[str, Any]) -> list[ReadResult]:
        """Answer `telegauge-device read [SENSOR]`."""
        return await read_now(self._link.device, self._sensors, arguments.get("sensor"))


async def read_now(
    device: str, sensors: Mapping[str, Sensor], name: str | None
) -> list[ReadResult]:
    """Read every sensor of the YAML once, or the one named.

    Raises:
        LookupError: no sensor of that name.
    """
    if name is not None and name not in sensors:
        raise LookupError(f"no sensor `{name}`; there are: {', '.join(sensors)}")
    chosen = [sensors[each] for each in ([name] if name else asked_for(sensors))]
    outcomes = await asyncio.gather(*map(_read, chosen))
    return [
        result
        for sensor, outcome in zip(chosen, outcomes, strict=True)
        for result in _results(device, sensor, outcome)
    ]


def asked_for(names: Iterable[str]) -> list[str]:
    """Return whom somebody means who names none: of its own health the agent tells where it is asked for."""
    return [name for name in names if name != AGENT]


async def _read(sensor: Sensor) -> Outcome:
    """Read a sensor; where it speaks when it likes, and has not yet, listen for as long as a read may take."""
    outcome = await asyncio.shield(sensor.read(hurry=True))
    until_s = asyncio.get_running_loop().time() + sensor.timeout_s
    while _says_nothing(sensor, outcome) and asyncio.get_running_loop().time() < until_s:
        await asyncio.sleep(_LOOK_EVERY_S)
    return outcome


def _says_nothing(sensor: Sensor, outcome: Outcome) -> bool:
    is_good = outcome.quality is Quality.GOOD
    return is_good and not outcome.samples and not sensor.heard


def _results(device: str, sensor: Sensor, outcome: Outcome) -> list[ReadResult]:
    found = sensor.preview(outcome) or [Filtered(point) for point in sensor.heard.values()]
    if not found:
        # A sensor that never opened may not know its channels: its failure is shown all the same.
        is_silent = outcome.quality is Quality.GOOD
        quality = Quality.NO_VALUE if is_silent else outcome.quality
        (point,) = bad_points([("*", "")], quality)
        found = [Filtered(point, "nothing has been heard of it yet" if is_silent else "")]
    return [
        ReadResult(
            series=series_name(device, sensor.name, point.channel),
            value=None if grade(point.quality) == "bad" else point.value,
            unit=point.unit,
            quality=grade(point.quality),
            reason=reason(point.quality),
            detail=outcome.message or detail or _why_absent(sensor, point.channel),
            took_s=outcome.took_s,
        )
        for point, detail, _ in found
    ]


def _why_absent(sensor: Sensor, channel: str) -> str:
    if channel not in sensor.unknown_channels():
        return ""
    known = ", ".join(each.name for each in sensor.reader.adapter.channels)
    return f"{sensor.name} has no such channel here; it has: {known}"


def _sensor_status(sensor: Sensor) -> SensorStatus:
    quality = sensor.standing.quality
    return SensorStatus(
        sensor=sensor.name,
        interval_s=sensor.interval_s,
        reads=sensor.reads,
        failures=sensor.failures,
        quality="unread" if quality is None else grade(quality),
        reason="" if quality is None else reason(quality),
        detail=sensor.standing.detail,
        took_s=sensor.last.took_s if sensor.last else None,
        events=sensor.events,
        retries=sensor.retries,
        note=sensor.reader.adapter.note,
    )


def _datagram_status(epochs: DatagramEpochs | None) -> DatagramStatus | None:
    if epochs is None:
        return None
    report = epochs.report
    if report is None:
        return DatagramStatus(epochs.sent, epochs.failed, None, None)
    missing = report.highest_seq - report.received
    return DatagramStatus(epochs.sent, epochs.failed, report.received, missing)


def _end(link: Link) -> str:
    if link.last_end is None:
        return ""
    return f"{link.last_end.reason}: {link.last_end.detail}".rstrip(": ")
