"""collector.store.reader: the rows of a store, chosen by device, time and order of commit."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.store import (
    BatchRow,
    DeviceRow,
    Keep,
    Selection,
    SeriesRow,
    delete_from,
    seal_store,
)
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.reader import DatagramRow, GapRow
from kit.histories import retained
from kit.losses import add_datagrams, add_gap
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    SECOND_NS,
    at_ns,
    batch,
    change,
    commit,
    described,
    open_reader,
    read,
    rows,
    transaction,
)
from kit.wireworks import EPOCH

DEVICES = ("greenhouse", "green-2", "cellar", "a")
ENDLESS_NS = 2**63 - 1
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
    """Readings of all its epochs, and when it was last heard; others do not count."""
    commit(file, "greenhouse", batch(1, read(1), read(2)), batch(2), batch(1, epoch=OTHER_EPOCH))
    commit(file, "cellar", batch(1))
    (heard_ns,) = rows(file, "SELECT max(heard_ns) FROM epoch WHERE device = 1")[0]
    with open_reader(file) as reader:
        assert reader.devices("greenhouse/*") == [
            DeviceRow(1, "greenhouse", "by the window", 4, heard_ns)
        ]
        assert reader.devices("green-2/*") == [DeviceRow(2, "green-2", "by the window", 0, None)]


def test_gap_row_says_what_is_missing(file: Path) -> None:
    """Everything the store knows of it, with the epoch where it has one."""
    commit(file, "cellar", batch(1))
    add_gap(file, "cellar", "rejected", readings=3, from_ns=5, to_ns=7, recorded_ns=9, seqs=(2, 4))
    add_gap(file, "attic", "power_cut", recorded_ns=9, from_ns=6)
    change(file, "UPDATE gap SET epoch = 1 WHERE reason = 'rejected'")
    with open_reader(file) as reader:
        assert reader.gaps("*", -ENDLESS_NS, ENDLESS_NS) == [
            GapRow("cellar", EPOCH, 2, 4, 3, 5, 7, "rejected", 9),
            GapRow("attic", None, None, 9, None, 6, None, "power_cut", 9),
        ]
        assert [each.device for each in reader.gaps("c*", -ENDLESS_NS, ENDLESS_NS)] == ["cellar"]
        assert reader.gaps("cell", -ENDLESS_NS, ENDLESS_NS) == []


def test_tail_of_an_epoch_is_of_unknown_size(file: Path) -> None:
    """Whatever the row says of the readings: nobody knows how many batches there were."""
    add_gap(file, "cellar", readings=3, seqs=(5, None))
    with open_reader(file) as reader:
        (gap,) = reader.gaps("*", -ENDLESS_NS, ENDLESS_NS)
        assert (gap.first_seq, gap.last_seq, gap.readings) == (5, None, None)
        (loss,) = reader.losses(0).values()
        assert (loss.gaps, loss.uncounted_gaps, loss.lost_readings) == (1, 1, 0)


times = st.one_of(st.none(), st.integers(-5, 5))
some_gaps = st.lists(
    st.tuples(
        st.sampled_from(DEVICES), times, times, st.integers(-5, 5),
        st.one_of(st.none(), st.integers(0, 3), st.just(2**63 - 1)),
        st.sampled_from(["rejected", "power_cut"]),
    ),
    max_size=6,
)  # fmt: skip


@example(found=[("a", None, None, 0, 2**63 - 1, "rejected")] * 2, start=0, length=1)
@given(found=some_gaps, start=st.integers(-6, 6), length=st.integers(1, 5))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_gaps_against_a_plain_list(
    file: Path, found: list[tuple[Any, ...]], start: int, length: int
) -> None:
    """In order of time, all that may lie in the range; summed up by device, however absurd."""
    change(file, "DELETE FROM gap")
    for device, from_ns, to_ns, recorded_ns, readings, reason in found:
        add_gap(file, device, reason, readings=readings, from_ns=from_ns, to_ns=to_ns,
                recorded_ns=recorded_ns)  # fmt: skip
    end = start + length
    wanted = [
        (device, from_ns, to_ns, recorded_ns, readings, reason)
        for device, from_ns, to_ns, recorded_ns, readings, reason in found
        if (from_ns is None or from_ns < end) and (to_ns is None or to_ns >= start)
    ]
    wanted.sort(key=lambda gap: next(time for time in gap[1:4] if time is not None))
    with open_reader(file) as reader:
        assert [
            (gap.device, gap.from_ns, gap.to_ns, gap.recorded_ns, gap.readings, gap.reason)
            for gap in reader.gaps("*", start, end)
        ] == wanted
        names = {device.id: device.name for device in reader.devices()}
        losses = {names[device]: loss for device, loss in reader.losses(start).items()}
    assert set(losses) == {gap[0] for gap in found}
    for device, loss in losses.items():
        own = [gap for gap in found if gap[0] == device]
        latest = [gap[3] if gap[2] is None else gap[2] for gap in own]
        recent = [gap for gap, at_ns in zip(own, latest, strict=True) if at_ns >= start]
        assert (loss.gaps, loss.recent_gaps) == (len(own), len(recent))
        assert loss.uncounted_gaps == [gap[4] for gap in own].count(None)
        assert loss.recent_uncounted_gaps == [gap[4] for gap in recent].count(None)
        assert loss.lost_readings == pytest.approx(min(total(own), 2**63 - 1))
        assert loss.recent_lost_readings == pytest.approx(min(total(recent), 2**63 - 1))
        assert loss.latest_ns == max(latest)
        assert (loss.latest_ns, loss.latest_reason) in zip(
            latest, [gap[5] for gap in own], strict=True
        )


def total(found: list[tuple[Any, ...]]) -> int:
    """The readings of which somebody knows."""
    return sum(gap[4] or 0 for gap in found)


def test_datagrams_are_counted_by_device(file: Path) -> None:
    """Over all its datagram epochs; a device that sent none is not there."""
    commit(file, "greenhouse", batch(1))
    add_datagrams(file, "greenhouse", OTHER_EPOCH, highest_seq=10, came=7)
    add_datagrams(file, "greenhouse", bytes([7] * 16), highest_seq=5, came=5)
    commit(file, "cellar", batch(1))
    with open_reader(file) as reader:
        (greenhouse,) = reader.devices("greenhouse/*")
        assert reader.datagrams() == {greenhouse.id: DatagramRow(12, 3)}
        assert greenhouse.readings == 13


def test_series_row_says_what_the_device_said(file: Path) -> None:
    """Everything DESCRIBE told, under the whole name."""
    with open_reader(file) as reader:
        assert reader.series("cellar/air.*") == [
            SeriesRow(
                "cellar/air.temperature", "cellar", "degC", "temperature", 1,
                "label of temperature", "synthetic:sine", 1.0, None,
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


def test_removed_readings_are_counted_by_device(file: Path) -> None:
    """Deleted or expired; a device that lost none is not named."""
    commit(file, "cellar", *(batch(seq) for seq in range(1, 6)))
    commit(file, "greenhouse", batch(1))
    with open_reader(file) as reader:
        assert reader.removed() == {}
        delete_from(file, Selection("cellar/*", None, at_ns(3)))
        assert reader.removed() == {"cellar": 2}
        seal_store(file)
        retained(file, Keep("*", raw_ns=1), now_ns=at_ns(100))
        assert reader.removed() == {"cellar": 2, "greenhouse": 1}
