"""collector.store.unsealed: what waits to be sealed, which device is ripe, and when it is old enough."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.store import unsealed
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.unsealed import CHUNK_READINGS, DAY_NS, MAX_ROWS, YOUNG_NS, Unsealed
from kit.stores import batch, commit, described, transaction

NOW_NS = 10 * DAY_NS
LONG_AGO_NS = NOW_NS - 2 * YOUNG_NS


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Unsealed]:
    """What waits of an empty store."""
    with closing(open_for_writing(tmp_path / FILE_NAME)) as database:
        yield Unsealed(database)


def come(waiting: Unsealed, device_id: int, readings: int, *, size_bytes: int = 1,
         at_ns: int = LONG_AGO_NS) -> None:  # fmt: skip
    """A row is committed."""
    waiting.add(device_id, readings, size_bytes, at_ns)
    waiting.committed()


def test_what_is_rolled_back_does_not_count(waiting: Unsealed) -> None:
    """Only what is committed waits."""
    waiting.add(1, 5, 100, LONG_AGO_NS)
    assert (waiting.readings(), waiting.devices()) == (0, [])
    waiting.rolled_back()
    waiting.committed()
    assert (waiting.readings(), waiting.devices()) == (0, [])
    come(waiting, 1, 5)
    assert (waiting.readings(), waiting.devices()) == (5, [1])


def test_device_is_ripe_with_a_chunk_of_readings(waiting: Unsealed) -> None:
    """Not with one less; what is ripe is counted in bytes."""
    come(waiting, 1, CHUNK_READINGS - 1, size_bytes=70)
    assert (waiting.ripest(NOW_NS), waiting.ripe_bytes()) == (None, 0)
    come(waiting, 1, 1, size_bytes=7)
    assert (waiting.ripest(NOW_NS), waiting.ripe_bytes()) == (1, 77)
    assert waiting.ripest(NOW_NS, but=1) is None


def test_device_is_ripe_with_many_rows(waiting: Unsealed) -> None:
    """However small they are: each is read by every question."""
    for _ in range(MAX_ROWS):
        assert waiting.ripest(NOW_NS) is None
        come(waiting, 1, 1)
    assert waiting.ripest(NOW_NS) == 1


def test_what_waits_for_a_day_is_ripe(waiting: Unsealed) -> None:
    """A slow device is sealed all the same."""
    come(waiting, 1, 1, at_ns=NOW_NS - DAY_NS)
    assert waiting.ripest(NOW_NS) is None
    assert waiting.ripest(NOW_NS + 1) == 1


def test_the_ripest_goes_first(waiting: Unsealed) -> None:
    """The one with most bytes; one that cannot be sealed is left alone, and holds nobody up."""
    for device_id, size_bytes in ((1, 10), (2, 30), (3, 20)):
        come(waiting, device_id, CHUNK_READINGS, size_bytes=size_bytes)
    assert waiting.ripest(NOW_NS) == 2
    waiting.give_up(2)
    assert (waiting.ripest(NOW_NS), waiting.ripe_bytes()) == (3, 30)


def test_what_has_just_come_is_left_to_be_followed(
    waiting: Unsealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless much is ripe: then nothing waits, not even what says it came later than now."""
    come(waiting, 1, CHUNK_READINGS, size_bytes=100, at_ns=NOW_NS - YOUNG_NS + 1)
    assert waiting.ripest(NOW_NS) is None
    assert waiting.ripest(NOW_NS + YOUNG_NS) == 1
    come(waiting, 2, CHUNK_READINGS, size_bytes=50, at_ns=NOW_NS + DAY_NS)
    monkeypatch.setattr(unsealed, "_HURRY_BYTES", 149)
    assert waiting.ripest(NOW_NS) == 1
    assert waiting.ripest(NOW_NS, but=1) == 2
    assert waiting.old_enough_ns(NOW_NS) > NOW_NS + DAY_NS


def test_new_start_counts_what_is_stored(tmp_path: Path) -> None:
    """By the file: rows, readings and bytes of each device."""
    file = tmp_path / FILE_NAME
    with transaction(file) as group:
        group.describe("greenhouse", described("air.temperature", "air.humidity"))
    commit(file, "greenhouse", batch(1), batch(2))
    commit(file, "cellar", batch(1))
    with closing(open_for_writing(file)) as database:
        waiting = Unsealed(database)
        assert (waiting.readings(), waiting.devices()) == (3, [1, 2])
        come(waiting, 1, CHUNK_READINGS)
        assert waiting.ripe_bytes() == 0, "of two series a chunk each is meant"
        come(waiting, 1, CHUNK_READINGS)
        assert waiting.ripe_bytes() > 0
