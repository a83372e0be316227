"""collector.store.sealing: series that are sealed together come out as each by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clock import Known
from collector.store import chunks, rollups, sealing
from collector.store.chunks import Columns, Run
from collector.store.gathering import Named
from kit.columns import DAY_NS, SECOND_NS, Floats, bits

ODD = [np.nan, -0.0, np.inf, 1 / 3, 2.0**60, 1e300]


@st.composite
def several(draw: st.DrawFn) -> list[Floats]:
    """Of one length: decimals of any size, some with what is none among them."""
    count = draw(st.integers(1, 400))
    made = []
    for seed in draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=6)):
        chance = np.random.default_rng(seed)
        exponent, size = chance.integers(0, 5), 10 ** chance.integers(0, 16)
        values = chance.integers(-size, size, count) / 10.0**exponent
        if chance.random() < 0.4:
            values[chance.integers(0, count, 1 + count // 9)] = chance.choice(ODD)
        made.append(values)
    return made


def columns_of(values: Floats, step_s: int) -> Columns:
    """Readings at equal steps, all good."""
    times_ns = DAY_NS + np.arange(len(values)) * (step_s * SECOND_NS)
    qualities = np.zeros(len(values), np.uint8)
    return Columns(times_ns, values, qualities, (Run(len(values), Known.SYNCED, 0),))


@given(several(), st.sampled_from([1, 7, 60, 90, 10**6]))
def test_together_is_as_each_by_itself(values: list[Floats], step_s: int) -> None:
    """Chunks come back to the bit, minutes are those of one series, whatever else is there."""
    series = {
        Named("probe", f"c{place}", "V"): columns_of(its, step_s)
        for place, its in enumerate(values)
    }
    alike = sealing._alike(series)
    shared, made = sealing._chunks_of(alike)
    rows = [row for its in alike for row in sealing._rollups_of(its)]
    assert (len(alike), shared) == (1, [])
    for chunk, row, (name, columns) in zip(made, rows, series.items(), strict=True):
        assert chunk.series == row.series == name
        found = chunks.decode(chunk.data, chunk.readings)
        assert bits(found.values) == bits(columns.values)
        assert bits(found.times_ns) == bits(columns.times_ns)
        alone = sealing.rollup_of(name, columns)
        assert row[:4] == alone[:4]
        for one, other in zip(decoded(row.minutes), decoded(alone.minutes), strict=True):
            assert bits(one) == bits(other)


@pytest.mark.parametrize("step_s", [1, 60])
def test_what_is_alike_is_summed_up_at_once(step_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decimals take the quick way; what spans too many minutes, and so has hours, does not."""
    slow: list[Named] = []
    by_itself = sealing.rollup_of

    def counted(name: Named, columns: Columns) -> sealing.Rollup:
        """Note who came the slow way."""
        slow.append(name)
        return by_itself(name, columns)

    monkeypatch.setattr(sealing, "rollup_of", counted)
    names = [Named("probe", channel, "V") for channel in "abc"]
    values = [np.arange(1000) / 10, np.arange(1000) / 3, np.full(1000, 7.25)]
    columns = [columns_of(its, step_s) for its in values]
    (alike,) = sealing._alike(dict(zip(names, columns, strict=True)))
    rows = sealing._rollups_of(alike)
    assert [row.series for row in rows] == names
    assert slow == (names if step_s == 60 else names[1:2])
    assert all((row.hours is not None) == (step_s == 60) for row in rows)


def decoded(blob: bytes | None) -> rollups.Buckets:
    """What a blob that is there holds."""
    assert blob is not None
    return rollups.decode(blob)
