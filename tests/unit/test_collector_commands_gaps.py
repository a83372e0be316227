"""telegauge-collector gaps: the real program, with its words, and what `status` says of losses."""

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.commands import status
from collector.report import DeviceStatus, Status
from collector.store.database import FILE_NAME
from kit.losses import add_datagrams, add_gap
from kit.programs import Program
from kit.stores import BOOTED_NS, SECOND_NS, batch, commit, described, transaction

HOUR_NS = 3600 * SECOND_NS
# Where readings of `batch` lie, in the words of the YAML's zone: 2026-09-21 14:13:19 UTC.
BOOTED = "2026-09-21T23:13:19"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started; it shows times of Seoul."""
    program = Program("collector", "serve", tmp_path / "collector", "time_zone: Asia/Seoul\n")
    yield program
    program.end()


@pytest.fixture
def file(program: Program) -> Path:
    """Its store, with two devices of which nothing is missing."""
    file = program.state / FILE_NAME
    with transaction(file) as group:
        group.describe("attic", described("air.temperature"))
        group.describe("cellar", described("air.temperature"))
    return file


@pytest.fixture
def lossy(file: Path) -> Path:
    """Of one device a counted and an uncounted loss, of another one that nobody can date."""
    add_gap(file, "attic", "spool_lost")
    add_gap(file, "cellar", "power_cut", from_ns=BOOTED_NS + HOUR_NS, to_ns=BOOTED_NS + 2 * HOUR_NS)
    add_gap(file, "cellar", readings=1200, from_ns=BOOTED_NS, to_ns=BOOTED_NS + 60 * SECOND_NS + 1)
    return file


def asked(program: Program, *arguments: str, columns: int | None = None) -> list[str]:
    """The lines of an answer that is good."""
    program.environment.pop("COLUMNS", None)
    if columns is not None:
        program.environment["COLUMNS"] = str(columns)
    done = program.command(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


def asked_json(program: Program, *arguments: str) -> list[dict[str, Any]]:
    """The gaps, as JSON."""
    found = json.loads("\n".join(asked(program, "gaps", "--json", *arguments)))
    assert isinstance(found, list)
    return found


# gaps


def test_gaps_where_nothing_is_missing(program: Program, file: Path) -> None:
    """It says so, and what that does not mean."""
    first, second = asked(program, "gaps")
    assert first.startswith("nothing is missing. ")
    assert "telegauge-collector status" in second
    assert asked_json(program) == []


def test_gaps_of_a_store_nobody_came_to(program: Program) -> None:
    """Nothing is missing there, either."""
    with transaction(program.state / FILE_NAME):
        pass
    assert asked(program, "gaps")[0].startswith("nothing is missing")


def test_gaps_one_a_line_in_order_of_time(program: Program, lossy: Path) -> None:
    """When, how many, why, and what that means; times that nobody knows are said to be unknown."""
    head, *lines = asked(program, "gaps")
    assert head.split() == ["DEVICE", "FROM", "TO", "READINGS", "REASON", "WHAT", "HAPPENED"]
    rows = [line.split(maxsplit=5) for line in lines[:3]]
    assert [row[:5] for row in rows] == [
        ["attic", "unknown", "unknown", "unknown", "spool_lost"],
        ["cellar", BOOTED, "2026-09-21T23:14:20", "1200", "spool_full"],
        ["cellar", "2026-09-22T00:13:19", "2026-09-22T01:13:19", "unknown", "power_cut"],
    ]
    assert rows[1][5] == "the device's spool was full: it dropped the oldest that waited"
    assert lines[3:] == [
        "",
        "3 gaps, each of all series of its device; times of Asia/Seoul",
        "attic: 1 gap, nobody knows of how many readings",
        "cellar: 1200 readings lost, and nobody knows how many in 1 gap",
    ]


@pytest.mark.parametrize("columns", [80, 100])
def test_gaps_on_a_narrow_terminal(program: Program, lossy: Path, columns: int) -> None:
    """What it means stands under each gap, and no line is wrapped."""
    wide, narrow = asked(program, "gaps"), asked(program, "gaps", columns=columns)
    assert max(map(len, narrow)) <= columns < max(map(len, wide))
    assert narrow[0].split()[-1] == "REASON"
    assert narrow[2].startswith("    ")
    assert sorted(" ".join(wide[1:]).split()) == sorted(" ".join(narrow[1:]).split())


def test_gaps_on_a_wide_terminal(program: Program, lossy: Path) -> None:
    """As where nobody says how wide it is."""
    assert asked(program, "gaps", columns=200) == asked(program, "gaps")


@pytest.mark.parametrize(
    ("arguments", "reasons"),
    [
        ([], ["spool_lost", "spool_full", "power_cut"]),
        (["--start", "2026-09-22 00:00"], ["spool_lost", "power_cut"]),
        (["--end", "2026-09-22 00:00"], ["spool_lost", "spool_full"]),
        (["--start", BOOTED, "--end", "2026-09-21T23:14:20"], ["spool_lost", "spool_full"]),
        (["--start", "2100-01-01"], ["spool_lost"]),
        (["cellar"], ["spool_full", "power_cut"]),
        (["cell*", "--start", "2026-09-22"], ["power_cut"]),
        (["cellar/air.*"], ["spool_full", "power_cut"]),
        (["--start", "0001-01-01", "--end", "9999-12-31"], ["spool_lost", "spool_full", "power_cut"]),
    ],
)  # fmt: skip
def test_gaps_of_some_devices_and_times(
    program: Program, lossy: Path, arguments: list[str], reasons: list[str]
) -> None:
    """Those that reach into the range, and those that may; a series stands for its device."""
    assert [each["reason"] for each in asked_json(program, *arguments)] == reasons


def test_gaps_as_json(program: Program, lossy: Path) -> None:
    """Every number, exactly; null where nobody knows."""
    lost, full, _ = asked_json(program)
    assert (lost["from_ns"], lost["to_ns"], lost["readings"]) == (None, None, None)
    assert full == {
        "device": "cellar",
        "epoch": None,
        "first_seq": None,
        "last_seq": 9,
        "readings": 1200,
        "from_ns": BOOTED_NS,
        "to_ns": BOOTED_NS + 60 * SECOND_NS + 1,
        "reason": "spool_full",
        "recorded_ns": BOOTED_NS,
        "meaning": "the device's spool was full: it dropped the oldest that waited",
    }


def test_gap_of_a_newer_agent(program: Program, file: Path) -> None:
    """Its reason is shown as it is, without what a terminal would obey."""
    add_gap(file, "cellar", "martian_weather", readings=1)
    add_gap(file, "cellar", "\x1b[2Jgone", readings=1)
    lines = asked(program, "gaps")
    assert "martian_weather" in lines[1]
    assert "does not know" in lines[1]
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "cellar: 2 readings lost"


def test_gaps_of_a_device_that_is_unknown(program: Program, lossy: Path) -> None:
    """A misspelt name must not look as if nothing were missing."""
    done = program.command("gaps", "celar")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no device matches `celar`. There are, for example: attic, cellar\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "yesterday"], "Accepted: 2026-11-23T12:00:00+01:00"),
        (["--end", "32.13.2026"], "Accepted: "),
        (["--start", "1h", "--end", "2h"], "the range ends before it begins"),
    ],
)
def test_gaps_of_a_range_that_is_none(
    program: Program, lossy: Path, arguments: list[str], words: str
) -> None:
    """One line that says what is wrong, and wrong usage."""
    done = program.command("gaps", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert (done.stderr.count("\n"), words in done.stderr) == (1, True)


def test_gaps_where_nothing_ever_ran(program: Program) -> None:
    """One line that asks what may have been forgotten; no store is made."""
    done = program.command("gaps")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no store here" in done.stderr
    assert not list(program.state.iterdir())


# status


def test_status_says_what_is_missing(program: Program, lossy: Path) -> None:
    """Of each device how much, lately, and why; at 100 columns."""
    commit(lossy, "barn", batch(1))
    done = program.command("status")
    assert max(map(len, done.stdout.splitlines()[4:])) <= 100
    found = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert found["barn"][:5] == ["barn", "unknown", "1", "0", "0"]
    first, second = done.stdout.split("MISSING OF", 1)
    assert ["cellar", "unknown", "0", "1200+", "2"] in [
        line.split()[:5] for line in first.splitlines()
    ]
    rows = [line.split() for line in second.splitlines()[1:3]]
    assert [row[0] for row in rows] == ["attic", "cellar"]
    assert rows[1][3:] == ["2026-09-22T01:13:19.000+09:00", "power_cut"]
    assert "telegauge-collector gaps" in second
    assert "+: at least" in second


def test_status_counts_the_last_24_hours(program: Program, file: Path) -> None:
    """Apart from all before."""
    far_ns = 2**62
    add_gap(file, "cellar", readings=5, from_ns=0, to_ns=1)
    add_gap(file, "cellar", "rejected", readings=7, from_ns=far_ns, to_ns=far_ns)
    out = program.command("status").stdout
    assert ["cellar", "7", "1"] in [line.split()[:3] for line in out.splitlines()]
    assert "+: at least" not in out
    facts = json.loads(program.command("status", "--json").stdout)["devices"]
    cellar = next(each for each in facts if each["device"] == "cellar")
    assert cellar["loss"] == {
        "gaps": 2,
        "uncounted_gaps": 0,
        "lost_readings": 12,
        "recent_gaps": 1,
        "recent_uncounted_gaps": 0,
        "recent_lost_readings": 7,
        "latest_ns": far_ns,
        "latest_reason": "rejected",
    }


def test_status_where_nothing_is_missing(program: Program, file: Path) -> None:
    """No table for nothing."""
    out = program.command("status").stdout
    assert "MISSING" not in out
    assert "DATAGRAMS" not in out


def test_status_counts_datagrams(program: Program, file: Path) -> None:
    """Of those that send some."""
    add_datagrams(file, "cellar", bytes(16), highest_seq=10, came=7)
    lines = [line.split() for line in program.command("status").stdout.splitlines()]
    assert lines[-2:] == [["DATAGRAMS", "OF", "RECEIVED", "MISSING"], ["cellar", "7", "3"]]


@pytest.mark.parametrize(("floor", "is_low"), [("1MiB", False), ("1024GiB", True)])
def test_status_says_how_much_is_free(
    program: Program, file: Path, floor: str, is_low: bool
) -> None:
    """And whether that is enough to go on."""
    program.config.write_text(f"store:\n  min_free: {floor}\n")
    out = program.command("status").stdout
    assert f"free, {floor} wanted (store.min_free)" in out
    assert ("TOO LITTLE, nothing is accepted" in out) is is_low
    space = json.loads(program.command("status", "--json").stdout)["space"]
    assert (space["free_bytes"] > 0, space["is_low"]) == (True, is_low)


def test_status_of_a_name_that_is_used_twice() -> None:
    """It catches the eye, and says what to do."""
    twice = DeviceStatus("cellar", None, True, 1, None, duplicate_identity=True)
    lines = list(status._lines(Status(True, "x", 1, [twice], uptime_s=1.0), UTC))
    assert ["cellar", "duplicate!"] in [line.split()[:2] for line in lines]
    assert any("two devices take turns under this name" in line for line in lines)


def test_status_of_a_device_that_cannot_be_sealed() -> None:
    """Below the devices it is named, with where to look; of others nothing is said."""
    cellar, attic = (DeviceStatus(name, None, True, 1, None) for name in ("cellar", "attic"))

    def said(*devices: DeviceStatus) -> str:
        return "\n".join(status._lines(Status(True, "x", 1, [*devices], uptime_s=1.0), UTC))

    failed = replace(cellar, sealing_failed=True)
    assert "what comes of cellar is stored and can be asked, but" in said(failed, attic)
    assert "sealing_failed" not in said(cellar, attic)
