"""collector.store.removal: what goes on purpose goes whole, is counted, and stays away."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from collector.clock import Known
from collector.store import sealing
from collector.store.chunks import Columns, Run
from collector.store.database import FILE_NAME, open_for_reading
from collector.store.gathering import Named
from collector.store.removal import Cut, Owner, owner_of
from kit.sealing import SealingRig, content, sealed_apart, sealing_rig
from kit.stores import at_ns, batch, described, read, rows

AIR = Named("air", "temperature", "degC")
OWNER = Owner(1, 1, AIR)
COUNTED = "SELECT device, deleted, expired FROM removal"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SealingRig]:
    """A store with three chunks of two readings each, and as many rows of rollups."""
    file = tmp_path / FILE_NAME
    sealed_apart(file, "pi", *[
        batch(seq, read(100 * seq, seq), read(100 * seq + 1, seq), before=0) for seq in (1, 2, 3)
    ])  # fmt: skip
    with sealing_rig(file) as made:
        yield made


def cut(rig: SealingRig, *which: object) -> bool:
    """Cut in a transaction."""
    return rig.do(lambda group: group.removal.cut(OWNER, Cut(*which)))  # type: ignore[arg-type]


def half() -> tuple[list[sealing.Chunk], list[sealing.Rollup]]:
    """What is left of the second chunk without its first reading."""
    run = Run(1, Known.SYNCED, 0)
    left = Columns(np.array([at_ns(201)]), np.array([2.0]), np.zeros(1, np.uint8), (run,))
    return sealing.chunks_of({AIR: left})[1], [sealing.rollup_of(AIR, left)]


def test_owner_of_a_series(rig: SealingRig) -> None:
    """Its row, its device, and its name."""
    sealed_apart(rig.path, "other", batch(1, read(1, sensor="soil", unit="V")))
    database = open_for_reading(rig.path)
    try:
        assert owner_of(database, 1) == OWNER
        assert owner_of(database, 2) == Owner(2, 2, Named("soil", "temperature", "V"))
    finally:
        database.close()


def test_cut_puts_in_what_is_left(rig: SealingRig) -> None:
    """And counts what went, with all that went before."""
    assert cut(rig, [2], [2], *half(), 1)
    assert cut(rig, [1], [1], [], [], 2)
    spans = rows(rig.path, "SELECT from_ns, to_ns, readings FROM chunk ORDER BY from_ns")
    assert spans == [(at_ns(201), at_ns(201), 1), (at_ns(300), at_ns(301), 2)]
    assert rows(rig.path, "SELECT count(*) FROM rollup") == [(2,)]
    assert rows(rig.path, COUNTED) == [(1, 3, 0)]
    assert rows(rig.path, "SELECT mark, readings FROM epoch") == [(3, 6)]


@pytest.mark.parametrize("which", [([1, 9], [1]), ([1], [1, 9])])
def test_what_is_not_there_as_it_was_read(
    rig: SealingRig, which: tuple[list[int], list[int]]
) -> None:
    """It was merged meanwhile: nothing is done, whatever it was that should go."""
    before, (chunk_ids, rollup_ids) = content(rig.path), which
    assert not cut(rig, chunk_ids, rollup_ids, [], [], 2)
    if 9 in chunk_ids:
        assert not rig.do(lambda group: group.removal.expire_chunks(OWNER, chunk_ids, 2))
    else:
        assert not rig.do(lambda group: group.removal.expire_rollups(OWNER, rollup_ids, []))
    assert content(rig.path) == before


def test_what_is_kept_no_longer_is_counted_apart(rig: SealingRig) -> None:
    """Readings only: of summaries none is missing."""
    assert rig.do(lambda group: group.removal.expire_chunks(OWNER, [1, 3], 4))
    assert cut(rig, [2], [], [], [], 2)
    assert rig.do(lambda group: group.removal.expire_rollups(OWNER, [1, 2], []))
    assert rows(rig.path, "SELECT * FROM chunk") == []
    assert rows(rig.path, "SELECT id FROM rollup") == [(3,)]
    assert rows(rig.path, COUNTED) == [(1, 2, 4)]


def test_rollups_leave_what_still_is(rig: SealingRig) -> None:
    """Such as hours without their minutes."""
    left = half()[1]
    assert rig.do(lambda group: group.removal.expire_rollups(OWNER, [1, 2, 3], left))
    assert rows(rig.path, "SELECT from_ns, to_ns, buckets FROM rollup") == [left[0][1:4]]


def test_only_the_series_itself_is_forgotten(rig: SealingRig) -> None:
    """Not that of another device, sensor or channel; who still has it says it again."""
    names = ("air.temperature", "air.humidity", "soil.temperature")
    for device in ("pi", "other"):
        rig.do(lambda group, device=device: group.describe(device, described(*names)))
    rig.do(lambda group: group.removal.forget(OWNER))
    left = rows(rig.path, "SELECT device, sensor, channel FROM series WHERE device = 1 ORDER BY id")
    assert left == [(1, "air", "humidity"), (1, "soil", "temperature")]
    assert rows(rig.path, "SELECT count(*) FROM series WHERE device = 2") == [(3,)]
    rig.do(lambda group: group.describe("pi", described(*names)))
    assert rows(rig.path, "SELECT count(*) FROM series WHERE device = 1") == [(3,)]


def test_size_of_a_day_is_noted_once(rig: SealingRig) -> None:
    """The first of a day stays, however often a collector starts."""
    for day, used_bytes in ((1, 100), (1, 900), (2, 300)):
        rig.do(lambda group, day=day, size=used_bytes: group.removal.note_size(day, size))
    assert rows(rig.path, "SELECT * FROM growth") == [(1, 100), (2, 300)]
