"""collector.export: every reading once, whatever broke it off; nothing of anybody's is replaced."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collector import query
from collector.export import ExportError, Files, Journal, Limits, Question, export, journal_of
from collector.export_forms import Csv, form_of
from collector.store import seal_store
from collector.store.database import FILE_NAME, open_for_writing
from collector.times import END_OF_TIME_NS
from kit.stores import (
    BOOTED_NS,
    OTHER_EPOCH,
    batch,
    commit,
    described,
    open_reader,
    read,
    transaction,
)
from wire.batches import ClockPair
from wire.readings import Quality

ALL = (-END_OF_TIME_NS, END_OF_TIME_NS)
READINGS = 4000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of several sealed chunks a series, with late, bad and suspect readings and one undated."""
    path = tmp_path / FILE_NAME
    open_for_writing(path).close()
    with transaction(path) as group:
        group.describe("greenhouse", described("air.temperature"))
    for seq, at in enumerate(range(0, READINGS, 500), 1):
        reads = [read(second, second / 7) for second in range(at, at + 500)]
        commit(path, "greenhouse", batch(seq, *reads, before=at))
        if seq % 2 == 0:
            seal_store(path)
    odd = [
        read(10.000000001, math.nan, quality=Quality.TIMED_OUT),
        read(11, 1e300, quality=Quality.JUMPED),
        read(12, -0.0, channel="odd", unit='a,"b'),
    ]
    commit(path, "greenhouse", batch(9, *odd, before=READINGS))
    clock = ClockPair(1, 1, synchronised=False)
    commit(path, "cellar", batch(1, read(1, 5.0), epoch=OTHER_EPOCH, clock=clock))
    return path


def question(form: str = "csv", pattern: str = "*") -> Question:
    """All of a pattern."""
    return Question("store", pattern, None, None, None, form, "rfc3339")


def made(store: Path, target: Path, wanted: Question, limits: Limits = Limits()) -> Journal:  # noqa: B008
    """Export all of a store."""
    files = Files.of(target)
    with open_reader(store) as reader:
        journal = journal_of(reader, files, wanted, ALL, BOOTED_NS)
        export(reader, files, journal, form_of(wanted.form, wanted.times), limits)
    return journal


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store have many windows."""
    monkeypatch.setattr(query, "WINDOW_READINGS", 500)


def test_csv_is_exact(store: Path, tmp_path: Path) -> None:
    """Every reading once, every digit and every nanosecond; units in quotes, unknown times as intervals."""
    journal = made(store, tmp_path / "all.csv", question())
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert journal.readings == len(lines) - 1 == READINGS + 4
    assert lines[0] == "time,series,value,unit,quality"
    assert sum(f",greenhouse/air.temperature,{1234 / 7!r},degC,good" in line for line in lines) == 1
    assert any(
        ".000000001Z,greenhouse/air.temperature,,degC,bad (timed_out)" in line for line in lines
    )
    assert any(line.endswith(',greenhouse/air.odd,-0.0,"a,""b",good') for line in lines)
    (undated,) = (line for line in lines if ",cellar/" in line)
    assert "/" in undated.split(",", maxsplit=1)[0]
    assert {each.name for each in tmp_path.glob("all.csv*")} == {"all.csv"}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    "place", ["export_saved", "export_saved:3", "export_written", "export_published"]
)
def test_killed_and_started_again(store: Path, tmp_path: Path, form: str, place: str) -> None:
    """It goes on, and the file is to the byte what one go makes."""
    made(store, tmp_path / f"whole.{form}", question(form), Limits(save_bytes=1))
    target = tmp_path / f"all.{form}"
    script = (
        "import sys; sys.path[:0] = ['tests', '.']\n"
        "from unit import test_collector_export as t; from pathlib import Path\n"
        "t.query.WINDOW_READINGS = 500\n"
        f"t.made(Path({str(store)!r}), Path({str(target)!r}), t.question({form!r}), t.Limits(save_bytes=1))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "TELEGAUGE_CRASH_AT": place}
    done = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=False)
    assert done.returncode == -9
    assert target.exists() == (place == "export_published")
    with target.with_name(f"{target.name}.part").open("ab") as part:
        part.write(b"torn")  # what a power cut leaves behind what was synced
    made(store, target, question(form), Limits(save_bytes=1))
    assert target.read_bytes() == (tmp_path / f"whole.{form}").read_bytes()
    assert {each.name for each in tmp_path.glob("all.*")} == {target.name}


def test_parquet_holds_the_same(store: Path, tmp_path: Path) -> None:
    """Times as UTC ns, none where it is unknown; values to the bit, none where it is bad."""
    made(store, tmp_path / "all.parquet", question("parquet"))
    table = pq.read_table(tmp_path / "all.parquet")
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert str(table.schema.field("series").type).startswith("dictionary<")
    with open_reader(store) as reader:
        parts = reader.range("*", *ALL).parts
    readings = [each for part in parts for each in query.as_readings(part)]
    assert table["time"].cast("int64").to_pylist() == [each.time_ns for each in readings]
    assert table["series"].to_pylist() == [each.series for each in readings]
    assert table["unit"].to_pylist() == [each.unit for each in readings]
    values = [None if math.isnan(each.value) else each.value for each in readings]
    assert table["value"].to_pylist() == values
    assert table["quality"].to_pylist().count("bad (timed_out)") == 1
    assert table["latest"].cast("int64").to_pylist() == [each.dating.latest_ns for each in readings]


def test_what_comes_meanwhile_is_not_in_it(store: Path, tmp_path: Path) -> None:
    """The range ends where it did when the export began."""
    files = Files.of(tmp_path / "all.csv")
    with open_reader(store) as reader:
        journal = journal_of(reader, files, question(), ALL, BOOTED_NS)
        commit(store, "greenhouse", batch(10, read(READINGS + 60, 1.0), before=READINGS + 3))
        export(reader, files, journal, Csv("ns"))
    assert journal.readings == READINGS + 4


def test_nothing_is_replaced(store: Path, tmp_path: Path) -> None:
    """Neither a file, nor what is left of another export, nor what another one writes now."""
    target = tmp_path / "all.csv"
    target.write_text("mine")
    with pytest.raises(ExportError, match="is there already"):
        made(store, target, question())
    target.unlink()
    with open_reader(store) as reader:
        journal_of(reader, Files.of(target), question(), ALL, BOOTED_NS)
    with pytest.raises(ExportError, match="something else was begun"):
        made(store, target, question(pattern="cellar/*"))
    Files.of(target).journal.write_text("{")
    with pytest.raises(ExportError, match="no journal"):
        made(store, target, question())
    with pytest.raises(ExportError, match="no such folder"):
        made(store, tmp_path / "none" / "all.csv", question())


def test_room_stays_for_the_collector(store: Path, tmp_path: Path) -> None:
    """It stops, says so, and goes on once there is room."""
    target = tmp_path / "all.csv"
    with pytest.raises(ExportError, match="too little room"):
        made(store, target, question(), Limits(2**62, 1))
    assert not target.exists()
    assert made(store, target, question()).readings == READINGS + 4


def test_progress_grows(store: Path, tmp_path: Path) -> None:
    """From 0 to 1, never back."""
    shares: list[float] = []
    files = Files.of(tmp_path / "all.csv")
    with open_reader(store) as reader:
        journal = journal_of(reader, files, question(), ALL, BOOTED_NS)
        export(reader, files, journal, Csv("ns"), told=shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
