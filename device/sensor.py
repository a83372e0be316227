"""A sensor as it was configured: its timing, its channels, its reader, and how it is doing.

Turns what a read gave into points: a failed read is a bad point a channel, with the reason. Logs a
fault when it begins, when it changes and when it is over, never once a read.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence

import structlog

from device.reader import Outcome, Reader
from device.sensors import Adapter, Channel, Sample
from device.settings import ChannelSettings, SensorSettings
from wire.blocks import Point, bad_points
from wire.bodies import ChannelDescription, SensorDescription
from wire.readings import Quality

_log = structlog.get_logger()


class Sensor:
    """One sensor of this device. `interval_s` and `timeout_s` are what is in force.

    `settings` are as in the YAML, `adapter` is what they name.
    """

    def __init__(
        self,
        name: str,
        settings: SensorSettings,
        interval_s: float,
        timeout_s: float,
        adapter: Adapter,
    ) -> None:
        self.name = name
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self.reads = 0
        self.failures = 0
        self.last: Outcome | None = None
        self.reader = Reader(name, adapter)
        self.settings = settings
        self._failing = 0
        self._under_way: asyncio.Future[Outcome] | None = None

    def change(self, settings: SensorSettings, timeout_s: float) -> None:
        """Go on by other settings with the same adapter: another interval is for the sampler."""
        former, self.settings, self.timeout_s = self.settings, settings, timeout_s
        if settings.channels != former.channels and self.reader.adapter.channels:
            self._warn_of_unknown_channels()

    @property
    def channels(self) -> list[Channel]:
        """The channels in use, as far as the adapter knows them by now.

        One that the YAML names and the sensor does not have is among them, and always bad.
        """
        known = self.reader.adapter.channels
        used = [channel for channel in known if self._wants(channel.name)]
        return used + [Channel(name, "") for name in self.unknown_channels() if known]

    def unknown_channels(self) -> list[str]:
        """Return the channels that the YAML names and the adapter does not know."""
        if not self.settings.channels:
            return []
        known = {channel.name for channel in self.reader.adapter.channels}
        return [name for name in self.settings.channels if name not in known]

    @property
    def is_reading(self) -> bool:
        """Whether a read is under way and within its timeout."""
        return self._under_way is not None and not self._under_way.done()

    def read(self) -> "asyncio.Future[Outcome]":
        """Read once, off the main loop, within the timeout; note how it went.

        Who asks while a read is under way gets that one.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = self.reader.read(self.timeout_s)
            self._under_way.add_done_callback(self._took)
        return self._under_way

    def points(self, outcome: Outcome) -> list[Point]:
        """Return what a read gave, a point a channel; bad ones where it gave nothing."""
        if outcome.quality is Quality.GOOD:
            points = [_point(sample) for sample in outcome.samples if self._wants(sample.channel)]
            absent = [(name, "") for name in self.unknown_channels()]
            return points + bad_points(absent, Quality.NO_VALUE)
        channels = [(channel.name, channel.unit) for channel in self.channels]
        return bad_points(channels, outcome.quality)

    def description(self) -> SensorDescription:
        """Return what the collector is told of this sensor."""
        labels: Mapping[str, ChannelSettings] = self.settings.channels or {}
        return SensorDescription(
            self.name,
            self.settings.driver,
            self.interval_s,
            [_description(channel, labels.get(channel.name)) for channel in self.channels],
            label=self.settings.label,
        )

    def _wants(self, channel: str) -> bool:
        return self.settings.channels is None or channel in self.settings.channels

    def _took(self, read: "asyncio.Future[Outcome]") -> None:
        if read.cancelled():
            return
        outcome = read.result()
        self.reads += 1
        self._note(outcome)
        self.last = outcome

    def _note(self, outcome: Outcome) -> None:
        if outcome.quality is Quality.GOOD:
            if self._failing:
                _log.info("sensor_recovered", sensor=self.name, failed_reads=self._failing)
            if self.reads - self.failures == 1:  # by now it knows its channels
                self._warn_of_unknown_channels()
            self._failing = 0
            return
        self.failures += 1
        self._failing += 1
        if self._failing == 1 or self.last is None or self.last.quality is not outcome.quality:
            _log.warning(
                "sensor_failed",
                sensor=self.name,
                reason=outcome.quality.name.lower(),
                detail=outcome.message,
            )

    def _warn_of_unknown_channels(self) -> None:
        if unknown := self.unknown_channels():
            known = [channel.name for channel in self.reader.adapter.channels]
            _log.warning("channels_unknown", sensor=self.name, unknown=unknown, known=known)


def _point(sample: Sample) -> Point:
    if math.isfinite(sample.value):
        return Point(sample.channel, sample.unit, sample.value, Quality.GOOD)
    return Point(sample.channel, sample.unit, math.nan, Quality.NO_VALUE)


def _description(channel: Channel, settings: ChannelSettings | None) -> ChannelDescription:
    return ChannelDescription(
        channel.name,
        channel.unit,
        channel.quantity,
        channel.decimals,
        settings.label if settings else None,
    )


def describe_all(sensors: Sequence[Sensor]) -> list[SensorDescription]:
    """Return what the collector is told of all sensors."""
    return [sensor.description() for sensor in sensors]
