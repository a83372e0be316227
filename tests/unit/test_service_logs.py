"""service.logs: one event is one line, in the form its reader needs, whatever is in it."""

import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from service import logs
from service.logs import LogSettings

ROOT = Path(__file__).parents[2]
PROGRAM = """
import logging, structlog, sys, threading, warnings
from service.logs import LogSettings, configure
configure(LogSettings(level={level!r}, format={form!r}))
log = structlog.get_logger()
"""


def program(body: str, form: str = "auto", level: str = "info") -> list[str]:
    """Return the command of a program that configures its logs and runs `body`."""
    head = PROGRAM.format(form=form, level=level)
    return [sys.executable, "-c", head + textwrap.dedent(body)]


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what would change the form of a line."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("JOURNAL_STREAM", "NO_COLOR", "PYTHONWARNINGS")
    }
    return {**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


def lines_of(body: str, form: str = "auto", level: str = "info") -> list[str]:
    """Run a program with a pipe for standard error; return the lines it wrote there."""
    ran = subprocess.run(
        program(body, form, level),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
        check=False,
    )
    assert ran.stdout == ""
    return ran.stderr.splitlines()


def journal_of(body: str, form: str = "auto") -> str:
    """Run a program as systemd does when its standard error is the journal."""
    reading, writing = os.pipe()
    status = os.fstat(writing)
    stream = f"{status.st_dev}:{status.st_ino}"
    with os.fdopen(reading, encoding="utf-8") as journal:
        subprocess.run(
            program(body, form),
            stderr=writing,
            env=environment(JOURNAL_STREAM=stream),
            timeout=30,
            check=False,
        )
        os.close(writing)
        return journal.read()


def terminal_of(body: str, **more: str) -> str:
    """Run a program with a terminal for standard error; return what the terminal got."""
    terminal, program_end = pty.openpty()
    subprocess.run(
        program(body), stderr=program_end, env=environment(**more), timeout=30, check=False
    )
    os.close(program_end)
    with os.fdopen(terminal, "rb", buffering=0) as reader:
        got = b""
        try:
            while part := reader.read(65536):
                got += part
        except OSError:  # Linux says EIO at the end of a terminal
            pass
    return got.decode()


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep from this process what `configure` takes over."""
    monkeypatch.setattr(logs, "_take_over_others", lambda level: None)


def written(facts: Mapping[str, object], form: str = "logfmt") -> str:
    """Return what one event writes, from within this process."""
    stream = io.StringIO()
    before = structlog.get_config()
    try:
        logs.configure(msgspec.convert({"format": form}, LogSettings), stream, {})
        structlog.get_logger().info("happened", **facts)
    finally:
        structlog.configure(**before)
    return stream.getvalue()


def test_a_pipe_gets_logfmt_with_the_time() -> None:
    """Not on a terminal, not under systemd: key=value, the time first, in UTC."""
    (line,) = lines_of("log.info('link_up', device='greenhouse', after_s=1.5)")
    timestamp, rest = line.split(" ", 1)
    at = datetime.fromisoformat(timestamp.removeprefix("timestamp="))
    assert timestamp.endswith("Z")
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert rest == "level=info event=link_up device=greenhouse after_s=1.5"


def test_the_journal_gets_a_priority_and_no_time() -> None:
    """The journal has the time, and takes the priority from the front of the line."""
    said = journal_of("log.info('a'); log.warning('b'); log.error('c')")
    assert said.splitlines() == [
        "<6>level=info event=a",
        "<4>level=warning event=b",
        "<3>level=error event=c",
    ]


def test_text_in_the_journal_has_its_priority_on_every_line() -> None:
    """Each line of a traceback is an entry of the journal, and none falls back to `info`."""
    said = journal_of("try: 1/0\nexcept ZeroDivisionError: log.exception('bad')", form="text")
    assert len(said.splitlines()) > 3
    assert all(line.startswith("<3>") for line in said.splitlines())


def test_another_streams_journal_is_not_ours() -> None:
    """Who redirects standard error of a service to a file gets times, and no priority."""
    ran = subprocess.run(
        program("log.info('a')"),
        capture_output=True,
        text=True,
        env=environment(JOURNAL_STREAM="1:1"),
        timeout=30,
        check=True,
    )
    assert ran.stderr.startswith("timestamp=")


def test_a_terminal_gets_colours() -> None:
    """Text with colours, for eyes."""
    said = terminal_of("log.info('link_up', device='greenhouse')")
    assert "\x1b[32m" in said
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert re.fullmatch(r"\d\d:\d\d:\d\d info     link_up device=greenhouse\r\n", plain)


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(variable: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal are honoured."""
    assert "\x1b" not in terminal_of("log.info('link_up')", **variable)


def test_json_is_one_object_a_line() -> None:
    """Numbers stay numbers, lists lists; what JSON lacks becomes text."""
    (line,) = lines_of(
        "log.info('a', n=3, ok=True, none=None, nan=float('nan'), names=['x'], key=bytes([1, 255]))",
        form="json",
    )
    facts = json.loads(line)
    assert datetime.fromisoformat(facts.pop("timestamp")).tzinfo is UTC
    assert facts == {
        "level": "info", "event": "a", "n": 3, "ok": True, "none": None, "nan": "nan",
        "names": ["x"], "key": "01ff",
    }  # fmt: skip


def test_less_important_lines_are_left_out() -> None:
    """`level` is the least that is written."""
    body = "log.debug('a'); log.info('b'); log.warning('c'); log.error('d')"
    assert [line[-1] for line in lines_of(body, level="warning")] == ["c", "d"]
    assert [line[-1] for line in lines_of(body, level="debug")] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_traceback_is_a_fact_on_the_same_line(form: str) -> None:
    """Who collects lines gets the traceback with its event."""
    (line,) = lines_of("try: 1/0\nexcept ZeroDivisionError: log.exception('read_failed')", form)
    assert "read_failed" in line
    assert "ZeroDivisionError: division by zero" in line
    assert re.search(r'traceback"?[=:] ?"Traceback', line)


def test_text_shows_a_traceback_as_it_is_indented() -> None:
    """On a terminal it is for reading; indented, so that no line of it looks like an event."""
    first, *rest = lines_of("try: 1/0\nexcept ZeroDivisionError: log.exception('bad')", "text")
    assert first.endswith("error    bad")
    assert rest[-1] == "    ZeroDivisionError: division by zero"
    assert all(line.startswith("    ") for line in rest)


def test_a_long_traceback_keeps_its_end() -> None:
    """The last line says what went wrong, so it is the beginning that is cut."""
    body = "try: raise ValueError('x' * 5000 + 'END')\nexcept ValueError: log.exception('bad')"
    (line,) = lines_of(body)
    assert line.endswith("xEND")


def test_warnings_come_as_events() -> None:
    """What Python warns of is a line like any other."""
    (line,) = lines_of("warnings.warn('old\\nthing')")
    assert 'level=warning event=python_warning category=UserWarning message="old\\nthing"' in line


def test_libraries_come_as_events() -> None:
    """What others log with `logging` is a line; their small talk only at debug."""
    body = """
        logging.getLogger('asyncio').info('small talk')
        logging.getLogger('asyncio').warning('slow %s', 'callback')
        logging.getLogger('x').error('%d', 'no number')
        logging.getLogger('x').log(35, 'own level')
    """
    said = [line.split(" ", 1)[1] for line in lines_of(body)]
    assert said == [
        'level=warning event=library_log library=asyncio message="slow callback"',
        "level=error event=library_log library=x message=%d",
        'level=warning event=library_log library=x message="own level"',
    ]
    assert len(lines_of(body, level="debug")) == 4


def test_uncaught_exceptions_come_as_events() -> None:
    """Of the program and of its threads: else they are many lines without a priority."""
    body = """
        thread = threading.Thread(target=lambda: 1/0, name='reader-air')
        thread.start()
        thread.join()
        raise SystemError('the end')
    """
    first, second = lines_of(body)
    assert "level=critical event=uncaught_exception thread=reader-air" in first
    assert "level=critical event=uncaught_exception" in second
    assert 'SystemError: the end"' in second


def test_a_fact_without_text_does_not_end_the_program() -> None:
    """Logging never raises: the line says that it failed, and which."""
    body = """
        class Broken:
            def __str__(self): raise RuntimeError
        log.info('a', fact=Broken())
        log.info('b')
    """
    first, second = lines_of(body)
    assert first.endswith("level=error event=log_failed error=RuntimeError line=a")
    assert second.endswith("event=b")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2> >(:)"])
def test_a_program_outlives_its_standard_error(redirection: str) -> None:
    """Closed, on a full disk, or a pipe nobody reads: it goes on, and its exit code stays."""
    body = """
        for _ in range(2000):
            log.info('happened', fact='x' * 100)
        print('reached', flush=True)
        sys.exit(3)
    """
    line = " ".join(map(shlex.quote, program(body)))
    ran = subprocess.run(
        ["bash", "-c", f"{line} {redirection}"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=30,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("reached\n", 3)


def test_a_second_configure_counts() -> None:
    """A reload changes the level of loggers that were used before."""
    body = """
        log.debug('a')
        configure(LogSettings(level='debug', format='logfmt'))
        log.debug('b')
    """
    (line,) = lines_of(body)
    assert line.endswith("event=b")


@pytest.mark.usefixtures("untouched")
@given(st.text())
def test_no_text_can_forge_a_line_or_drive_a_terminal(text: str) -> None:
    """Whatever a peer calls itself, one event is one line of printable characters."""
    for form in ("logfmt", "text", "json"):
        line = written({"device": text}, form)
        assert line.count("\n") == 1
        assert line.removesuffix("\n").isprintable()


@pytest.mark.usefixtures("untouched")
@given(st.text())
def test_a_logfmt_value_can_be_read_back(text: str) -> None:
    """Bare or quoted as JSON quotes, a value is unambiguous."""
    value = written({"device": text}).rstrip("\n").split(" device=", 1)[1]
    assert (json.loads(value) if value.startswith('"') else value) == text


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("form", ["logfmt", "text", "json"])
def test_a_line_is_bounded(form: str) -> None:
    """The journal would cut a longer one, and take its rest for another line."""
    assert len(written({"device": "x" * 100_000}, form)) < 4000
    assert "log_failed" in written({f"fact_{n}": "x" * 2500 for n in range(30)}, form)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, '""'), ("", '""'), (True, "true"), (["a", "b"], "a,b"), (b"\x01\xff", "01ff"),
     (TimeoutError(), "TimeoutError"), (OSError("no"), "no"), (1.5, "1.5"), ("a b", '"a b"')],
)  # fmt: skip
def test_facts_read_well(value: object, expected: str) -> None:
    """Values come as people write them, and an error without words says its name."""
    assert written({"fact": value}).endswith(f" fact={expected}\n")


def test_settings_explain_themselves() -> None:
    """Every setting carries the words that the YAML's schema shows."""
    properties = msgspec.json.schema(LogSettings)["$defs"]["LogSettings"]["properties"]
    assert all(each["description"] for each in properties.values())
