"""Sealing never changes an answer, whatever is stored, dated anew, sealed, merged and damaged in what order.

Sealed times stay; which of several readings of one moment comes first is nobody's to say.
"""

import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from collector.clock import Known, Pair, Source
from collector.measuring import Measured
from collector.store import HOUR_NS, MINUTE_NS, Buckets, Key, Part, Reader
from collector.store.database import FILE_NAME
from kit.columns import bits
from kit.sealing import SealingRig
from kit.stores import OTHER_EPOCH, SECOND_NS, THIRD_EPOCH, arrived, at_ns, change, described, rows
from kit.wireworks import BOOT, CLOCK, EPOCH, damaged
from wire import batches
from wire.batches import ClockPair, Place
from wire.blocks import OpenBody, Point
from wire.bodies import Moment

ALL = (-(2**63) + 1, 2**63 - 1)
DEVICES = ("greenhouse", "cellar")
SERIES = ("air.temperature", "air.humidity", "soil.moisture")
UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
# Two boots of which nobody knows the time until it is measured.
UNDATED = {OTHER_EPOCH: bytes([1] * 16), THIRD_EPOCH: bytes([2] * 16)}
EPOCHS = (EPOCH, *UNDATED)
# All that waits is to be sealed by then.
_LATER_S = 2 * 86_400
# Later than whatever was received: else the collector would not trust its own clock.
MEASURED_NS = 4_000_000_000 * SECOND_NS

values = st.one_of(
    st.integers(-400, 400).map(lambda tenths: tenths / 10),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, 5e-324, 0.1 + 0.2, 1e15 + 0.5]),
    st.floats(-1e100, 1e100),
    st.just(math.nan),
)
points = st.builds(
    lambda channel, unit, value, quality: Point(
        channel, unit, value, 128 + quality if math.isnan(value) else quality
    ),
    st.sampled_from(["temperature", "humidity"]),
    st.sampled_from(["degC", "degC", "degF"]),
    values,
    st.sampled_from([0, 0, 0, 1, 64]),
)
moments_ns = st.one_of(
    st.integers(1, 120).map(lambda minute: minute * 60 * SECOND_NS),
    st.integers(1, 30).map(lambda second: second * SECOND_NS),
    st.integers(1, 2 * HOUR_NS),
)
reads = st.lists(
    st.tuples(
        st.sampled_from(["air", "air", "soil"]),
        moments_ns,
        st.lists(points, min_size=1, max_size=2, unique_by=lambda point: point.channel),
    ),
    min_size=1,
    max_size=6,
)
epochs = st.sampled_from(EPOCHS)
devices = st.sampled_from(DEVICES)
# The clock of a device whose kernel called it right may be set all the same.
clocks = st.sampled_from([CLOCK, CLOCK, ClockPair(10**9, CLOCK.wall_ns + 5 * SECOND_NS, True)])


class Reading(NamedTuple):
    """What the store says of a reading, with its value to the bit."""

    time_ns: int
    value: int
    quality: int
    known: Known
    error_ns: int | None


def canonical(part: Part) -> list[Reading]:
    """The readings of a part, those of one moment in an order of their own."""
    assert np.all(np.diff(part.times_ns) >= 0), "not in order of time"
    return sorted(
        Reading(time_ns, value, quality, dating.known, dating.error_ns or 0)
        for time_ns, value, quality, dating in zip(
            part.times_ns.tolist(),
            bits(part.values),
            part.qualities.tolist(),
            part.datings.tolist(),
            strict=True,
        )
    )


class Answers(NamedTuple):
    """All that a store answers, as far as it is not free in it."""

    readings: dict[Key, list[Reading]]
    latest_ns: dict[str, int | None]


def asked(reader: Reader) -> Answers:
    """Ask a store for all it has, and hold its other answers against that."""
    found = {Key(*part[:2]): canonical(part) for part in reader.range("*", *ALL).parts}
    for width_ns in (MINUTE_NS, HOUR_NS):
        rollups = reader.rollups("*", 0, 2**62, width_ns)
        for key, readings in found.items():
            dated = [each for each in readings if each.known is not Known.UNKNOWN]
            if dated:
                check_buckets(rollups[key], dated, width_ns)
            else:
                assert key not in rollups
    latest = reader.latest().readings
    for series, last in latest.items():
        its = [each for key, some in found.items() if key.series == series for each in some]
        if all(each.known is not Known.UNKNOWN for each in its):
            newest_ns = max(each.time_ns for each in its)
            assert last.time_ns == newest_ns
            value = int(np.float64(last.value).view(np.int64))
            assert (value, last.quality) in {each[1:3] for each in its if each.time_ns == newest_ns}
    return Answers(found, {series: last.time_ns for series, last in latest.items()})


def check_buckets(found: Buckets, readings: list[Reading], width_ns: int) -> None:
    """Hold buckets against the readings themselves."""
    by_start: dict[int, list[Reading]] = {}
    for each in readings:
        by_start.setdefault(each.time_ns // width_ns * width_ns, []).append(each)
    assert found.starts_ns.tolist() == sorted(by_start)
    for place, (_, its) in enumerate(sorted(by_start.items())):
        bucket = Buckets._make(column[place] for column in found)
        pairs = [(each.time_ns, float(np.int64(each.value).view(np.float64))) for each in its]
        some = [(time_ns, value) for time_ns, value in pairs if not math.isnan(value)]
        assert (bucket.counts, bucket.bads) == (len(some), len(its) - len(some))
        if not some:
            continue
        first_ns, last_ns = some[0][0], some[-1][0]
        assert (bucket.first_ns, bucket.last_ns) == (first_ns, last_ns)
        assert bucket.firsts in [value for time_ns, value in some if time_ns == first_ns]
        assert bucket.lasts in [value for time_ns, value in some if time_ns == last_ns]
        assert bucket.minima == min(value for _, value in some)
        assert bucket.maxima == max(value for _, value in some)
        scale = max(abs(value) for _, value in some)
        total = sum(value for _, value in some)
        near = pytest.approx(total, rel=1e-12, abs=scale * 1e-12, nan_ok=True)
        assert float(bucket.totals) == near


class SealingMachine(RuleBasedStateMachine):
    """Commits, clock pairs, damage, and the steps of a sealer in between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / FILE_NAME
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("collector.store.unsealed.MAX_ROWS", 3)
        self.patch.setattr("collector.store.sealer.MAX_ROWS", 2)
        self.patch.setattr("collector.store.sealer._MOST_ROWS", 4)
        self.patch.setattr("collector.store.merging.ENOUGH", 3)
        self.seqs: Counter[tuple[str, bytes]] = Counter()
        self.stored: dict[tuple[str, bytes, int], list[tuple[Key, int, int]]] = {}
        self.damaged = 0
        self.row_id = 0
        self._open()
        for device in DEVICES:
            self.rig.do(lambda group, device=device: group.describe(device, described(*SERIES)))

    def teardown(self) -> None:
        """Leave nothing behind."""
        self._close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    @rule(device=devices, epoch=epochs, some=st.lists(reads, min_size=1, max_size=3), clock=clocks)
    def commit(self, device: str, epoch: bytes, some: list[Any], clock: ClockPair) -> None:
        """Batches come; their row is a new one, behind all that ever were."""
        before = self.reader.last_row_id()
        self._store(device, epoch, some, clock)
        assert [row.id > before for row in self.reader.after(before)], "a new row"
        assert self.reader.last_row_id() > before

    @rule(device=devices, epoch=st.sampled_from(list(UNDATED)), off_ms=st.integers(-5000, 5000),
          error_ms=st.integers(0, 5000), steps=st.integers(0, 3))  # fmt: skip
    def measure(self, device: str, epoch: bytes, off_ms: int, error_ms: int, steps: int) -> None:
        """The clock of a boot is measured, and maybe what it says is taken up."""
        self._measure(device, epoch, off_ms, error_ms, steps)

    @rule(steps=st.integers(1, 4))
    def seal(self, steps: int) -> None:
        """The sealer does the next it has to do: nothing is different afterwards."""
        self._unchanged(lambda: [self.rig.step(_LATER_S) for _ in range(steps)])

    @rule()
    def seal_all(self) -> None:
        """Everything that can be is sealed and merged."""
        self._unchanged(lambda: list(self.rig.sealer.finish()))
        assert rows(self.file, "SELECT count(*) FROM batch WHERE dated <> 3") == [(0,)]

    @rule(device=devices, epoch=st.sampled_from(list(UNDATED)), off_ms=st.integers(-5000, 5000),
          error_ms=st.integers(0, 5000))  # fmt: skip
    def seal_what_is_dated_anew(
        self, device: str, epoch: bytes, off_ms: int, error_ms: int
    ) -> None:
        """While a seal is being prepared, a pair dates what it is about."""
        self.rig.between.append(lambda: self._measure(device, epoch, off_ms, error_ms, 3))
        self.rig.step(_LATER_S)
        self.rig.between.clear()

    @rule(device=devices, epoch=epochs, some=st.lists(reads, min_size=1, max_size=2), clock=clocks)
    def seal_while_more_comes(
        self, device: str, epoch: bytes, some: list[Any], clock: ClockPair
    ) -> None:
        """While a seal is being prepared, more is stored."""
        self.rig.between.append(lambda: self._store(device, epoch, some, clock))
        self.rig.step(_LATER_S)
        self.rig.between.clear()

    @rule(which=st.integers(0, 9))
    def damage(self, which: int) -> None:
        """A batch of a row can no longer be read; all else of the row can."""
        found = rows(
            self.file,
            "SELECT batch.id, sealed, epoch.epoch, name FROM batch JOIN epoch"
            " ON epoch.id = batch.epoch JOIN device ON device.id = batch.device ORDER BY batch.id",
        )
        if not found:
            return
        row_id, sealed, epoch, device = found[which % len(found)]
        first, *others = batches.split(sealed)
        key = (device, epoch, batches.place_of(first).seq)
        if key in self.stored:
            del self.stored[key]
            self.damaged += 1
            change(self.file, "UPDATE batch SET sealed = ? WHERE id = ?",
                   damaged(first) + b"".join(others), row_id)  # fmt: skip

    @rule()
    def restart(self) -> None:
        """A new start changes nothing, and gives no number of a row again."""

        def again() -> None:
            row_id = self.reader.last_row_id()
            self._close()
            self._open()
            assert self.reader.last_row_id() == row_id

        self._unchanged(again)

    @rule(first=moments_ns, length=moments_ns, pattern=st.sampled_from(["*", "cellar/*", "*/air.*",
          "greenhouse/air.temperature"]))  # fmt: skip
    def ask(self, first: int, length: int, pattern: str) -> None:
        """A part of the time and of the series is a part of the answer."""
        start_ns, end_ns = at_ns(0) + first, at_ns(0) + first + length
        wanted = {
            key: [each for each in its if start_ns <= each.time_ns < end_ns]
            for key, its in asked(self.reader).readings.items()
            if fnmatchcase(key.series, pattern)
        }
        found = {
            Key(*part[:2]): canonical(part)
            for part in self.reader.range(pattern, start_ns, end_ns).parts
        }
        for key in wanted.keys() | found.keys():
            both = (_dated(each.get(key, [])) for each in (found, wanted))
            assert len({tuple(each) for each in both}) == 1

    @invariant()
    def everything_is_there_once(self) -> None:
        """Each reading, to the bit; of those whose clock was right, the time too."""
        answers = asked(self.reader)
        assert Counter(
            (key, each.value, each.quality) for key, its in answers.readings.items() for each in its
        ) == Counter(each for its in self.stored.values() for each in its)
        (kept,) = rows(self.file, "SELECT count(*) FROM undecodable")[0]
        (gaps,) = rows(self.file, "SELECT count(*) FROM gap WHERE reason = 'undecodable'")[0]
        assert kept == gaps
        assert self.reader.range("*", *ALL).undecodable + kept == self.damaged
        (waiting,) = rows(self.file, "SELECT ifnull(sum(readings), 0) FROM batch WHERE dated <> 3")[
            0
        ]
        assert self.rig.group.unsealed.readings() == waiting

    def _unchanged(self, act: Callable[[], object]) -> None:
        before = asked(self.reader)
        act()
        assert asked(self.reader) == before

    def _store(self, device: str, epoch: bytes, some: list[Any], clock: ClockPair) -> None:
        boot = UNDATED.get(epoch, BOOT)
        run = []
        for its in some:
            seq = self.seqs[device, epoch] = self.seqs[device, epoch] + 1
            body = OpenBody()
            held = self.stored[device, epoch, seq] = []
            for sensor, time_ns, channels in its:
                body.add(sensor, time_ns, channels)
                held += [
                    (
                        Key(f"{device}/{sensor}.{point.channel}", point.unit),
                        int(np.float64(point.value).view(np.int64)),
                        point.quality,
                    )
                    for point in channels
                ]
            place = Place(epoch, seq, 0)
            run.append(
                arrived(batches.seal(body, place, boot, UNSET if epoch in UNDATED else clock))
            )
        assert self.rig.do(lambda group: group.store(device, run)).hole is None

    def _measure(self, device: str, epoch: bytes, off_ms: int, error_ms: int, steps: int) -> None:
        pair = Pair(SECOND_NS, MEASURED_NS + off_ms * 10**6, Source.MEASURED, error_ms * 10**6)
        told = Measured(Moment(UNDATED[epoch], pair.boot_ns, 7), pair)
        self.rig.do(lambda group: group.measured(device, told))
        for _ in range(steps):
            self.rig.do(lambda group: group.date_anew())

    def _open(self) -> None:
        self.rig = SealingRig(self.file)
        self.reader = Reader(self.file)

    def _close(self) -> None:
        self.reader.close()
        self.rig.close()


def _dated(readings: list[Reading]) -> list[Reading]:
    return [each for each in readings if each.known is not Known.UNKNOWN]


TestSealing = SealingMachine.TestCase
TestSealing.__doc__ = "The same readings, rollups and latest values before, while and after."
TestSealing.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


class TestSealingAtLength(SealingMachine.TestCase):  # type: ignore[misc,name-defined]
    """The same, for longer."""

    pytestmark = pytest.mark.full
    settings = settings(max_examples=500, stateful_step_count=60, deadline=None)
