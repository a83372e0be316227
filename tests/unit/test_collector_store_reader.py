"""collector.store.reader: the rows of a store, chosen by device, time and order of commit."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.store import BatchRow, DeviceRow, SeriesRow
from collector.store.database import FILE_NAME, open_for_writing
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    SECOND_NS,
    batch,
    commit,
    described,
    open_reader,
    read,
    rows,
    transaction,
)
from kit.wireworks import EPOCH
from wire.frames import Gap

DEVICES = ("greenhouse", "green-2", "cellar", "a")
SERIES = ("air.temperature", "soil_1.humidity", "s.t")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with the devices above and their series, without readings."""
    file = tmp_path / FILE_NAME
    with transaction(file) as group:
        for device in DEVICES:
            group.describe(device, described(*SERIES))
    return file


def spans(found: list[BatchRow]) -> list[float]:
    """The last times of rows, in seconds since boot."""
    return [(row.to_ns - BOOTED_NS) / SECOND_NS for row in found]


def test_empty_store_has_nothing(tmp_path: Path) -> None:
    """Every question has an empty answer."""
    open_for_writing(tmp_path / FILE_NAME).close()
    with open_reader(tmp_path / FILE_NAME) as reader:
        assert reader.devices() == []
        assert reader.series() == []
        assert reader.after(0) == []
        assert reader.last_row_id() == 0
        assert reader.size_bytes() > 0


def test_device_row_says_how_it_is_doing(file: Path) -> None:
    """Readings of all its epochs, when it was last heard, and its gaps; others do not count."""
    commit(file, "greenhouse", batch(1, read(1), read(2)), batch(2), batch(1, epoch=OTHER_EPOCH))
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 3, 3, "spool_full"))
        group.store("cellar", [batch(1)])
    (heard_ns,) = rows(file, "SELECT max(heard_ns) FROM epoch WHERE device = 1")[0]
    with open_reader(file) as reader:
        assert reader.devices("greenhouse/*") == [
            DeviceRow(1, "greenhouse", "by the window", 4, heard_ns, 1)
        ]
        assert reader.devices("green-2/*") == [DeviceRow(2, "green-2", "by the window", 0, None, 0)]


def test_series_row_says_what_the_device_said(file: Path) -> None:
    """Everything DESCRIBE told, under the whole name."""
    with open_reader(file) as reader:
        assert reader.series("cellar/air.*") == [
            SeriesRow(
                "cellar/air.temperature", "cellar", "degC", "temperature", 1,
                "label of temperature", "synthetic:sine", 1.0,
            )
        ]  # fmt: skip


pieces = ["*", "?", "/", ".", "[", "]", "!", "-", "a", "e", "s", "t", "0-9", "[ab]", "[!a]"]
pieces += ["[/]", "gr", "green", "greenhouse", "air.temperature", "soil_1", "*/", "/*", ".*"]


@example(pattern="*[/]*")
@example(pattern="green[!a]ouse/air.*")
@example(pattern="green[/x]*")
@example(pattern="cella[r/]*")
@given(pattern=st.lists(st.sampled_from(pieces), max_size=7).map("".join))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_patterns_are_globs_over_the_whole_name(file: Path, pattern: str) -> None:
    """Like fnmatch on every name; no device is left out whose series could match."""
    names = [f"{device}/{series}" for device in DEVICES for series in SERIES]
    wanted = {name for name in names if fnmatchcase(name, pattern)}
    with open_reader(file) as reader:
        assert {series.name for series in reader.series(pattern)} == wanted
        devices = {device.name for device in reader.devices(pattern)}
        assert devices >= {name.partition("/")[0] for name in wanted}


def test_devices_that_cannot_match_are_left_out(file: Path) -> None:
    """A question about one device reads no other's rows."""
    with open_reader(file) as reader:
        assert [each.name for each in reader.devices("green*/air.*")] == ["green-2", "greenhouse"]
        assert [each.name for each in reader.devices("?/*")] == ["a"]
        assert len(reader.devices("*.temperature")) == len(DEVICES)


@pytest.mark.parametrize(
    ("start_s", "end_s", "found"),
    [
        (0, 100, [9, 19, 29]),
        (9, 10, [9]),
        (9.5, 10, []),
        (10, 11, [19]),
        (0, 10, [9]),
        (19, 20.5, [19, 29]),
        (29.5, 99, []),
        (0, 0, []),
    ],
)
def test_between_gives_rows_with_readings_in_a_range(
    file: Path, start_s: float, end_s: float, found: list[float]
) -> None:
    """The end is outside, the start within; a row that only touches the end is left out."""
    for seq, first_s in enumerate((0, 10, 20), 1):
        commit(file, "greenhouse", batch(seq, *(read(first_s + n) for n in range(10))))
    commit(file, "cellar", batch(1, read(5)))
    with open_reader(file) as reader:
        (device,) = reader.devices("greenhouse/*")
        answer = reader.between(
            device, BOOTED_NS + round(start_s * 1e9), BOOTED_NS + round(end_s * 1e9)
        )
        assert spans(list(answer)) == found


def test_newest_gives_the_latest_readings_first(file: Path) -> None:
    """By the time of the readings, not of their commit."""
    for seq, at_s in enumerate((50, 10, 30), 1):
        commit(file, "greenhouse", batch(seq, read(at_s)))
    with open_reader(file) as reader:
        (device,) = reader.devices("greenhouse/*")
        assert spans(list(reader.newest(device))) == [50, 30, 10]


def test_after_gives_what_was_committed_since(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the commits, across devices, so many at a time."""
    monkeypatch.setattr("collector.store.reader._AFTER_ROWS", 2)
    with open_reader(file) as reader:
        commit(file, "greenhouse", batch(1, read(50)))
        row_id = reader.last_row_id()
        commit(file, "cellar", batch(1, read(40)))
        commit(file, "greenhouse", batch(2, read(30)))
        commit(file, "greenhouse", batch(3, read(60)))
        first = reader.after(row_id)
        assert [(row.device, at_s) for row, at_s in zip(first, spans(first), strict=True)] == [
            ("cellar", 40),
            ("greenhouse", 30),
        ]
        assert spans(reader.after(first[-1].id)) == [60]
        assert reader.after(reader.last_row_id()) == []


def test_lingering_over_an_answer_does_not_hold_the_file(file: Path) -> None:
    """Who reads what `after` gave at leisure keeps the collector from no checkpoint."""
    commit(file, "greenhouse", batch(1))
    with open_reader(file) as reader:
        kept = reader.after(0)
        (blocked, in_log, done) = rows(file, "PRAGMA wal_checkpoint(TRUNCATE)")[0]
        assert (blocked, in_log, done) == (0, 0, 0)
        assert len(kept) == 1


def test_size_counts_what_is_not_checkpointed_yet(file: Path) -> None:
    """The write-ahead log takes room too."""
    with open_reader(file) as reader:
        before = reader.size_bytes()
        database = open_for_writing(file)
        database.execute("INSERT INTO device (name, first_heard_ns) VALUES ('new', 0)")
        assert reader.size_bytes() > before
        database.close()
