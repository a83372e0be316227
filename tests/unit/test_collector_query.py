"""collector.query: from stored batches to readings with UTC times, nothing left out unsaid."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from collector import query
from collector.clock import Dating, Known
from collector.query import DatedReading
from collector.store import Range, seal_store
from collector.store.database import FILE_NAME, open_for_writing
from collector.times import END_OF_TIME_NS
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    SECOND_NS,
    THIRD_EPOCH,
    arrived,
    at_ns,
    batch,
    change,
    commit,
    described,
    held,
    holding,
    open_reader,
    read,
    rows,
    transaction,
)
from kit.wireworks import BOOT, CLOCK, EPOCH, sealed_batch
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import Moment
from wire.readings import Quality
from wire.receiver import Arrived


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty store."""
    file = tmp_path / FILE_NAME
    open_for_writing(file).close()
    return file


def asked(
    file: Path, pattern: str = "*", start_ns: int = -END_OF_TIME_NS, end_ns: int = END_OF_TIME_NS
) -> Range:
    """Ask for readings on a connection of its own."""
    with open_reader(file) as reader:
        return reader.range(pattern, start_ns, end_ns)


def values(answer: Range) -> dict[str, list[tuple[float, float]]]:
    """What was answered: series -> (seconds since boot, value)."""
    return {
        part.series: [
            ((time_ns - BOOTED_NS) / SECOND_NS, value)
            for time_ns, value in zip(part.times_ns.tolist(), part.values.tolist(), strict=True)
        ]
        for part in answer.parts
    }


def last(file: Path, pattern: str = "*") -> dict[str, float]:
    """What `latest` says: series -> value."""
    with open_reader(file) as reader:
        return {name: reading.value for name, reading in reader.latest(pattern).readings.items()}


def describe(file: Path, device: str, *series: str) -> None:
    """Let a device describe itself."""
    with transaction(file) as group:
        group.describe(device, described(*series))


def test_empty_store_has_no_readings(file: Path) -> None:
    """Nothing is no error."""
    assert asked(file) == Range([], 0)
    assert last(file) == {}


def test_readings_come_series_by_series(file: Path) -> None:
    """Every series of every device that matches, by name, with its unit."""
    commit(
        file, "greenhouse",
        batch(1, read(1, 20.5), read(1, 55.0, channel="humidity", unit="%"), read(2, 20.6)),
    )  # fmt: skip
    commit(file, "cellar", batch(1, read(1, 12.0)))
    answer = asked(file)
    assert [(part.series, part.unit) for part in answer.parts] == [
        ("cellar/air.temperature", "degC"),
        ("greenhouse/air.humidity", "%"),
        ("greenhouse/air.temperature", "degC"),
    ]
    assert values(answer)["greenhouse/air.temperature"] == [(1, 20.5), (2, 20.6)]
    assert list(values(asked(file, "green*/*.h*"))) == ["greenhouse/air.humidity"]
    assert list(values(asked(file, "*l*r*"))) == ["cellar/air.temperature"]
    assert asked(file, "attic/*") == Range([], 0)


@pytest.mark.parametrize(
    ("start_s", "end_s", "found"),
    [(2, 4, [2, 3]), (2, 2, []), (0, 1, []), (6, 9, []), (1, 2, [1]), (5, 99, [5]), (4.5, 5, [])],
)
def test_ranges_are_half_open(file: Path, start_s: float, end_s: float, found: list[float]) -> None:
    """The start is within, the end is not; a range cuts through batches."""
    commit(file, "greenhouse", batch(1, read(1), read(2)), batch(2, read(3), read(4), read(5)))
    start_ns, end_ns = (BOOTED_NS + round(at_s * SECOND_NS) for at_s in (start_s, end_s))
    answer = values(asked(file, "*", start_ns, end_ns))
    assert [at_s for each in answer.values() for at_s, _ in each] == found


def test_nothing_of_many_rows_is_left_out(file: Path) -> None:
    """Thousands of readings over rows of several batches, held against what went in."""
    noise = random.Random(7)
    given = [noise.random() for _ in range(12_000)]
    for group in range(6):
        commit(
            file, "greenhouse",
            *[
                arrived(sealed_batch(
                    seq, given[(seq - 1) * 400 : seq * 400], first_ns=(seq - 1) * 400 * SECOND_NS
                ))
                for seq in range(group * 5 + 1, group * 5 + 6)
            ],
        )  # fmt: skip
    assert len(rows(file, "SELECT 1 FROM batch")) > 1
    ((_, found),) = values(asked(file)).items()
    assert found == [(at_s, value) for at_s, value in enumerate(given)]


def test_late_readings_come_in_order_of_time(file: Path) -> None:
    """Across batches, rows and epochs; equal times keep the order of their rows."""
    commit(file, "greenhouse", batch(1, read(50, 50.0), read(10, 10.0)))
    commit(file, "greenhouse", batch(2, read(30, 30.0)), batch(3, read(20, 20.0)))
    commit(file, "greenhouse", batch(1, read(40, 40.0), read(5, 5.0), epoch=OTHER_EPOCH))
    ((_, found),) = values(asked(file)).items()
    assert found == [(at_s, at_s) for at_s in (5, 10, 20, 30, 40, 50)]


def test_bad_readings_are_kept_as_they_are(file: Path) -> None:
    """A NaN with its quality is data: it says when the sensor failed, and why."""
    bad = read(2, math.nan, quality=Quality.READ_FAILED)
    commit(file, "greenhouse", batch(1, read(1, 20.0), bad, read(3, 21.0, quality=1)))
    (part,) = asked(file).parts
    assert part.qualities.tolist() == [0, Quality.READ_FAILED, 1]
    assert np.isnan(part.values).tolist() == [False, True, False]
    first, second, third = query.as_readings(part)
    assert first == DatedReading(
        "greenhouse/air.temperature", BOOTED_NS + SECOND_NS, 20.0, 0, "degC"
    )
    assert math.isnan(second.value)
    assert third.quality == 1


def test_batch_that_cannot_be_read_is_counted(file: Path) -> None:
    """One spoilt batch of a run costs that batch; the others are answered."""
    run = [batch(1), batch(2), batch(3)]
    commit(file, "greenhouse", *run)
    commit(file, "greenhouse", batch(4))
    spoilt = bytearray(run[1].sealed)
    spoilt[-10] ^= 1
    sealed = run[0].sealed + bytes(spoilt) + run[2].sealed
    change(file, "UPDATE batch SET sealed = ? WHERE id = 1", sealed)
    answer = asked(file)
    assert answer.undecodable == 1
    assert [value for _, value in values(answer)["greenhouse/air.temperature"]] == [1, 3, 4]


@pytest.mark.parametrize("sealed", [b"", b"bad", bytes(500), batch(1).sealed + b"rest"])
def test_row_that_cannot_be_split_spoils_no_other(file: Path, sealed: bytes) -> None:
    """Whatever stands in a row, the next one is read."""
    commit(file, "greenhouse", batch(1))
    commit(file, "greenhouse", batch(2))
    change(file, "UPDATE batch SET sealed = ? WHERE id = 1", sealed)
    answer = asked(file)
    assert answer.undecodable == (1 if sealed else 0)
    assert values(answer)["greenhouse/air.temperature"][-1] == (2, 2)
    with open_reader(file) as reader:
        assert all(query.readings_of(row, "*") or row.id == 1 for row in reader.after(0))
    describe(file, "greenhouse", "air.temperature")
    assert last(file) == {"greenhouse/air.temperature": 2}


def test_each_batch_is_dated_by_its_own_clock_pair(file: Path) -> None:
    """Boot times of two boots, and of a clock that was set, become UTC."""
    hour_ns = 3600 * SECOND_NS
    set_later = ClockPair(CLOCK.boot_ns, CLOCK.wall_ns + hour_ns, synchronised=True)
    commit(file, "greenhouse", batch(1, read(1, 1.0)), batch(2, read(2, 2.0), clock=set_later))
    ((_, found),) = values(asked(file)).items()
    assert found == [(1, 1.0), (3602, 2.0)]
    only = asked(file, "*", BOOTED_NS + hour_ns, END_OF_TIME_NS)
    assert [part.values.tolist() for part in only.parts] == [[2.0]]


@pytest.mark.parametrize(
    ("boot_ns", "wall_ns", "first_ns"),
    [(-(2**63), 2**63 - 2, -(2**63)), (2**63 - 1, 1 - 2**63, 2**63 - 1), (0, 2**62, 2**62 - 9)],
)
def test_odd_clock_pair_breaks_no_question(
    file: Path, boot_ns: int, wall_ns: int, first_ns: int
) -> None:
    """A device may send any two clocks whose sum is a time: the offset alone need not be one."""
    body = OpenBody()
    body.add("air", first_ns, [Point("temperature", "degC", 1.0, 0)])
    for device, synchronised in (("odd", True), ("unset", False)):
        clock = ClockPair(boot_ns, wall_ns, synchronised)
        commit(file, device, arrived(seal(body, Place(EPOCH, 1, 0), BOOT, clock)))
    commit(file, "greenhouse", batch(1))
    answer = asked(file)
    assert answer.undecodable == 0
    times_ns = {part.series: part.times_ns.tolist() for part in answer.parts}
    assert times_ns["odd/air.temperature"] == [first_ns + wall_ns - boot_ns]
    assert "greenhouse/air.temperature" in times_ns
    assert "unset/air.temperature" in times_ns


def test_series_whose_unit_changed_comes_as_two(file: Path) -> None:
    """Values of different units never stand in one column."""
    commit(file, "greenhouse", batch(1, read(1, 20.0)), batch(2, read(2, 68.0, unit="degF")))
    commit(file, "greenhouse", batch(3, read(3, 21.0)))
    found = [(part.series, part.unit, part.values.tolist()) for part in asked(file).parts]
    assert found == [
        ("greenhouse/air.temperature", "degC", [20.0, 21.0]),
        ("greenhouse/air.temperature", "degF", [68.0]),
    ]


def test_latest_is_the_newest_by_time(file: Path) -> None:
    """Not the last that came, whatever row and epoch it stands in."""
    describe(file, "greenhouse", "air.temperature", "air.humidity", "air.silent")
    humidity = read(100, 50.0, channel="humidity", unit="%")
    commit(file, "greenhouse", batch(1, read(10, 10.0), humidity))
    commit(file, "greenhouse", batch(1, read(60, 60.0), read(50, 50.0), epoch=OTHER_EPOCH))
    assert last(file) == {"greenhouse/air.temperature": 60.0, "greenhouse/air.humidity": 50.0}
    assert last(file, "*.humidity") == {"greenhouse/air.humidity": 50.0}


def test_latest_agrees_with_all_readings(file: Path) -> None:
    """Held against the whole of the store, over shuffled batches of several epochs and devices."""
    shuffled = random.Random(3)
    for device in ("greenhouse", "cellar"):
        describe(file, device, "air.temperature", "soil.temperature")
        for epoch in (EPOCH, OTHER_EPOCH):
            for seq in range(1, 20):
                sensors = shuffled.choice([("air",), ("soil",), ("air", "soil")])
                reads = [
                    read(shuffled.random() * 100, shuffled.random(), sensor=s) for s in sensors
                ]
                commit(file, device, batch(seq, *reads, epoch=epoch))
    wanted = {part.series: part.values.tolist()[-1] for part in asked(file).parts}
    assert last(file) == wanted
    assert len(wanted) == 4


def test_latest_stops_when_every_series_is_found(file: Path) -> None:
    """A store of years is not read for the last minute."""
    describe(file, "greenhouse", "air.temperature")
    commit(file, "greenhouse", batch(1))
    commit(file, "greenhouse", batch(2))
    change(file, "UPDATE batch SET sealed = 'not even bytes' WHERE id = 1")
    assert last(file) == {"greenhouse/air.temperature": 2.0}


def test_readings_of_a_row_come_in_order_of_time(file: Path) -> None:
    """What `tail` shows of one commit, of the series that match."""
    commit(
        file, "greenhouse",
        batch(1, read(3, 3.0), read(1, 1.0), read(2, 9.0, sensor="soil")),
        batch(2, read(2, 2.0)),
    )  # fmt: skip
    with open_reader(file) as reader:
        (row,) = reader.after(0)
    assert [reading.value for reading in query.readings_of(row, "*/air.*")] == [1.0, 2.0, 3.0]
    assert len(query.readings_of(row, "*")) == 4


UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
FORMER_BOOT, PRESENT_BOOT = bytes([1]) * 16, bytes([2]) * 16


def of_boot(boot: bytes, epoch: bytes, seq: int, *at_s: float) -> Arrived:
    """A batch of a boot whose clock is not set: a reading at each time, in seconds since that boot."""
    body = OpenBody()
    for each in at_s:
        body.add("air", round(each * SECOND_NS), [Point("temperature", "degC", each, 0)])
    return arrived(seal(body, Place(epoch, seq, 0), boot, UNSET))


def undated(file: Path) -> None:
    """A boot of unknown time, between readings before it and the present boot, which is dated."""
    commit(file, "greenhouse", batch(1))
    with transaction(file, at_ns(200)) as group:
        present = held(THIRD_EPOCH, clock=Moment(PRESENT_BOOT, 0, at_ns(100), True))
        former = held(OTHER_EPOCH, clock=Moment(FORMER_BOOT, 0, 7))
        group.hold("greenhouse", holding(present, former))
        group.store("greenhouse", [of_boot(PRESENT_BOOT, THIRD_EPOCH, 1, 50)])
        group.store("greenhouse", [of_boot(FORMER_BOOT, OTHER_EPOCH, 1, 9, 7, 8)])
        group.store("greenhouse", [of_boot(FORMER_BOOT, OTHER_EPOCH, 2, 6, 10)])


def test_readings_of_unknown_time_stay_in_their_order(file: Path) -> None:
    """Between those before and behind them, with their bounds in the place of a time."""
    undated(file)
    (part,) = asked(file).parts
    found = list(query.as_readings(part))
    assert [(each.value, each.time_ns) for each in found] == [
        (1, at_ns(1)), (6, None), (7, None), (8, None), (9, None), (10, None), (50, at_ns(150)),
    ]  # fmt: skip
    for each in found[1:-1]:
        assert each.dating == Dating(Known.UNKNOWN, None, None, at_ns(1), at_ns(100))


@pytest.mark.parametrize(
    ("start_s", "end_s", "is_found"),
    [(0, 1, False), (0.5, 1.5, True), (50, 51, True), (100, 101, True), (100.5, 200, False)],
)
def test_unknown_time_is_found_where_it_may_lie(
    file: Path, start_s: float, end_s: float, is_found: bool
) -> None:
    """A range that its bounds touch may hold it, and so it is told."""
    undated(file)
    answer = asked(file, "*", at_ns(start_s), at_ns(end_s))
    found = [each for part in answer.parts for each in query.as_readings(part)]
    assert [each.value for each in found if each.time_ns is None] == [6, 7, 8, 9, 10][
        : 5 * is_found
    ]


def test_latest_of_readings_of_unknown_time(file: Path) -> None:
    """The last of its boot, whatever row it stands in; one that surely came later goes before."""
    with transaction(file, at_ns(200)) as group:
        group.describe("greenhouse", described("air.temperature"))
        group.store("greenhouse", [of_boot(FORMER_BOOT, OTHER_EPOCH, 1, 10)])
    with transaction(file, at_ns(200)) as group:
        group.store("greenhouse", [of_boot(FORMER_BOOT, OTHER_EPOCH, 2, 9)])
    assert last(file) == {"greenhouse/air.temperature": 10}
    with transaction(file, at_ns(300)) as group:
        group.store("greenhouse", [batch(1, read(250, 250.0))])
    assert last(file) == {"greenhouse/air.temperature": 250}


def test_row_of_unknown_time_comes_in_its_order(file: Path) -> None:
    """What `tail` shows of it."""
    undated(file)
    with open_reader(file) as reader:
        *_, row = reader.after(0)
    assert [each.value for each in query.readings_of(row, "*")] == [6, 7, 8, 9, 10]


def test_row_whose_time_was_damaged_is_not_read(file: Path) -> None:
    """No flipped bit becomes a time: of what dates a row, and of how it is dated."""
    undated(file)
    commit(file, "cellar", batch(1))
    for damage in (
        "offset_ns = offset_ns + 256 WHERE dated = 1",
        "dated = 0 WHERE dated = 3",
        "dated = 8 WHERE device = 2",
    ):
        change(file, f"UPDATE batch SET {damage}")
    answer = asked(file)
    assert answer.undecodable == 4
    assert [part.values.tolist() for part in answer.parts] == [[1.0]]


def test_streamed_is_the_same_in_pieces(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Series by series in order of time, each reading once; also those of unknown time."""
    for device in ("a", "a-b"):
        before = 0
        for seq in range(1, 5):
            reads = [read(seq * 100 + second, float(second), channel=name)
                     for second in range(20) for name in ("x", "y")]  # fmt: skip
            commit(file, device, batch(seq, *reads, before=before))
            before += len(reads)
            seal_store(file)
    body = OpenBody()
    body.add("air", SECOND_NS, [Point("x", "degC", 7.0, 0)])
    other_boot = bytes(range(50, 66))
    undated = ClockPair(1, 1, synchronised=False)
    commit(file, "a", arrived(seal(body, Place(OTHER_EPOCH, 1, 0), other_boot, undated)))
    for pattern in ("*", "a/*", "*x", "a/air.y"):
        for most in (1, 30, 10**6):
            monkeypatch.setattr(query, "WINDOW_READINGS", most)
            with open_reader(file) as reader:
                whole = reader.range(pattern, at_ns(105), END_OF_TIME_NS)
                pieces = list(query.streamed(reader, pattern, at_ns(105), END_OF_TIME_NS))
            found = [
                each for piece in pieces for part in piece.parts for each in query.as_readings(part)
            ]
            wanted = [each for part in whole.parts for each in query.as_readings(part)]
            assert found == wanted
            assert pattern == "a/air.y" or any(each.time_ns is None for each in found)


def test_qualities_can_be_chosen(file: Path) -> None:
    """By their range, whatever the reason."""
    reads = [read(1, 1.0), read(2, 2.0, quality=3), read(3, math.nan, quality=200)]
    commit(file, "greenhouse", batch(1, *reads))
    (part,) = asked(file).parts
    for word, second in (("good", 1), ("suspect", 2), ("bad", 3)):
        assert query.of_grades(part, frozenset({word})).times_ns.tolist() == [at_ns(second)]
