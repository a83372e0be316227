"""collector.commands: the real program as a process, with its words and its exit codes."""

import csv
import json
import math
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector import certificate, trust_file
from collector.store.database import FILE_NAME
from kit import programs
from kit.losses import add_gap
from kit.programs import Program
from kit.stores import BOOTED_NS, at_ns, batch, change, commit, described, read, rows, transaction
from kit.waiting import WITHIN_S, wait_until
from wire import frames
from wire.batches import ClockPair
from wire.bodies import Ack
from wire.greetings import Hello
from wire.readings import Quality
from wire.receiver import Arrived

Done = subprocess.CompletedProcess[str]
# An hour around what `batch` gives, as it would be typed.
RANGE = ("--start", str(BOOTED_NS // 10**9), "--end", str(BOOTED_NS // 10**9 + 3600))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Program]:
    """A collector that is not started; it shows times of Seoul."""
    port = programs.free_port()
    listen = (
        f"devices:\n  listen: 127.0.0.1:{port}\nweb: {{enabled: false}}\ntime_zone: Asia/Seoul\n"
    )
    program = Program("collector", "serve", tmp_path / "collector", listen)
    yield program
    program.end()


@pytest.fixture
def filled(collector: Program) -> Program:
    """A collector that is not started, with a store of two devices."""
    file = store(collector)
    with transaction(file) as group:
        group.describe("greenhouse", described("air.temperature", "soil.temperature"))
        group.describe("cellar", described("air.temperature"))
    bad = read(3, math.nan, quality=Quality.READ_FAILED)
    commit(file, "greenhouse", batch(1, read(1, 20.25), read(2, 20.5), bad))
    commit(file, "cellar", batch(1, read(1, 12.0)))
    return collector


def store(program: Program) -> Path:
    """The file of its store."""
    return program.state / FILE_NAME


def port(program: Program) -> int:
    """The port it is told to listen on."""
    return int(program.config.read_text().split("127.0.0.1:")[1].split()[0])


def send(program: Program, device: str, *batches: Arrived) -> None:
    """Store batches through the network, and wait until they are acknowledged."""
    sent = [frames.encode(Hello(device, 1, 1))]
    place = batches[-1].header.place
    wanted = frames.encode(Ack(place.epoch, place.seq))
    with socket.create_connection(("127.0.0.1", port(program)), timeout=WITHIN_S) as link:
        link.sendall(sent[0])
        said = link.recv(4096)
        link.sendall(b"".join(frames.encode_batch(each.sealed) for each in batches))
        while wanted not in said:
            data = link.recv(4096)
            assert data, said
            said += data


def assert_one_line(done: Done, code: int, *words: str) -> None:
    """A person must get one line that says everything, and nothing else."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("telegauge-collector: ")
    for word in words:
        assert word in done.stderr


# serve


def test_serve_until_sigterm(collector: Program) -> None:
    """It starts, stores, stops with 0, and leaves neither socket nor write-ahead log."""
    collector.start()
    send(collector, "greenhouse", batch(1))
    assert collector.stop() == 0
    for event in ("collector_started", "session_started", "session_ended", "collector_stopped"):
        assert event in collector.said()
    assert "Traceback" not in collector.said()
    assert {each.name for each in collector.state.iterdir()} == {
        FILE_NAME,
        trust_file.FILE_NAME,
        certificate.FILE_NAME,
    }
    assert list(collector.runtime.iterdir()) == []


def test_serve_on_a_port_that_is_taken(collector: Program) -> None:
    """One line, with the name and the pid of who has it."""
    with socket.create_server(("127.0.0.1", port(collector))):
        owner = f" (pid {os.getpid()}) has this port"
        assert_one_line(collector.command("serve"), 1, owner, "devices.listen")


def test_serve_a_second_time(collector: Program) -> None:
    """One line; the first one notices nothing."""
    collector.start()
    send(collector, "greenhouse", batch(1))
    assert_one_line(collector.command("serve"), 1, "another instance is running")
    send(collector, "greenhouse", batch(2))
    assert collector.command("status").returncode == 0


def test_serve_with_a_store_of_a_newer_program(filled: Program) -> None:
    """One line, and the store is as it was."""
    change(store(filled), "PRAGMA user_version = 99")
    before = store(filled).read_bytes()
    assert_one_line(filled.command("serve"), 1, "newer telegauge-collector", "version 99")
    assert store(filled).read_bytes() == before


@pytest.mark.parametrize("command", ["serve", "check", "status", "series", "query", "tail"])
def test_wrong_yaml_is_wrong_usage(collector: Program, command: str) -> None:
    """Every command says where the YAML is wrong, before it does anything."""
    collector.config.write_text("devices:\n  lissten: 127.0.0.1:1\n")
    done = collector.command(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "2:3" in done.stderr
    assert "listen" in done.stderr
    assert not list(collector.state.iterdir())


def test_killed_collector_starts_again_at_once(collector: Program) -> None:
    """What it acknowledged is there, and the socket it left is in nobody's way."""
    for seq in (1, 2, 3):
        collector.start()
        send(collector, "greenhouse", batch(seq))
        collector.kill()
    assert rows(store(collector), "SELECT mark, readings FROM epoch") == [(3, 3)]


def test_damaged_store_costs_no_start(filled: Program) -> None:
    """It is set aside with an error in the log, and readings come in again."""
    damaged = b"garbage " * 8192
    store(filled).write_bytes(damaged)
    filled.start()
    assert "store_set_aside" in filled.said()
    send(filled, "greenhouse", batch(1))
    assert filled.stop() == 0
    (aside,) = filled.state.glob("*.damaged-*")
    assert aside.read_bytes() == damaged


# check, schema, help


def test_check_says_what_would_run(collector: Program) -> None:
    """Where it listens and stores; nothing is made."""
    done = collector.command("check")
    assert done.returncode == 0
    assert f"listens on 127.0.0.1:{port(collector)}" in done.stdout
    assert str(store(collector)) in done.stdout
    assert not list(collector.state.iterdir())


def test_schema_is_json(collector: Program) -> None:
    """An editor can read it."""
    done = collector.command("schema")
    assert done.returncode == 0
    assert "$schema" in json.loads(done.stdout)


@pytest.mark.parametrize("arguments", [["nonsense"], ["query", "--format", "xml"], []])
def test_unknown_usage(arguments: list[str]) -> None:
    """It ends with 2."""
    done = subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        check=False, cwd=programs.ROOT, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2


# status


def test_status_of_a_running_collector(collector: Program) -> None:
    """Where it listens, what is stored, and who is connected."""
    collector.start()
    send(collector, "greenhouse", batch(1), batch(2))
    add_gap(store(collector), "cellar", readings=5)
    done = collector.command("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"listening on 127.0.0.1:{port(collector)}" in done.stdout
    found = [line.split()[:5] for line in done.stdout.splitlines()]
    assert ["cellar", "away", "0", "5", "1"] in found
    assert ["greenhouse", "away", "2", "0", "0"] in found
    facts = json.loads(collector.command("status", "--json").stdout)
    assert facts["running"] is True
    assert [each["readings"] for each in facts["devices"]] == [0, 2]


def test_status_of_a_collector_that_is_not_running(filled: Program) -> None:
    """It says so, ends with 1, and tells what the store knows."""
    done = filled.command("status")
    assert (done.returncode, done.stderr) == (1, "")
    assert "the collector is not running" in done.stdout
    assert done.stdout.splitlines()[-1].split()[:4] == ["greenhouse", "unknown", "3", "0"]
    assert "+09:00" in done.stdout
    facts = json.loads(filled.command("status", "--json").stdout)
    assert (facts["running"], facts["devices"][0]["connected"]) == (False, None)


@pytest.mark.parametrize("command", ["status", "series", "query", "tail"])
def test_question_where_nothing_ever_ran(collector: Program, command: str) -> None:
    """One line that asks what may have been forgotten; no store is made."""
    assert_one_line(collector.command(command), 1, "no store here", str(store(collector)))
    assert not list(collector.state.iterdir())


# series


def test_series_with_their_last_readings(filled: Program) -> None:
    """A line a series that was described, also of one that never spoke."""
    done = filled.command("series")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = [line.split() for line in done.stdout.splitlines()]
    assert head[:3] == ["SERIES", "LAST", "UNIT"]
    assert [line[0] for line in lines] == [
        "cellar/air.temperature",
        "greenhouse/air.temperature",
        "greenhouse/soil.temperature",
    ]
    assert lines[0][1:4] == ["12.0", "degC", "good"]
    assert lines[1][1:5] == ["-", "degC", "bad", "(read_failed)"]
    assert lines[2][1:4] == ["-", "degC", "-"]


def test_series_as_json(filled: Program) -> None:
    """Every fact, null where there is none."""
    done = filled.command("series", "--json", "greenhouse/*")
    air, soil = json.loads(done.stdout)
    assert (air["name"], air["last_value"]) == ("greenhouse/air.temperature", None)
    assert air["last_quality"] == "bad (read_failed)"
    assert air["last_time_ns"] == BOOTED_NS + 3 * 10**9
    assert (soil["last_time_ns"], soil["interval_s"]) == (None, 1.0)


def test_series_whose_newest_readings_are_damaged(filled: Program) -> None:
    """It is told what was before, that something is damaged, and by the exit code."""
    change(store(filled), "UPDATE batch SET sealed = zeroblob(99) WHERE device = 1")
    done = filled.command("series")
    assert done.returncode == 1
    assert done.stderr.startswith("damaged: what is newest of ")
    assert "/* cannot be read. telegauge-collector verify says more" in done.stderr
    assert len(done.stdout.splitlines()) == 4


@pytest.fixture
def undated(collector: Program) -> Program:
    """A collector that is not started, with a reading of which nobody knows when it was taken."""
    with transaction(store(collector), at_ns(9)) as group:
        group.describe("greenhouse", described("air.temperature"))
        unset = ClockPair(10**9, 7, synchronised=False)
        group.store("greenhouse", [batch(1, read(1, 20.25), clock=unset)])
    return collector


def test_series_whose_last_time_is_unknown(undated: Program) -> None:
    """It is no reason to leave the reading out, nor to make up a time."""
    (_, line) = undated.command("series").stdout.splitlines()
    assert line.split()[1:5] == ["20.2", "degC", "good", "unknown"]
    (facts,) = json.loads(undated.command("series", "--json").stdout)
    assert (facts["last_value"], facts["last_time_ns"]) == (20.25, None)
    assert (facts["last_time_known"], facts["last_time_error_ns"]) == ("unknown", None)
    assert (facts["last_earliest_ns"], facts["last_latest_ns"]) == (None, at_ns(9))


def test_query_of_an_unknown_time(undated: Program) -> None:
    """A range that it may lie in has it; a range behind it has not."""
    done = undated.command("query", "--end", str(BOOTED_NS // 10**9))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unknown ")
    assert "(read before 2026-" in done.stdout
    assert undated.command("query", "--start", str(BOOTED_NS // 10**9 + 9 + 1)).returncode == 1
    assert "greenhouse" in undated.command("status").stdout


def test_series_that_nothing_matches(filled: Program) -> None:
    """It ends with 1."""
    assert filled.command("series", "attic/*").returncode == 1


# query


def test_query_as_a_table(filled: Program) -> None:
    """Series by series in order of time, in the zone of the YAML."""
    done = filled.command("query", *RANGE)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[1:4] for line in lines] == [
        ["cellar/air.temperature", "12.0", "degC"],
        ["greenhouse/air.temperature", "20.2", "degC"],
        ["greenhouse/air.temperature", "20.5", "degC"],
        ["greenhouse/air.temperature", "-", "degC"],
    ]
    assert all(line[0].endswith("+09:00") for line in lines)


def test_query_as_csv(filled: Program) -> None:
    """What a spreadsheet reads."""
    done = filled.command("query", *RANGE, "--format", "csv", "greenhouse/*")
    found = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["value"] for row in found] == ["20.25", "20.5", ""]


@pytest.mark.parametrize("flags", [["--format", "json"], ["--json"]])
def test_query_as_json(filled: Program, flags: list[str]) -> None:
    """One object a line."""
    done = filled.command("query", *RANGE, *flags, "*/air.*")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["value"] for each in found] == [12.0, 20.25, 20.5, None]


def test_query_takes_back_what_it_printed(filled: Program) -> None:
    """A time from the table, pasted as the start, begins with that reading."""
    printed = filled.command("query", *RANGE, "greenhouse/*").stdout
    second = printed.splitlines()[1].split()[0]
    done = filled.command("query", "--start", second, *RANGE[2:], "greenhouse/*")
    assert done.stdout == "".join(printed.splitlines(keepends=True)[1:])


def test_query_without_readings(filled: Program) -> None:
    """It says what was asked, and ends with 1."""
    done = filled.command("query", *RANGE, "attic/*")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "no series matches `attic/*`. There are, for example: cellar/air."
    )
    early = filled.command("query", "--start", "0", "--end", "999999999", "cellar/*")
    assert early.stderr == "no readings of `cellar/*` in this range\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--start", "yesterday"],
        ["--end", "32.13.2026"],
        ["--last", "soon"],
        ["--last", "1h", "--start", "2h"],
        ["--start", "1h", "--end", "2h"],
    ],
)
def test_query_of_a_range_that_is_none(filled: Program, arguments: list[str]) -> None:
    """One line that says what is wrong, and wrong usage."""
    assert_one_line(filled.command("query", *arguments), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--start", "0", "--end", "9999-12-31"],
        ["--start", "0001-01-01"],
        ["--start=-1000y"],
        ["--last", "200y"],
        ["--start", "1970-01-01", "--end", "9" * 30],
    ],
)
def test_query_of_a_range_beyond_all_times(filled: Program, arguments: list[str]) -> None:
    """Everything there is."""
    done = filled.command("query", *arguments)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 4), done.stderr


def test_query_of_the_last_hour_is_the_default(collector: Program) -> None:
    """Old readings are not in it."""
    commit(store(collector), "greenhouse", batch(1, read(-3_000_000)))
    assert collector.command("query").returncode == 1


def test_query_says_what_it_could_not_read(filled: Program) -> None:
    """The others are printed; nobody takes the answer for the whole."""
    change(store(filled), "UPDATE batch SET sealed = ? WHERE device = 1", b"bad")
    done = filled.command("query", *RANGE)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert done.stderr == "1 batches could not be read\n"


@pytest.mark.parametrize("command", ["status", "series", "query", "tail"])
@pytest.mark.parametrize("damage", ["garbage", "tables"])
def test_question_to_a_damaged_store(filled: Program, command: str, damage: str) -> None:
    """One line that says which file and what to do, whenever the damage is met."""
    data = store(filled).read_bytes()
    kept = data[:4096] if damage == "tables" else b""
    store(filled).write_bytes(kept + b"\xa5" * (len(data) - len(kept)))
    assert_one_line(
        filled.command(command),
        1,
        str(store(filled)),
        "cannot be read",
        "sets a damaged store aside",
    )


@pytest.mark.parametrize("arguments", ["query --start 0", "query --start 0 --json"])
def test_reader_of_our_output_has_seen_enough(filled: Program, arguments: str) -> None:
    """`| head -1` gets its line; nobody complains."""
    commit(store(filled), "cellar", batch(2, *(read(n) for n in range(1000))),
           *(batch(seq, *(read(n) for n in range(1000))) for seq in range(3, 8)))  # fmt: skip
    command = f"{shlex.quote(sys.executable)} -m collector {arguments}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} -c {shlex.quote(str(filled.config))} | head -1"],
        check=False, env=filled.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


# tail


@contextmanager
def tail(program: Program, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """`tail` as a process, and the file that its output goes to."""
    output = program.folder / "tail.out"
    with (
        output.open("wb") as out,
        (program.folder / "tail.err").open("wb") as err,
        subprocess.Popen(
            [sys.executable, "-m", "collector", "tail", "-c", str(program.config), *arguments],
            env=program.environment, cwd=program.folder, stdout=out, stderr=err,
        ) as process,
    ):  # fmt: skip
        try:
            yield process, output
        finally:
            process.kill()


class Feed:
    """Keeps sending, so that a `tail` that starts at some time has something to show."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.seq = 0

    def until_shown(self, output: Path) -> None:
        """Send batch after batch until one is shown that was sent from now on."""
        first = self.seq + 1

        def is_shown() -> bool:
            self.seq += 1
            send(self._program, "greenhouse", batch(self.seq))
            shown = [json.loads(line)["value"] for line in output.read_text().splitlines()]
            return any(value >= first for value in shown)

        wait_until(is_shown)


def test_tail_shows_what_is_committed_and_survives_a_restart(collector: Program) -> None:
    """Each reading once, in order, also over kill -9 of the collector; Ctrl-C ends it with 0."""
    collector.start()
    feed = Feed(collector)
    with tail(collector, "--json") as (process, output):
        feed.until_shown(output)
        collector.kill()
        collector.start()
        feed.until_shown(output)
        assert collector.stop() == 0
        wait_until(lambda: json.loads(output.read_text().splitlines()[-1])["value"] == feed.seq)
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    values = [json.loads(line)["value"] for line in output.read_text().splitlines()]
    assert values == [float(seq) for seq in range(int(values[0]), feed.seq + 1)]


def test_tail_shows_only_what_matches(filled: Program) -> None:
    """As a table, with the decimals of the series; what is old is not shown."""
    with tail(filled, "greenhouse/*") as (process, output):
        seqs = iter(range(2, 10_000))

        def is_shown() -> bool:
            seq = next(seqs)
            commit(store(filled), "cellar", batch(seq, read(seq, 5.5)))
            commit(store(filled), "greenhouse", batch(seq, read(seq, 6.54)))
            return output.read_text().endswith("\n")

        wait_until(is_shown)
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    for line in output.read_text().splitlines():
        assert line.split()[1:] == ["greenhouse/air.temperature", "6.5", "degC", "good"]


def test_tail_whose_reader_has_seen_enough(filled: Program) -> None:
    """It ends when it next has something to say, without complaint."""
    command = [sys.executable, "-m", "collector", "tail", "-c", str(filled.config)]
    with subprocess.Popen(
        command, env=filled.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        seqs = iter(range(2, 10_000))

        def has_ended() -> bool:
            commit(store(filled), "cellar", batch(next(seqs)))
            return process.poll() is not None

        try:
            wait_until(has_ended)
        finally:
            process.kill()
        assert (process.returncode, process.stderr.read()) == (0, b"")
