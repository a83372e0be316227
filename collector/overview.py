"""The overview: each device with its state, each series with its last reading; what needs a look first. Pure."""

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import msgspec

from collector.device_states import STATES, State, silent_after_s
from collector.membership import MemberStatus, Standing
from collector.report import DeviceStatus
from collector.store import DatedReading, SeriesRow
from wire.readings import grade, reason

Condition: TypeAlias = Literal["bad", "suspect", "good", "quiet", "none"]

_CONDITIONS: tuple[Condition, ...] = get_args(Condition)


class SeriesView(msgspec.Struct, frozen=True):
    """One series with its last reading.

    `condition`: the quality of that; `quiet`, where none came for 5 intervals, 2 min at least: of a
    device that is live because nothing has changed, or its sensor is no more; `none`: there never was one.
    """

    series: str
    label: str | None
    unit: str
    decimals: int | None
    interval_s: float
    value: float | None
    reason: str
    time_ns: int | None
    condition: Condition


class DeviceView(msgspec.Struct, frozen=True):
    """One device with its series. `spooled_readings`: what waits on it, as it last said."""

    device: str
    label: str | None
    state: State
    standing: Standing | None
    connected: bool | None
    heard_ns: int | None
    spooled_readings: float | None
    series: list[SeriesView]


def overview(
    statuses: Iterable[DeviceStatus],
    members: Iterable[MemberStatus],
    described: Iterable[SeriesRow],
    latest: Iterable[DatedReading],
    now_ns: int,
) -> list[DeviceView]:
    """Return the devices, those that want a look first, and so of each its series."""
    last = {each.series: each for each in latest}
    of_device: dict[str, list[SeriesView]] = {}
    for row in described:
        view = _series(row, last.get(row.name), now_ns)
        of_device.setdefault(row.device, []).append(view)
    by_name = {each.device: each for each in statuses}
    standings = {each.device: each.standing for each in members}
    views = []
    for name in by_name.keys() | standings.keys():
        status = by_name.get(name) or DeviceStatus(name, None, None, 0, None)
        spooled = last.get(f"{name}/agent.spooled_readings")
        views.append(
            DeviceView(
                name,
                status.label,
                status.state,
                standings.get(name),
                status.connected,
                status.heard_ns,
                None if spooled is None else _value(spooled),
                sorted(of_device.get(name, []), key=_rank_of_series),
            )
        )
    return sorted(views, key=_rank)


def _series(row: SeriesRow, last: DatedReading | None, now_ns: int) -> SeriesView:
    return SeriesView(
        row.name,
        row.label,
        row.unit if last is None else last.unit,
        row.decimals,
        row.interval_s,
        None if last is None else _value(last),
        "" if last is None else reason(last.quality),
        None if last is None else last.time_ns,
        _condition(row, last, now_ns),
    )


def _condition(row: SeriesRow, last: DatedReading | None, now_ns: int) -> Condition:
    if last is None:
        return "none"
    if last.time_ns is not None and now_ns - last.time_ns > silent_after_s(row.longest_s) * 1e9:
        return "quiet"
    word = grade(last.quality)
    return "bad" if word == "bad" else "suspect" if word == "suspect" else "good"


def _value(reading: DatedReading) -> float | None:
    return reading.value if math.isfinite(reading.value) else None


def _rank(device: DeviceView) -> tuple[bool, int, str]:
    """Who was revoked is silent on purpose."""
    return device.standing == "revoked", STATES.index(device.state), device.device


def _rank_of_series(series: SeriesView) -> tuple[int, str]:
    return _CONDITIONS.index(series.condition), series.series
