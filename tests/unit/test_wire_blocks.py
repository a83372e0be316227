"""wire.blocks: columns survive the way there and back; anything else is refused."""

import contextlib
import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import blocks
from wire.blocks import Block, Column, OpenBody, Point
from wire.errors import BatchError
from wire.readings import Quality

names = st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True)
units = st.sampled_from(["", "degC", "%", "hPa", "ug/m3"])
times = st.integers(0, 2**62)
point_values = st.tuples(st.floats(allow_nan=False), st.integers(0, 255))


@st.composite
def reads(draw: st.DrawFn) -> list[tuple[str, int, list[Point]]]:
    """Reads of a few sensors, each with channels of its own."""
    sensors = draw(st.dictionaries(names, st.lists(st.tuples(names, units), min_size=1, max_size=4),
                                   min_size=1, max_size=3))  # fmt: skip
    return [
        (name, draw(times), [Point(channel, unit, *draw(point_values)) for channel, unit in heads])
        for name, heads in draw(
            st.lists(st.sampled_from(sorted(sensors.items())), min_size=1, max_size=8)
        )
    ]


def flat(found: list[Block]) -> list[tuple[str, int, str, str, float, int]]:
    """Take blocks apart with nothing but struct."""
    out = []
    for block in found:
        moments = struct.unpack(f"<{len(block.times) // 8}q", block.times)
        for column in block.columns:
            values = struct.unpack(f"<{len(moments)}d", column.values)
            qualities = column.qualities or bytes(len(moments))
            out += [
                (block.sensor, *row[:1], column.channel, column.unit, *row[1:])
                for row in zip(moments, values, qualities, strict=True)
            ]
    return sorted(out)


@given(reads())
def test_body_gives_back_every_reading(given_reads: list[tuple[str, int, list[Point]]]) -> None:
    """What is added is what comes out: every time, value bit and quality, in columns."""
    body = OpenBody()
    for sensor, time_ns, points in given_reads:
        body.add(sensor, time_ns, points)
    found = blocks.decode(body.encoded())
    expected = sorted(
        (sensor, time_ns, *point[:2], *point[2:])
        for sensor, time_ns, points in given_reads
        for point in points
    )
    assert flat(found) == expected
    assert blocks.count(found) == body.readings == len(expected)
    assert blocks.span_ns(found) == (body.first_ns, body.last_ns)
    assert len(body.encoded()) <= body.size_bytes


@given(st.binary(max_size=200))
def test_any_bytes_are_blocks_or_a_batch_error(data: bytes) -> None:
    """A peer's bytes raise nothing but BatchError."""
    with contextlib.suppress(BatchError):
        blocks.decode(data)


def column(
    values: int = 2, qualities: bytes | None = None, name: str = "t", unit: str = ""
) -> Column:
    """A column of `values` zeros."""
    return Column(name, unit, bytes(8 * values), qualities)


@pytest.mark.parametrize(
    "block",
    [
        Block("air", b"", [column(0)]),
        Block("air", bytes(15), [column()]),
        Block("air", bytes(16), []),
        Block("air", bytes(16), [column(1)]),
        Block("air", bytes(16), [column(qualities=b"\0")]),
        Block("Air", bytes(16), [column()]),
        Block("air", bytes(16), [column(name="a.b")]),
        Block("air", bytes(16), [column(unit="\x1b[31m")]),
        Block("air", bytes(16), [column(unit="x" * 17)]),
    ],
)
def test_columns_that_do_not_fit_are_refused(block: Block) -> None:
    """Lengths that differ, and names that could forge a line, never reach a reader."""
    with pytest.raises(BatchError):
        blocks.decode(msgspec.msgpack.encode([block]))


def test_all_good_costs_no_quality_column() -> None:
    """Qualities are nil where every reading of the channel is good."""
    body = OpenBody()
    body.add("air", 1, [Point("t", "", 1.0, 0), Point("h", "", math.nan, Quality.TIMED_OUT)])
    (block,) = blocks.decode(body.encoded())
    assert [column.qualities for column in block.columns] == [None, bytes([Quality.TIMED_OUT])]


def test_bad_points_have_no_value() -> None:
    """A failed read gives a NaN a channel, with the reason."""
    (point,) = blocks.bad_points([("t", "degC")], Quality.READ_FAILED)
    assert (point.channel, point.unit, point.quality) == ("t", "degC", Quality.READ_FAILED)
    assert math.isnan(point.value)


def test_deep_nesting_is_refused() -> None:
    """MessagePack nested a thousand deep ends in BatchError, not in RecursionError."""
    with pytest.raises(BatchError):
        blocks.decode(b"\x91" * 100_000)
