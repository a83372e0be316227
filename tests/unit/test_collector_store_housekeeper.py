"""collector.store.housekeeper: a thread beside the writer that ends with it, and keeps nobody waiting."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.errors import RefusedError
from collector.store import Housekeeper, Keep, Selection, seal_store
from collector.store.database import FILE_NAME
from collector.store.sealer import Sealer
from kit.stores import WriterRig, at_ns, batch, change, commit, open_reader, rows, writer_rig
from kit.waiting import WITHIN_S, wait_until

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


def test_refused_deletion_is_told_and_ends_nothing(file: Path) -> None:
    """Who asked for it hears why; what comes is stored, and what waits is sealed."""
    with writer_rig(file) as rig, kept(rig) as housekeeper:
        rig.store("greenhouse", *(batch(seq) for seq in range(1, 10)))
        housekeeper.finish().result(WITHIN_S)
        change(
            file,
            "CREATE TRIGGER poison BEFORE DELETE ON chunk BEGIN SELECT RAISE(ABORT, 'poison'); END",
        )
        half = Selection("greenhouse/*", None, at_ns(5))
        with pytest.raises(RefusedError, match="poison"):
            housekeeper.delete(half).result(WITHIN_S)
        rig.store("cellar", batch(1))
        housekeeper.finish().result(WITHIN_S)
        change(file, "DROP TRIGGER poison")
        assert housekeeper.delete(half).result(WITHIN_S).readings == 4
        assert rig.failures == []


def test_error_of_the_file_ends_it_and_the_writer(file: Path) -> None:
    """Whoever waits is told, and so is the program, which must end."""
    with writer_rig(file) as rig, kept(rig) as housekeeper:
        rig.store("greenhouse", *(batch(seq) for seq in range(1, 10)))
        change(file, "DROP TABLE chunk")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            housekeeper.finish().result(WITHIN_S)
        rig.run_until(lambda: rig.failures)


def test_store_that_nobody_uses_is_sealed(file: Path) -> None:
    """By the command line, without a thread."""
    commit(file, "greenhouse", batch(1), batch(2))
    seal_store(file)
    assert rows(file, WAITING) == [(0,)]
    assert rows(file, "SELECT readings FROM chunk") == [(2,)]


@pytest.mark.parametrize("what", ["close", "retain"])
def test_what_is_said_while_it_looks_is_not_slept_over(
    file: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """An end, or other rules: a look takes note of what woke it, and must not take that for all."""
    looks: list[int] = []
    rules = [Keep("cellar/*", 0)]
    step = Sealer.step

    def interrupted(sealer: Sealer, now_ns: int) -> bool:
        """Look, right behind what is said."""
        looks.append(now_ns)
        if len(looks) == 1 and what == "close":
            ending.start()
            ending.join()
        elif len(looks) == 1:
            housekeeper.retain(rules)
        return step(sealer, now_ns)

    monkeypatch.setattr(Sealer, "step", interrupted)
    with writer_rig(file) as rig, kept(rig) as housekeeper:
        ending = threading.Thread(target=housekeeper.close, args=(0,))
        wait_until(lambda: len(looks) > 1 or not housekeeper._thread.is_alive(), WITHIN_S)
