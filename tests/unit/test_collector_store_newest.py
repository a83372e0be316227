"""collector.store.newest: the last reading of each series, wherever it stands, and whatever is damaged."""

from pathlib import Path

import pytest

from collector.store import Newest, seal_store
from collector.store import newest as module
from collector.store.database import FILE_NAME
from kit.sealing import sealed_apart
from kit.stores import at_ns, batch, change, commit, described, open_reader, read, transaction

AIR, SOIL = "pi/air.temperature", "pi/soil.temperature"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with three chunks of a series: the last one came late, and a fourth of another."""
    path = tmp_path / FILE_NAME
    with transaction(path) as group:
        group.describe("pi", described("air.temperature", "soil.temperature"))
    made = [batch(seq, *(read(at_s, at_s) for at_s in its), before=0) for seq, its in [
        (1, (1.0, 60.0, 100.0)), (2, (200.0, 300.0)), (3, (150.0, 250.0)),
    ]]  # fmt: skip
    sealed_apart(path, "pi", *made, batch(4, read(20, 20.0, sensor="soil"), before=0))
    return path


def asked(file: Path, pattern: str = "*") -> tuple[dict[str, tuple[float, int | None]], set[str]]:
    """The value and time of each, and what is told to be damaged."""
    with open_reader(file) as reader:
        found = reader.latest(pattern)
    assert isinstance(found, Newest)
    its = {name: (each.value, each.time_ns) for name, each in found.readings.items()}
    return its, found.damaged


def test_latest_in_time_not_in_the_order_it_came(file: Path) -> None:
    """Sealed or not; what nobody described is left out."""
    commit(file, "pi", batch(5, read(270, 270.0), read(999, 9.0, sensor="other"), before=0))
    assert asked(file) == ({AIR: (300.0, at_ns(300)), SOIL: (20.0, at_ns(20))}, set())
    commit(file, "pi", batch(6, read(301, 301.0), before=0))
    assert asked(file, "*/air.*") == ({AIR: (301.0, at_ns(301))}, set())


def test_newest_that_can_be_read_stands_for_damaged_chunks(file: Path) -> None:
    """However many these are; they are told, also where nothing is left."""
    change(file, "UPDATE chunk SET data = zeroblob(30) WHERE to_ns = ?", at_ns(300))
    assert asked(file) == ({AIR: (250.0, at_ns(250)), SOIL: (20.0, at_ns(20))}, {AIR})
    change(file, "UPDATE chunk SET readings = 77 WHERE to_ns = ?", at_ns(250))
    assert asked(file, "*/air.*") == ({AIR: (100.0, at_ns(100))}, {AIR})
    change(file, "UPDATE chunk SET data = x''")
    assert asked(file) == ({}, {AIR, SOIL})


def test_damaged_batch_is_told_of_its_device(file: Path) -> None:
    """It may have held any series; what came before it is shown."""
    commit(file, "pi", batch(5, read(400, 400.0), before=0))
    commit(file, "pi", batch(6, read(500, 500.0), before=0))
    change(file, "UPDATE batch SET sealed = zeroblob(99) WHERE to_ns = ?", at_ns(500))
    assert asked(file, "*/air.*") == ({AIR: (400.0, at_ns(400))}, {"pi/*"})


def test_of_one_time_the_one_that_came_last_counts(tmp_path: Path) -> None:
    """In one batch, in several, and when these are sealed: sealing changes no answer."""
    path = tmp_path / FILE_NAME
    with transaction(path) as group:
        group.describe("pi", described("air.temperature"))
    for seq, values in enumerate(((1.0, 2.0), (3.0, 4.0)), 1):
        commit(path, "pi", batch(seq, *(read(5, value) for value in values), before=0))
        assert asked(path) == ({AIR: (values[-1], at_ns(5))}, set())
    seal_store(path)
    assert asked(path) == ({AIR: (4.0, at_ns(5))}, set())


def test_no_more_rows_are_looked_at_than_have_to_be(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until each series has a reading later than all that follow; a silent one is given up at last."""
    looked_at = []
    last_of = module.Search._last_of

    def noted(self: module.Search, row: module.BatchRow, pattern: str) -> object:
        """Look at a row, and note which it was."""
        looked_at.append(row.to_ns)
        return last_of(self, row, pattern)

    monkeypatch.setattr(module.Search, "_last_of", noted)
    for seq in range(5, 10):
        its = [read(seq * 100, seq), read(seq * 100, seq, sensor="soil")]
        commit(file, "pi", batch(seq, *its[: 2 if seq > 6 else 1], before=0))
    asked(file)
    assert looked_at == [at_ns(900)]
    with transaction(file) as group:
        group.describe("pi", described("other.temperature"))
    monkeypatch.setattr(module, "_MOST_ROWS", 3)
    asked(file)
    assert looked_at[1:] == [at_ns(900), at_ns(800), at_ns(700)]
