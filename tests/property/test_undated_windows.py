"""Readings of unknown time come once in an answer that is given in windows, wherever their bounds are."""

from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector import query
from collector.store import as_readings
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.rows import NOWHERE, rows_between
from collector.web import readings
from kit.sealing import sealing_rig
from kit.stores import SECOND_NS, arrived, at_ns, batch, open_reader, read, transaction
from kit.webs import web_rig
from kit.wireworks import CLOCK
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point

UNSET = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
# Readings whose time is known, between which windows are cut.
DATED_S = range(0, 100, 10)


class Came(NamedTuple):
    """A batch of a boot whose time nobody knows: of which, when it was read (since the boot), and when it came."""

    boot: int
    boot_s: list[int]
    received_s: int


came = st.builds(
    Came,
    st.integers(1, 3),
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.integers(1, 110),
)
ranges = st.tuples(st.integers(-5, 115), st.integers(1, 120))


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of readings whose time is known, each of which is a chunk."""
    file = tmp_path_factory.mktemp("dated") / FILE_NAME
    for seq, at_s in enumerate(DATED_S, 1):
        with transaction(file, at_ns(0)) as group:
            group.store("pi", [batch(seq, read(at_s, 1000.0 + at_s))])
        with sealing_rig(file) as rig:
            rig.sealer.drain(1)
    return file


def store(file: Path, some: list[Came]) -> None:
    """Store what came, in the order in which it did; each reading has a number of its own as its value."""
    numbers, epochs = count(), count()
    for boot, boot_s, received_s in sorted(some, key=lambda each: each.received_s):
        body = OpenBody()
        for each in boot_s:
            body.add(
                "air", each * SECOND_NS, [Point("temperature", "degC", float(next(numbers)), 0)]
            )
        place = Place(next(epochs).to_bytes(16, "big"), 1, 0)
        with transaction(file, at_ns(received_s)) as group:
            group.store("pi", [arrived(seal(body, place, bytes([boot] * 16), UNSET))])


# Of one boot, and what was read later came first: a window that one may lie in the other does not touch.
OUT_OF_ORDER = [Came(1, [50], 10), Came(1, [1], 95), Came(1, [40], 30)]


@example(some=OUT_OF_ORDER, asked_s=(0, 120), most=1)
@given(some=st.lists(came, min_size=1, max_size=6), asked_s=ranges, most=st.sampled_from([1, 2, 7]))
@settings(max_examples=25, deadline=None)
def test_each_comes_once(
    tmp_path_factory: pytest.TempPathFactory,
    dated: Path,
    some: list[Came],
    asked_s: tuple[int, int],
    most: int,
) -> None:
    """The pieces are the whole, in its order."""
    file = tmp_path_factory.mktemp("undated") / FILE_NAME
    file.write_bytes(dated.read_bytes())
    store(file, some)
    start_ns, end_ns = at_ns(asked_s[0]), at_ns(sum(asked_s))
    with open_reader(file) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "WINDOW_READINGS", most)
        pieces = list(query.streamed(reader, "*", start_ns, end_ns))
        whole = reader.range("*", start_ns, end_ns)
    found = [each for piece in pieces for part in piece.parts for each in as_readings(part)]
    assert found == [each for part in whole.parts for each in query.as_readings(part)]


def test_rows_that_came_in_turn_are_read_once(tmp_path: Path) -> None:
    """However many windows there are: each in the one where its readings come; and not at all, if unwanted."""
    file = tmp_path / FILE_NAME
    store(file, [Came(boot, [at_s], at_s + boot) for boot in (1, 2) for at_s in range(5, 95, 10)])
    whole = at_ns(0), at_ns(100)
    edges = [at_ns(at_s) for at_s in range(0, 101, 20)]
    with closing(open_for_reading(file)) as database:
        found = [
            [row.id for row in rows_between(database, 1, window, whole)]
            for window in pairwise(edges)
        ]
        in_one = [row.id for row in rows_between(database, 1, whole, whole)]
        in_none = list(rows_between(database, 1, whole, NOWHERE))
    assert sum(map(len, found)) == len(in_one) == 18
    assert {each for its in found for each in its} == set(in_one)
    assert in_none == []


def test_each_comes_once_over_http(
    tmp_path: Path, dated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its windows are others, and hold a reading at a time."""
    for name, value in (("WINDOW_READINGS", 1), ("LEAST_NS", SECOND_NS), ("FURTHER", 1)):
        monkeypatch.setattr(readings, name, value)
    file = tmp_path / FILE_NAME
    file.write_bytes(dated.read_bytes())
    store(file, OUT_OF_ORDER)
    with web_rig(tmp_path) as rig:
        question = f"/api/v1/readings?time=ns&start=0&end={at_ns(120) // SECOND_NS}"
        pieces = rig.client.get(question).json["readings"]
    values = [value for piece in pieces for value in piece["values"]]
    assert len(pieces) > len(DATED_S)
    assert sorted(values) == sorted([*range(len(OUT_OF_ORDER)), *(1000 + at for at in DATED_S)])
