"""Histories: readings of several series in a store, some sealed and some not, and what must be found of them."""

from collections.abc import Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from collector.store import HOUR_NS, MINUTE_NS, Key, seal_store
from collector.store.history import starts_of
from collector.store.housekeeper import _alone
from collector.store.retention import Keep, Retention
from collector.store.rollups import Buckets, summarised
from kit.stores import at_ns, batch, commit, described, open_reader, read, transaction
from kit.wireworks import CLOCK
from wire.batches import ClockPair

DEVICES = ("greenhouse", "cellar")
SENSORS = ("air", "soil")
# Some hours, so that a span may hold whole ones, and touch others.
UNTIL_S = 4 * 3600
_READS_A_BATCH = 500
ALL = (-(2**63), 2**63 - 1)


class One(NamedTuple):
    """A reading: whose it is, when it was read (s after boot), and its value."""

    device: str
    sensor: str
    at_s: float
    value: float

    @property
    def series(self) -> str:
        """The name of its series."""
        return f"{self.device}/{self.sensor}.temperature"

    @property
    def time_ns(self) -> int:
        """When it was read, UTC."""
        return at_ns(self.at_s)


class Step(NamedTuple):
    """Readings that are committed, and whether all is sealed behind them."""

    readings: list[One]
    is_sealed: bool


# Near each other, and near the edges of minutes and hours: that is where it is decided what a span holds.
moments_s = st.one_of(
    st.integers(1, 2 * UNTIL_S).map(lambda half: half / 2),
    st.integers(0, UNTIL_S // 60).map(lambda minute: minute * 60.0),
    st.integers(1, 240).map(float),
)
_ones = st.builds(
    One,
    st.sampled_from(DEVICES),
    st.sampled_from(SENSORS),
    moments_s,
    st.one_of(st.integers(-500, 500).map(lambda tenths: tenths / 10), st.just(float("nan"))),
)
histories = st.lists(
    _ones, min_size=1, max_size=60, unique_by=lambda one: (one.device, one.sensor, one.at_s)
).flatmap(
    lambda ones: st.lists(st.booleans(), min_size=1, max_size=5).map(
        lambda seals: [
            Step(ones[number :: len(seals)], is_sealed) for number, is_sealed in enumerate(seals)
        ]
    )
)


def stored(path: Path, history: Sequence[Step], *, clock: ClockPair = CLOCK) -> list[One]:
    """Store a history; return all its readings."""
    seqs = dict.fromkeys(DEVICES, 0)
    with transaction(path) as group:
        for device in DEVICES:
            group.describe(device, described(*(f"{sensor}.temperature" for sensor in SENSORS)))
    for step in history:
        for device in DEVICES:
            its = sorted((one for one in step.readings if one.device == device), key=_time)
            if its:
                reads = [
                    read(
                        one.at_s,
                        one.value,
                        sensor=one.sensor,
                        quality=128 if one.value != one.value else 0,
                    )
                    for one in its
                ]
                epoch = bytes([DEVICES.index(device)] * 16)
                for first in range(0, len(reads), _READS_A_BATCH):
                    seqs[device] += 1
                    some = reads[first : first + _READS_A_BATCH]
                    made = batch(seqs[device], *some, epoch=epoch, before=0, clock=clock)
                    commit(path, device, made)
        if step.is_sealed:
            seal_store(path)
    return [one for step in history for one in step.readings]


def retained(path: Path, *rules: Keep, now_ns: int) -> None:
    """Apply retention to a store that nobody uses, once and whole."""
    with _alone(path) as (_, commit), closing(Retention(path, commit)) as retention:
        retention.apply(rules)
        while retention.step(now_ns):
            pass


def regular(count: int, step_s: float = 1.0, first_s: float = 1.0) -> list[One]:
    """So many readings of one series, one after the other."""
    return [
        One("greenhouse", "air", first_s + number * step_s, number % 100 / 10)
        for number in range(count)
    ]


def matching(ones: Sequence[One], pattern: str, start_ns: int, end_ns: int) -> list[One]:
    """The readings that a selection holds."""
    return [
        one for one in ones if fnmatchcase(one.series, pattern) and start_ns <= one.time_ns < end_ns
    ]


def assert_holds(path: Path, ones: Sequence[One]) -> None:
    """A store answers with exactly these readings, and with their minutes and hours."""
    wanted = _by_series(ones)
    with open_reader(path) as reader:
        found = reader.range("*", *ALL)
        assert found.undecodable == 0
        assert {part.series for part in found.parts} == set(wanted)
        for part in found.parts:
            times_ns, values = wanted[part.series]
            assert part.times_ns.tolist() == times_ns.tolist()
            np.testing.assert_array_equal(part.values, values)
            np.testing.assert_array_equal(part.qualities >= 128, np.isnan(values))
        for width_ns in (MINUTE_NS, HOUR_NS):
            rollups = reader.rollups("*", -(2**62), 2**62, width_ns)
            assert {key for key, its in rollups.items() if len(its.starts_ns)} == {
                Key(series, "degC") for series in wanted
            }
            for series, (times_ns, values) in wanted.items():
                expected = summarised(starts_of(times_ns, width_ns), times_ns, values)
                _assert_same(rollups[Key(series, "degC")], expected)


def _assert_same(found: Buckets, expected: Buckets) -> None:
    for name, one, other in zip(Buckets._fields, found, expected, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


def _by_series(ones: Sequence[One]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {}
    for series in {one.series for one in ones}:
        its = sorted((one for one in ones if one.series == series), key=_time)
        times_ns = np.array([one.time_ns for one in its], np.int64)
        found[series] = times_ns, np.array([one.value for one in its])
    return found


def _time(one: One) -> float:
    return one.at_s
