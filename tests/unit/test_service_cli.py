"""service.cli: what a person sees of a command, and what a script sees: the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from config.problems import ConfigError
from kit.programs import ROOT
from service.cli import FAILED, GOOD, USAGE, run_program, to_json
from wire import __version__

# A package of commands, one module a verb, as the programs have.
COMMANDS = {
    "good": "print(options.config, options.json); return 0",
    "bad": "return 1",
    "usage": "raise UsageError('no sensor `ari`; there are: air')",
    "known": "raise FileNotFoundError('no socket')",
    "wrong": "raise ValueError('line 3: no')",
    "many": "raise ValueError('first\\nsecond')",
    "yaml": "raise ConfigError('f', [Problem(m, (), Position(1, n)) for n, m in ((1, 'a'), (2, 'b'))])",
    "bug": "raise KeyError('bug')",
    "interrupted": "raise KeyboardInterrupt",
    "chatty": "print('x' * 1_000_000); return 0",
}
KNOWN: dict[type[Exception], int] = {OSError: FAILED, ValueError: USAGE}

MODULE = """
from config.problems import ConfigError, Position, Problem
from service.cli import UsageError, add_json

HELP = "be {name}"

def arguments(parser):
    add_json(parser)

def run(options):
    {body}
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the package `verbs`."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "verbs").mkdir()
    (folder / "verbs/__init__.py").touch()
    for name, body in COMMANDS.items():
        (folder / f"verbs/{name}.py").write_text(MODULE.format(name=name, body=body))
    return folder


@pytest.fixture(autouse=True)
def importable(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands be found."""
    monkeypatch.syspath_prepend(package)


def run(*argv: str) -> int:
    """Run one command in this process."""
    return run_program("telegauge-x", "Does things.", "verbs", list(COMMANDS), KNOWN, argv)


def test_command_gets_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """-c belongs to every command; what it returns is the exit code."""
    assert run("good", "-c", "x.yaml", "--json") == GOOD
    assert run("good") == GOOD
    assert capsys.readouterr().out == "x.yaml True\nNone False\n"
    assert run("bad") == 1


@pytest.mark.parametrize(
    ("verb", "code", "line"),
    [
        ("usage", USAGE, "no sensor `ari`; there are: air"),
        ("known", FAILED, "no socket"),
        ("wrong", USAGE, "line 3: no"),
    ],
)
def test_what_a_person_can_mend_is_one_line(
    verb: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named after the program, on standard error, without a traceback."""
    assert run(verb) == code
    assert capsys.readouterr() == ("", f"telegauge-x: {line}\n")


def test_what_ends_a_program_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For the head of `systemctl status`; what goes well is nothing to tell."""
    told: list[str] = []
    codes: dict[type[Exception], int] = {**KNOWN, ConfigError: USAGE}
    for verb in ("known", "wrong", "many", "yaml", "good"):
        run_program("x", "", "verbs", list(COMMANDS), codes, [verb], told.append)
    assert told == ["no socket", "line 3: no", "first", "f:1:1: a (and 1 more)"]
    assert "f:1:2: b\n2 problems in f\n" in capsys.readouterr().err


def test_kinds_of_a_known_error_are_known_too(capsys: pytest.CaptureFixture[str]) -> None:
    """FileNotFoundError is an OSError: the code of the first kind that fits."""
    codes: dict[type[Exception], int] = {FileNotFoundError: 2, OSError: 1}
    assert run_program("x", "", "verbs", ["known"], codes, ["known"]) == 2
    assert capsys.readouterr().err == "x: no socket\n"


def test_bug_is_shown() -> None:
    """What nobody expected keeps its traceback."""
    with pytest.raises(KeyError, match="bug"):
        run("bug")


def test_interrupt_is_no_fault() -> None:
    """Ctrl-C ends a command quietly."""
    assert run("interrupted") == GOOD


@pytest.mark.parametrize("argv", [[], ["unheard-of"], ["good", "--what"], ["good", "extra"]])
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No command, an unknown one, arguments it does not take: 2, and how it is used."""
    with pytest.raises(SystemExit) as ended:
        run(*argv)
    assert ended.value.code == USAGE
    assert capsys.readouterr().err.startswith("usage: telegauge-x")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, each with what it is for; and which YAML is taken without -c."""
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == GOOD
    shown = capsys.readouterr().out
    assert all(f"be {name}" in shown for name in COMMANDS)
    with pytest.raises(SystemExit):
        run("good", "--help")
    assert "the one in /etc/telegauge, else the one shipped" in " ".join(
        capsys.readouterr().out.split()
    )


def test_reader_that_has_seen_enough_is_no_fault(package: Path) -> None:
    """`telegauge-device schema | head` ends quietly, also when nothing at all is read."""
    script = (
        "import sys; from service.cli import run_program;"
        "sys.exit(run_program('x', '', 'verbs', ['chatty'], {}, ['chatty']))"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{package}"},
            stdout=write_end,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (GOOD, b"")


class Answer(msgspec.Struct):
    """As a command prints it."""

    series: str
    value: float | None


def test_json_is_json() -> None:
    """Indented for people, exact for programs."""
    text = to_json([Answer("pi/air.temperature", 21.5), Answer("pi/air.humidity", None)])
    assert json.loads(text) == [
        {"series": "pi/air.temperature", "value": 21.5},
        {"series": "pi/air.humidity", "value": None},
    ]
    assert text.startswith('[\n  {\n    "series"')


@pytest.mark.parametrize("package", ["device", "collector"])
def test_version_is_printed(package: str) -> None:
    """`--version` names the program and its version."""
    done = subprocess.run(
        [sys.executable, "-m", package, "--version"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"telegauge-{package} {__version__}\n"


def test_full_disk_under_the_output_is_one_line() -> None:
    """What cannot be printed is said, without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "device", "schema"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "telegauge-device: cannot write the output: No space left on device\n"
