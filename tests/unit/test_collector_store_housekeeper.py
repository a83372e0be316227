"""collector.store.housekeeper: a thread beside the writer that ends with it, and keeps nobody waiting."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.store import Housekeeper, seal_store
from collector.store.database import FILE_NAME
from kit.stores import WriterRig, batch, commit, open_reader, rows, writer_rig
from kit.waiting import WITHIN_S

WAITING = "SELECT count(*) FROM batch"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


@contextmanager
def kept(rig: WriterRig) -> Iterator[Housekeeper]:
    """A housekeeper that runs, and ends before its writer does."""
    made = Housekeeper(rig.path, rig.writer, rig._call_soon, rig.failures.append)
    made.start()
    try:
        yield made
    finally:
        assert made.close(WITHIN_S)


def test_ripe_device_is_sealed_by_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what is stored; whoever waits for room is told behind it."""
    monkeypatch.setattr("collector.store.unsealed.MAX_ROWS", 3)
    monkeypatch.setattr("collector.store.unsealed._HURRY_BYTES", 0)
    with writer_rig(file) as rig, kept(rig):
        for seq in range(1, 4):
            rig.store("greenhouse", batch(seq))
        told = rig.deliveries
        rig.run_until(lambda: rows(file, WAITING) == [(0,)] and rig.deliveries > told)
        assert rig.failures == []
    with open_reader(file) as reader:
        (part,) = reader.range("*", 0, 2**62).parts
    assert part.values.tolist() == [1.0, 2.0, 3.0]


def test_finish_seals_what_is_not_ripe(file: Path) -> None:
    """And says when it is done."""
    with writer_rig(file) as rig, kept(rig) as housekeeper:
        rig.store("greenhouse", batch(1))
        housekeeper.finish().result(WITHIN_S)
        assert rows(file, WAITING) == [(0,)]


def test_end_of_the_writer_ends_it(file: Path) -> None:
    """It waits for no answer that will never come; what was wished for is given up."""
    rig = WriterRig(file)
    rig.writer.start()
    rig.store("greenhouse", batch(1))
    with kept(rig) as housekeeper:
        assert rig.writer.close(WITHIN_S)
        with pytest.raises(CancelledError):
            housekeeper.finish().result(WITHIN_S)
    rig.run_waiting()
    assert rig.failures == [], "the writer says why, not who came behind"


def test_store_that_nobody_uses_is_sealed(file: Path) -> None:
    """By the command line, without a thread."""
    commit(file, "greenhouse", batch(1), batch(2))
    seal_store(file)
    assert rows(file, WAITING) == [(0,)]
    assert rows(file, "SELECT readings FROM chunk") == [(2,)]
