"""What the store knows when the alerts begin: the last readings, and what is to be heard of whom.

It counts for devices that nobody has watched yet: of a store that is older than its alerts, or whose
alerts.db was lost. Who was not heard of for a week is taken for one that is no more.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collector.alerts.expected import Expected
from collector.store import DatedReading, DeviceRow, Reader, SeriesRow

GONE_AFTER_NS = 7 * 86_400 * 10**9


class StoredDevice(NamedTuple):
    """What is to be heard of a device, and when something of it was last stored (UTC, ns)."""

    expected: dict[str, Expected]
    heard_ns: int


class Stored(NamedTuple):
    """The last reading of each series, and the devices that were heard of lately."""

    latest: list[DatedReading]
    devices: Mapping[str, StoredDevice]


def stored_in(reader: Reader, now_ns: int) -> Stored:
    """Return what a store knows at a time (UTC, ns)."""
    latest = list(reader.latest().readings.values())
    return Stored(latest, heard_lately(reader.devices(), reader.series(), latest, now_ns))


def heard_lately(
    devices: Iterable[DeviceRow],
    described: Iterable[SeriesRow],
    latest: Iterable[DatedReading],
    now_ns: int,
) -> dict[str, StoredDevice]:
    """Return the devices that were heard of within a week, each with the series that it had then.

    The store keeps what a device once said of its series: one that ended a week before the others was
    taken away. Which sensors speak by themselves it does not know; each device says that as it comes.
    """
    last_ns = {each.series: each.time_ns for each in latest}
    series: dict[str, list[SeriesRow]] = {}
    for row in described:
        if row.name in last_ns:
            series.setdefault(row.device, []).append(row)
    found = {}
    for device in devices:
        if device.heard_ns is None or now_ns - device.heard_ns > GONE_AFTER_NS:
            continue
        its = series.get(device.name, [])
        newest_ns = max((last_ns[row.name] or 0 for row in its), default=0)
        expected = {
            row.name: Expected(row.interval_s, row.max_interval_s)
            for row in its
            if newest_ns - (last_ns[row.name] or newest_ns) <= GONE_AFTER_NS
        }
        if expected:
            found[device.name] = StoredDevice(expected, device.heard_ns)
    return found
