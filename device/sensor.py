"""A sensor as it was configured: its timing, its channels and their filters, its reader, and how it does.

Turns what a read gave into points: a failed read is a bad point a channel, with the reason. Logs a
fault when it begins, when it changes and when it is over, never once a read.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy

import structlog

from device.channel_settings import ChannelSettings
from device.filters import ChannelFilter, Filtered
from device.lanes import Lanes
from device.reader import Outcome, Reader
from device.sensors import Adapter, Channel, Emit, Sample
from device.settings import SensorSettings
from device.standing import Standing
from wire.blocks import Point
from wire.bodies import ChannelDescription, SensorDescription
from wire.readings import Quality

_log = structlog.get_logger()


class Sensor:
    """One sensor of this device. `interval_s` and `timeout_s` are what is in force.

    `settings` are as in the YAML, `adapter` is what they name, and `rebuild` makes another like it.
    `events` counts what it gave between its reads, `heard` is the last of that, by channel.
    """

    def __init__(
        self,
        name: str,
        settings: SensorSettings,
        interval_s: float,
        timeout_s: float,
        adapter: Adapter,
        lanes: Lanes | None = None,
        rebuild: Callable[[], Adapter] | None = None,
    ) -> None:
        self.name = name
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self.reads = 0
        self.failures = 0
        self.retries = 0
        self.events = 0
        self.heard: dict[str, Point] = {}
        self._slowest_s = 0.0
        self.last: Outcome | None = None
        self.reader = Reader((lanes or Lanes()).of(name, adapter.lane), adapter, rebuild)
        self.settings = settings
        self.standing = Standing(name)
        self._filters = _filters(settings)
        self._under_way: asyncio.Future[Outcome] | None = None

    def change(self, settings: SensorSettings, timeout_s: float) -> None:
        """Go on by other settings with the same adapter: another interval is for the sampler."""
        former, self.settings, self.timeout_s = self.settings, settings, timeout_s
        if settings.channels == former.channels:
            return
        before, after = former.channels or {}, settings.channels or {}
        self._filters = {
            name: self._filters[name] if before.get(name) == after[name] else fresh
            for name, fresh in _filters(settings).items()
        }
        self.standing.clear()
        if self.reader.adapter.channels:
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

    def read(self, *, hurry: bool = False) -> "asyncio.Future[Outcome]":
        """Read once, off the main loop, within the timeout; note how it went.

        Who asks while a read is under way gets that one. With `hurry` it is tried also where it
        failed a moment ago.
        """
        if hurry:
            self.reader.hurry()
        if self._under_way is None or self._under_way.done():
            self._under_way = self.reader.read(max(self.timeout_s, self.reader.adapter.takes_s))
            self._under_way.add_done_callback(self._took)
        return self._under_way

    def take_slowest_s(self) -> float:
        """Return how long the slowest read took since the last call."""
        slowest_s, self._slowest_s = self._slowest_s, 0.0
        return slowest_s

    def listen(self, emit: Emit) -> None:
        """Let the adapter say what happens between reads; before the first read."""
        self.reader.listen(emit)

    def points(self, outcome: Outcome, time_ns: int) -> list[Point]:
        """Return what is to be kept of a read, a point a channel; bad ones where it gave nothing."""
        return self._kept(time_ns, self._samples(outcome))

    def event_points(self, time_ns: int, samples: Sequence[Sample]) -> list[Point]:
        """Return what is to be kept of what the adapter gave between reads."""
        self.events += 1
        points = self._kept(time_ns, [each for each in samples if self._wants(each.channel)])
        self.heard.update((point.channel, point) for point in points)
        return points

    def preview(self, outcome: Outcome) -> list[Filtered]:
        """Return what a read would become, a point a channel, as if it had not been read."""
        filters = deepcopy(self._filters)
        return [_filtered(filters, outcome.began_ns, each) for each in self._samples(outcome)]

    def description(self) -> SensorDescription:
        """Return what the collector is told of this sensor."""
        settings: Mapping[str, ChannelSettings] = self.settings.channels or {}
        return SensorDescription(
            self.name,
            self.settings.driver,
            self.interval_s,
            [_description(channel, settings.get(channel.name)) for channel in self.channels],
            event_driven=self.reader.adapter.is_event_driven,
            label=self.settings.label,
        )

    def _wants(self, channel: str) -> bool:
        return self.settings.channels is None or channel in self.settings.channels

    def _samples(self, outcome: Outcome) -> list[Sample]:
        if outcome.quality is Quality.GOOD:
            found = [sample for sample in outcome.samples if self._wants(sample.channel)]
            absent = [Channel(name, "") for name in self.unknown_channels()]
            return found + _bad(absent, Quality.NO_VALUE)
        return _bad(self.channels, outcome.quality)

    def _kept(self, time_ns: int, samples: Iterable[Sample]) -> list[Point]:
        if not self._filters:
            points = [_point(sample) for sample in samples]
            self.standing.judge(points)
            return points
        filtered = [_filtered(self._filters, time_ns, sample) for sample in samples]
        self.standing.judge([each.point for each in filtered], [each.detail for each in filtered])
        return [each.point for each in filtered if each.is_news]

    def _took(self, read: "asyncio.Future[Outcome]") -> None:
        if read.cancelled():
            return
        outcome = self.last = read.result()
        self.reads += 1
        self.retries += outcome.retries
        self._slowest_s = max(self._slowest_s, outcome.took_s)
        self.standing.read(outcome)
        if outcome.quality is not Quality.GOOD:
            self.failures += 1
        elif self.reads - self.failures == 1:  # by now it knows its channels
            self._warn_of_unknown_channels()

    def _warn_of_unknown_channels(self) -> None:
        if unknown := self.unknown_channels():
            known = [channel.name for channel in self.reader.adapter.channels]
            _log.warning("channels_unknown", sensor=self.name, unknown=unknown, known=known)


def describe_all(sensors: Sequence[Sensor]) -> list[SensorDescription]:
    """Return what the collector is told of all sensors."""
    return [sensor.description() for sensor in sensors]


def _filters(settings: SensorSettings) -> dict[str, ChannelFilter]:
    return {name: ChannelFilter(each) for name, each in (settings.channels or {}).items()}


def _filtered(filters: Mapping[str, ChannelFilter], time_ns: int, sample: Sample) -> Filtered:
    its = filters.get(sample.channel)
    return Filtered(_point(sample)) if its is None else its.take(time_ns, sample)


def _point(sample: Sample) -> Point:
    channel, value, unit, quality = sample
    if math.isfinite(value) and quality < Quality.BAD:
        return Point(channel, unit, value, quality)
    return Point(channel, unit, math.nan, quality if quality >= Quality.BAD else Quality.NO_VALUE)


def _bad(channels: Iterable[Channel], quality: Quality) -> list[Sample]:
    return [Sample(channel.name, math.nan, channel.unit, quality) for channel in channels]


def _description(channel: Channel, settings: ChannelSettings | None) -> ChannelDescription:
    if settings is None:
        return ChannelDescription(channel.name, channel.unit, channel.quantity, channel.decimals)
    return ChannelDescription(
        channel.name,
        channel.unit if settings.unit is None else settings.unit,
        channel.quantity,
        channel.decimals if settings.round is None else settings.round,
        settings.label,
        None if settings.deadband is None else settings.max_interval_s,
    )
