"""Programs as sensors: real ones, what they print, how they fail, and how they are ended."""

import os
import threading
import time
from pathlib import Path

import pytest

from device.sensors import SensorError, make, problems
from device.sensors import exec as driver
from kit.listening import held
from kit.waiting import wait_until


@pytest.fixture
def run():
    """Makes an open adapter of a shell script; closed adapters leave nothing behind, no zombie either."""
    before, made = held(), []

    def run(script, **options):
        adapter = make("exec", {"command": ["sh", "-c", script], **options})
        made.append(adapter)
        adapter.open()
        return adapter

    yield run
    for adapter in made:
        adapter.close()
    assert held() == before
    assert children() == []


def children():
    """The processes that this one has started and not reaped."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def values(adapter):
    """What a read gives, by channel."""
    return {sample.channel: sample.value for sample in adapter.read()}


def opened_and_read(adapter):
    """What the first read gives."""
    adapter.open()
    return adapter.read()


def is_alive(pid):
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def failing(adapter):
    """Why a read fails."""
    with pytest.raises(SensorError) as error:
        adapter.read()
    return str(error.value)


def test_what_a_program_prints_is_read(run):
    """Lines become channels, which are known once it is open."""
    adapter = run("echo level 0.83; echo; echo t=21.5 h=40")
    assert [channel.name for channel in adapter.channels] == ["level", "t", "h"]
    assert values(adapter) == {"level": 0.83, "t": 21.5, "h": 40}


def test_each_read_runs_it_anew(run, tmp_path):
    """Once a read, the first of them with the opening."""
    adapter = run(f"echo x >> {tmp_path}/runs; wc -l < {tmp_path}/runs")
    assert [values(adapter) for _ in range(3)] == [{"value": 1}, {"value": 2}, {"value": 3}]


def test_json_is_read_whole(run):
    """However it is printed."""
    adapter = run("""printf '{\\n "air": {"t": 21.5}\\n}\\n'""", parse="json")
    assert values(adapter) == {"air_t": 21.5}


def test_a_pattern_reads_any_program(run):
    """As it was meant for vcgencmd."""
    adapter = run('echo "temp=47.8\'C"', pattern="temp=(?P<temperature>[0-9.]+)")
    assert values(adapter) == {"temperature": 47.8}


def test_there_is_no_shell(tmp_path):
    """What stands in the list is handed on as it is."""
    adapter = make("exec", {"command": ["echo", "a=1", f"b=$(touch {tmp_path}/made)"]})
    adapter.open()
    assert "is no key=value" in failing(adapter)
    assert not (tmp_path / "made").exists()


def test_its_surroundings_are_the_same_everywhere(run, monkeypatch):
    """PATH and LANG=C.UTF-8 alone, no input, a session of its own."""
    monkeypatch.setenv("SECRET", "1")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    adapter = run(
        'test "$LANG$SECRET" = C.UTF-8 && test -n "$PATH" || exit 3; '
        "test $(cut -d' ' -f6 /proc/$$/stat) = $$ || exit 4; wc -c"
    )
    assert values(adapter) == {"value": 0}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 1; exit 3", "sh ended with exit code 3"),
        (
            "echo 1; echo first >&2; echo no chip >&2; echo >&2; exit 1",
            "sh ended with exit code 1: no chip",
        ),
        ("kill -9 $$", "sh was ended by SIGKILL"),
        ("kill -40 $$", "sh was ended by signal 40"),
        ("true", "sh printed nothing at all"),
        ("echo hello", "sh printed `hello` is no number"),
        ("head -c 70000 /dev/zero; sleep 600", "sh printed more than 64 KiB"),
    ],
)
def test_a_program_that_fails_is_a_failed_read(run, script, told):
    """With how it ended, and the last line of its stderr."""
    adapter = run(script)
    assert told in failing(adapter)
    assert told in failing(adapter)


def test_much_on_stderr_is_no_matter(run):
    """It is read and forgotten, but for its end."""
    adapter = run("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo 1")
    assert values(adapter) == {"value": 1}


def test_a_program_may_close_its_output_early(run):
    """It is waited for all the same: how it ends counts."""
    adapter = run("echo 1; exec >&- 2>&-; sleep 0.1; exit 5")
    assert "exit code 5" in failing(adapter)


def test_what_it_leaves_behind_ends_with_it(run, tmp_path):
    """A child that holds the output open is neither waited for nor left alive."""
    adapter = run(f"sleep 600 & echo $! > {tmp_path}/pid; echo 1")
    assert values(adapter) == {"value": 1}
    pid = (tmp_path / "pid").read_text().strip()
    wait_until(lambda: not is_alive(pid))


def test_close_ends_a_program_that_runs(run, tmp_path):
    """From another thread, at once, with its children; the read fails."""
    go = tmp_path / "go"
    adapter = run(
        f"test -e {go} || {{ echo 1; exit; }}; sleep 600 & echo $! > {tmp_path}/pid; wait"
    )
    adapter.read()
    go.touch()
    failures = []
    reader = threading.Thread(target=lambda: failures.append(failing(adapter)))
    reader.start()
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    adapter.close()
    reader.join(10)
    assert not reader.is_alive()
    assert "closed while the program ran" in failures[0]
    wait_until(lambda: not is_alive((tmp_path / "pid").read_text().strip()))


def test_close_between_the_start_and_the_first_look_is_heeded(run, monkeypatch):
    """The program is started, and killed at once."""
    adapter = run("echo 1")
    adapter.read()
    popen = driver.subprocess.Popen

    def started(*given, **named):
        adapter.close()
        return popen(["sleep", "600"], **{**named, "executable": None})

    monkeypatch.setattr(driver.subprocess, "Popen", started)
    adapter._is_open = True
    began_s = time.monotonic()
    assert "closed while" in failing(adapter)
    assert time.monotonic() - began_s < 60


def test_a_program_that_never_ends_is_ended(run, monkeypatch):
    """Long after anybody waited for it."""
    adapter = run("echo 1")
    adapter.read()
    monkeypatch.setattr(driver, "_LONGEST_S", 0.05)
    adapter._command = ["sh", "-c", "sleep 600"]
    assert "has not ended within 0.05 s" in failing(adapter)


def test_a_program_that_is_missing_says_what_to_do(tmp_path):
    """Where it was looked for; a file that is there may lack a mode or a first line."""
    script = tmp_path / "script"

    def refused(program):
        adapter = make("exec", {"command": [program]})
        with pytest.raises(SensorError) as error:
            opened_and_read(adapter)
        adapter.close()
        return str(error.value)

    assert f"no program `vcgencmmd` in {os.environ['PATH']}: install it" in refused("vcgencmmd")
    assert f"there is no program {script}: install it, or mend its path" in refused(str(script))
    assert "there is no program /" in refused("/" + "x" * 300)
    assert "/home/pi/x (the service sees no home folders): install" in refused("/home/pi/x")
    script.write_text("echo 1\n")
    assert f"{script} may not be run: `chmod +x` it" in refused(str(script))
    script.chmod(0o755)
    assert "Does it begin with #!/bin/sh?" in refused(str(script))


def test_a_closed_adapter_runs_nothing(run):
    """And may be opened again."""
    adapter = run("echo 1")
    adapter.close()
    assert failing(adapter) == "not open"
    adapter.open()
    assert values(adapter) == {"value": 1}


@pytest.mark.parametrize(
    ("options", "at_fault", "told"),
    [
        ({}, None, "needs the option `command`"),
        ({"command": []}, "command", "a list of texts"),
        ({"command": [""]}, "command", "begins with the name of a program"),
        ({"command": ["echo", 1]}, "command", "a list of texts"),
        ({"command": "vcgencmd measure_temp"}, "command", "`command: [vcgencmd, measure_temp]`"),
        ({"command": ["x"], "timeout": 1}, "timeout", "no option `timeout`"),
        ({"command": ["x"], "pattern": "("}, "pattern", "no regular expression"),
    ],
)
def test_wrong_options_are_found(options, at_fault, told):
    """With the option at fault; a line for a shell is answered with the list that it means."""
    [problem] = problems("exec", options)
    assert problem.option == at_fault
    assert told in problem.message


def test_the_program_does_not_stand_behind_the_colon():
    """It is a list."""
    [problem] = problems("exec:vcgencmd", {"command": ["vcgencmd"]})
    assert problem.message == "write `exec` alone, and the program as `command`"
