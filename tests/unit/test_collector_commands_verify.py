"""telegauge-collector verify: the real program, its words, and that its advice helps."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from collector.commands.verify import told
from collector.store import Damage
from collector.store.database import FILE_NAME
from kit import programs
from kit.histories import Step, regular, stored
from kit.programs import Program
from kit.stores import change, rows

SOUND = "all of it is sound"
READ = "150 readings in 1 batches and 1 chunks, 1 rows of rollups"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started, in whose store some is sealed and some is not."""
    program = programs.collector(tmp_path / "collector", programs.free_port())
    history = [Step(regular(100, 1.0004), True), Step(regular(50, first_s=500.0), False)]
    stored(program.state / FILE_NAME, history)
    yield program
    program.end()


def lines(done: "subprocess.CompletedProcess[str]", code: int) -> list[str]:
    """What was said, with this exit code and no complaint."""
    assert (done.returncode, done.stderr) == (code, ""), done
    return done.stdout.splitlines()


def test_sound_store(collector: Program, tmp_path: Path) -> None:
    """Of a collector that runs, or of a copy: what was read, and that it is sound."""
    file = collector.state / FILE_NAME
    collector.start()
    assert lines(collector.command("verify"), 0) == [f"{file}: {READ}", SOUND]
    assert collector.stop() == 0
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    file.unlink()
    assert lines(collector.command("verify", str(copy)), 0) == [f"{copy}: {READ}", SOUND]
    done = collector.command("verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no store here" in done.stderr


@pytest.mark.parametrize("damage", ["chunk SET data", "rollup SET minutes"])
def test_advice_helps(collector: Program, damage: str) -> None:
    """What is told of a damage, typed at `delete`, takes it away, and nothing else that is far from it."""
    file = collector.state / FILE_NAME
    change(file, f"UPDATE {damage} = zeroblob(30)")
    head, found, advice = lines(collector.command("verify"), 1)
    told_ = re.fullmatch(r"damaged: (\w+) (\S+), (\S+) to (\S+): .+", found)
    assert head == f"{file}: {READ}"
    assert told_ is not None, found
    assert "telegauge-collector delete with that series and range" in advice
    kind, series, start, end = told_.groups()
    assert (kind, series) == (damage.split(maxsplit=1)[0], "greenhouse/air.temperature")
    done = collector.command("delete", series, "--start", start, "--end", end, "--yes")
    assert done.returncode == 0, done
    assert lines(collector.command("verify"), 0)[1] == SOUND
    assert rows(file, "SELECT sum(readings) FROM chunk") == [(50,)]


def test_each_kind_of_damage_has_its_advice() -> None:
    """Once, behind all that is damaged."""
    chunk, orphan = (
        Damage("chunk", "pi/a.b", "bad", 0, 10**9),
        Damage("orphan", "chunk", "row 1: loose"),
    )
    found = list(told([chunk, chunk, Damage("file", "", "odd page"), orphan], UTC))
    assert found[:4] == [
        *[
            "damaged: chunk pi/a.b, 1970-01-01T00:00:00.000+00:00 to 1970-01-01T00:00:01.001+00:00: bad"
        ]
        * 2,
        "damaged: file: odd page",
        "damaged: orphan chunk: row 1: loose",
    ]
    assert [line.partition(":")[0] for line in found[4:]] == [
        "The file itself is damaged",
        "Everything else can still be read. A backup from before has what is damaged; telegauge-collector "
        "delete with that series and range takes it away.",
    ]
    assert list(told([], UTC)) == [SOUND]
