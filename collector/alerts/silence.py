"""Silence: from what is heard, and what should be, who is silent. Pure: the time is an argument.

    a series   is silent when its device is here, and nothing of it came for its time
    a device   is silent when it is away for the shortest time of its series, or says nothing of any
    several    devices that went away together, within a minute, are one group, with one signal

Who was silent has to be heard, without another silence of half its time, for `at_least` before that
is over. Of a device that is silent, its series are not told one by one. What arrives counts, by the
collector's own clock: a backlog is a sign of life.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

from collector.alert_settings import SILENCE, SilenceSettings
from collector.alerts.expected import Expected, any_of, silent_after_s
from collector.alerts.groups import Group
from collector.alerts.heard import Heard, HeardDevice
from collector.alerts.signals import GROUP, Level, Signal, device_of, is_group
from config.quantities import format_duration
from service.spoken import duration

# Who went within this time of each other, went together: sessions end by 15 s of silence.
TOGETHER_S = 60.0
# Whoever lost its connection when the collector went comes back within a minute.
COME_BACK_S = 90.0


class Silence:
    """Who is silent, of one collector; `now_s` is monotonic, `now_ns` UTC.

    Args:
        began_s: when this collector began to listen.
        cause: why it takes nothing itself, "" where all is well.
    """

    def __init__(
        self, settings: SilenceSettings, began_s: float, cause: Callable[[], str] = lambda: ""
    ) -> None:
        self._began_s = began_s
        self._cause = cause
        self._devices: dict[str, HeardDevice] = {}
        self._over: list[Signal] = []
        self.take_up(settings, began_s)

    def take_up(self, settings: SilenceSettings, now_s: float) -> None:
        """Take up other settings."""
        self._settings = settings
        self._is_excepted = any_of(settings.without)
        for device in self._devices.values():
            self._expect(device, device.expected, {}, now_s)

    def expect(
        self,
        name: str,
        expected: Mapping[str, Expected],
        now_s: float,
        heard_s: Mapping[str, float] = MappingProxyType({}),
        away_s: float | None = None,
    ) -> None:
        """Note what is to be heard of a device from now on, and of nothing else of it.

        `heard_s`: when each was heard of before this collector began, as far as that is known.
        `away_s`: since when a device is away that nobody watched before; None: since now.
        """
        device = self._devices.get(name)
        if device is None:
            at_least_s = self._settings.at_least_s
            was_known = now_s <= self._began_s
            wait_s = max(COME_BACK_S, at_least_s) if was_known else at_least_s
            away_s = now_s if away_s is None else away_s
            device = self._devices[name] = HeardDevice(away_s, now_s + wait_s)
        self._expect(device, expected, heard_s, now_s)

    def forget(self, name: str) -> None:
        """Expect nothing of a device any more; what was said of it is over."""
        device = self._devices.pop(name, None)
        if device is None:
            return
        self._over += [_off(series) for series, each in device.series.items() if each.is_silent]
        if device.group is not None:
            self._over.append(_left(name, device, device.group))
        elif device.is_silent:
            self._over.append(_off(name))

    @property
    def devices(self) -> Collection[str]:
        """Of which devices something is expected."""
        return self._devices.keys()

    def expected(self, series: str) -> Expected | None:
        """Return what is to be heard of a series; None: nothing is."""
        device = self._devices.get(series.partition("/")[0])
        return None if device is None else device.expected.get(series)

    def expected_of(self, name: str) -> Mapping[str, Expected] | None:
        """Return what is to be heard of a device; None: nothing is known of it."""
        device = self._devices.get(name)
        return None if device is None else device.expected

    def heard(self, name: str, series: Collection[str], now_s: float) -> None:
        """Note that something came of a device; without series: something old."""
        device = self._devices.get(name)
        if device is None:
            return
        device.resume(now_s)
        device.heard_s = max(device.heard_s, now_s)
        if not series:
            device.base_s = max(device.base_s, now_s)
        for each in series:
            if (found := device.series.get(each)) is not None:
                found.heard_s = max(found.heard_s, now_s)

    def stopped(self, name: str) -> None:
        """Note that somebody stopped the agent of a device, in order."""
        if name in self._devices:
            self._devices[name].is_stopped = True

    def restore(self, subject: str, members: Collection[str]) -> bool:
        """Note that a subject was silent when the collector stopped; say whether it is known."""
        if is_group(subject):
            found = [name for name in members if name in self._devices]
            group = Group(subject, self._began_s, found, members)
            for name in found:
                self._devices[name].mark(True)
                self._devices[name].group = group
            return bool(found)
        device = self._devices.get(device_of(subject) or "")
        heard = device.series.get(subject) if device and subject != device_of(subject) else device
        if heard is not None:
            heard.mark(True)
        return heard is not None

    def look(self, connected: Collection[str], now_s: float, now_ns: int) -> list[Signal]:
        """Return what has become of whom since the last look."""
        found, self._over = self._over, []
        newly: list[str] = []
        for name, device in self._devices.items():
            self._note_session(device, name in connected, now_s)
            if device.is_silent:
                found += self._returned(name, device, now_s)
            elif self._falls_silent(device, now_s):
                device.mark(True)
                newly.append(name)
            elif device.away_s is None and now_s > device.due_s:
                found += self._series(device, now_s, now_ns)
        return [*found, *self._told(newly, now_s, now_ns)]

    def _expect(
        self,
        device: HeardDevice,
        expected: Mapping[str, Expected],
        heard_s: Mapping[str, float],
        now_s: float,
    ) -> None:
        former, device.expected = device.series, expected
        device.series = {}
        for name, each in expected.items():
            if not self._is_excepted(name):
                device.series[name] = former.get(name) or Heard(heard_s.get(name, now_s), 0.0)
                device.series[name].after_s = silent_after_s(each, self._settings)
        self._over += [
            _off(name)
            for name, each in former.items()
            if each.is_silent and name not in device.series
        ]
        device.after_s = min((each.after_s for each in device.series.values()), default=math.inf)
        device.heard_s = max([device.heard_s, *(each.heard_s for each in device.series.values())])
        device.due_s = -math.inf

    def _note_session(self, device: HeardDevice, is_connected: bool, now_s: float) -> None:
        if not is_connected:
            if device.away_s is None:
                device.away_s = now_s
        elif device.away_s is not None:
            device.resume(now_s)
            device.away_s, device.is_stopped = None, False
            device.not_before_s = now_s + self._settings.at_least_s

    def _falls_silent(self, device: HeardDevice, now_s: float) -> bool:
        if not device.series or now_s < device.not_before_s:
            return False
        if device.away_s is None:
            return device.is_overdue(now_s)
        after_s = max(device.after_s, self._settings.after_stop_s if device.is_stopped else 0.0)
        return now_s - device.heard_s > after_s

    def _returned(self, name: str, device: HeardDevice, now_s: float) -> Iterator[Signal]:
        """Give what it means that a silent device is heard again, if it is."""
        if device.series and not device.is_back(now_s, self._settings.at_least_s):
            return
        device.mark(False)
        device.base_s, device.due_s = now_s, -math.inf
        if device.group is None:
            yield _off(name)
        else:
            yield _left(name, device, device.group)

    def _series(self, device: HeardDevice, now_s: float, now_ns: int) -> Iterator[Signal]:
        """Give which series of a device that is here fell silent, or are heard again."""
        dues = []
        for name, each in device.series.items():
            since_s = max(each.heard_s, device.base_s)
            if each.is_silent:
                if each.is_back(now_s, self._settings.at_least_s):
                    each.mark(False)
                    yield _off(name)
                dues.append(-math.inf)
            elif now_s - since_s > each.after_s and now_s >= device.not_before_s:
                each.mark(True)
                every = format_duration(device.expected[name].interval_s)
                words = f"{name} is silent: nothing came for {duration(now_s - since_s)}, it is read every {every}"
                yield Signal(SILENCE, name, Level.ON, _when(since_s, now_s, now_ns), words)
                dues.append(-math.inf)
            else:
                dues.append(max(since_s + each.after_s, device.not_before_s))
        device.due_s = min(dues, default=math.inf)

    def _told(self, newly: list[str], now_s: float, now_ns: int) -> Iterator[Signal]:
        """Give one signal for those that fell silent together, and one for each of the others."""
        while newly:
            name = newly.pop(0)
            device = self._devices[name]
            group = self._group_of(device)
            if group is not None:
                device.group = group
                group.join(name)
                yield group.signal(self._cause())
                continue
            others = [each for each in self._with(device, newly) if each != name]
            if others:
                newly = [each for each in newly if each not in others]
                yield self._grouped([name, *others], device, now_ns, now_s)
            else:
                since_ns = _when(device.heard_s, now_s, now_ns)
                words = self._words(name, device, now_s)
                yield Signal(SILENCE, name, Level.ON, since_ns, words, None, tuple(device.series))

    def _grouped(self, names: list[str], first: HeardDevice, now_ns: int, now_s: float) -> Signal:
        assert first.away_s is not None, "who is here fell silent alone"
        since_ns = _when(min(self._devices[each].heard_s for each in names), now_s, now_ns)
        group = Group(f"{GROUP}{now_ns // 10**9}", first.away_s, names, names, since_ns)
        group.are_all = len(names) == sum(bool(each.series) for each in self._devices.values())
        for each in names:
            self._devices[each].mark(True)
            self._devices[each].group = group
        return group.signal(self._cause())

    def _group_of(self, device: HeardDevice) -> Group | None:
        """Return the group that went away when a device did."""
        groups = {each.group for each in self._devices.values() if each.group is not None}
        for group in groups:
            if device.away_s is not None and abs(device.away_s - group.away_s) <= TOGETHER_S:
                return group
        return None

    def _with(self, device: HeardDevice, newly: Collection[str]) -> list[str]:
        """Return the devices that went away when one did, and are told of by no other signal yet."""
        if device.away_s is None:
            return []
        return [
            name
            for name, each in self._devices.items()
            if each.away_s is not None
            and each.series
            and each.group is None
            and each.is_stopped == device.is_stopped
            and abs(each.away_s - device.away_s) <= TOGETHER_S
            and (not each.is_silent or name in newly)
        ]

    def _words(self, name: str, device: HeardDevice, now_s: float) -> str:
        quiet = duration(now_s - device.heard_s)
        if device.away_s is None:
            return f"{name} is silent: it is connected, but nothing came of any series for {quiet}"
        if device.is_stopped:
            return f"{name} is silent: its agent was stopped, and nothing came for {quiet}"
        why = (
            f", as the collector itself takes nothing: {cause}" if (cause := self._cause()) else ""
        )
        return f"{name} is silent: it is away, and nothing came for {quiet}{why}"


def _left(name: str, device: HeardDevice, group: Group) -> Signal:
    """Take a device out of its group; return what that makes of the group."""
    device.group = None
    group.silent.remove(name)
    return group.signal()


def _off(subject: str) -> Signal:
    return Signal(SILENCE, subject, Level.OFF)


def _when(at_s: float, now_s: float, now_ns: int) -> int:
    """Return the UTC of a monotonic time."""
    return now_ns if math.isinf(at_s) else now_ns - round((now_s - at_s) * 1e9)
