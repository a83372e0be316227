"""collector.alerts.stored: who is expected of a store whose devices nobody has watched yet."""

import time
from pathlib import Path

from collector.alerts.expected import Expected
from collector.alerts.stored import GONE_AFTER_NS, StoredDevice, heard_lately, stored_in
from collector.store import DatedReading, DeviceRow, SeriesRow
from kit.alerts import BEGAN_NS
from kit.stores import batch, commit, described, heard_earlier, open_reader, read, transaction


def row(series: str, max_interval_s: float | None = None) -> SeriesRow:
    """A series as its device described it, read every 10 s."""
    device = series.partition("/")[0]
    return SeriesRow(series, device, "degC", "temperature", 1, None, "x", 10.0, max_interval_s)


def last(series: str, time_ns: int | None) -> DatedReading:
    """The last reading of a series."""
    return DatedReading(series, time_ns, 20.0, 0, "degC")


def test_who_was_heard_of_for_a_week() -> None:
    """Who was not is no more; nor is who never sent anything, or of whom nothing is described."""
    long_ago_ns = BEGAN_NS - GONE_AFTER_NS
    devices = [
        DeviceRow(1, "pi", None, 1, BEGAN_NS - 5),
        DeviceRow(2, "week", None, 1, long_ago_ns),
        DeviceRow(3, "gone", None, 1, long_ago_ns - 1),
        DeviceRow(4, "never", None, 0, None),
        DeviceRow(5, "plain", None, 1, BEGAN_NS),
    ]
    names = [f"{name}/a.b" for name in ("pi", "week", "gone", "never")]
    latest = [last(name, BEGAN_NS) for name in [*names[:3], "plain/a.b"]]
    found = heard_lately(devices, [row(name, 600.0) for name in names], latest, BEGAN_NS)
    assert found == {
        "pi": StoredDevice({"pi/a.b": Expected(10.0, 600.0)}, BEGAN_NS - 5),
        "week": StoredDevice({"week/a.b": Expected(10.0, 600.0)}, long_ago_ns),
    }


def test_series_that_its_device_had_at_last() -> None:
    """The store never forgets one; it is against the others that it ended long ago, not against now."""
    names = [f"pi/a.{channel}" for channel in ("old", "new", "undated", "none")]
    newest_ns = BEGAN_NS - 3 * GONE_AFTER_NS  # what was kept comes late
    latest = [
        last(names[0], newest_ns - GONE_AFTER_NS - 1),
        last(names[1], newest_ns),
        last(names[2], None),
    ]
    device = DeviceRow(1, "pi", None, 1, BEGAN_NS)
    found = heard_lately([device], map(row, names), latest, BEGAN_NS)
    assert set(found["pi"].expected) == {"pi/a.new", "pi/a.undated"}


def test_from_a_store(tmp_path: Path) -> None:
    """With the intervals that were described, and when something was last stored."""
    file = tmp_path / "telegauge.db"
    with transaction(file) as group:
        group.describe("pi", described("air.temperature", interval_s=600.0))
        group.describe("shed", described("air.temperature"))
    for name in ("pi", "shed"):
        commit(file, name, batch(1, read(1)))
    heard_earlier(file, GONE_AFTER_NS / 1e9, "shed")
    with open_reader(file) as reader:
        found = stored_in(reader, time.time_ns())
    assert {each.series for each in found.latest} == {"pi/air.temperature", "shed/air.temperature"}
    assert set(found.devices) == {"pi"}
    assert found.devices["pi"].expected == {"pi/air.temperature": Expected(600.0)}
    assert 0 <= time.time_ns() - found.devices["pi"].heard_ns < 60 * 10**9
