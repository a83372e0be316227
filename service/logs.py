"""How a program says what happens: one line an event, for people, the journal or a machine.

It owns the form of a line and where it goes; it knows no event. What others log (the standard
`logging` and `warnings`, uncaught exceptions) comes out in the same lines.
"""

import contextlib
import functools
import json
import logging
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Annotated, Any, Literal, TextIO

import msgspec
import structlog

# sd-daemon(3): what journald takes off the front of a line and keeps as its priority.
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_COLOURS = {"critical": "31;1", "error": "31;1", "warning": "33", "info": "32", "debug": "2"}
# The journal cuts lines at 48 KiB, and what is cut off would look like a line of its own.
_LINE_BYTES = 40_000
_VALUE_CHARS = 3000

_Facts = dict[str, Any]
_log = structlog.get_logger()


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is logged, and in what form."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        msgspec.Meta(description="The least important lines that are still written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "logfmt", "json"],
        msgspec.Meta(
            description=(
                "auto: text on a terminal, else logfmt (key=value). json: one object a line."
            )
        ),
    ] = "auto"


def configure(
    settings: LogSettings,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send every line of this process to `stream` (standard error); may be called again.

    A line that cannot be written (closed pipe, full disk) is lost without a word: the program
    goes on.
    """
    stream = sys.stderr if stream is None else stream
    output = _Output(stream)
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _line_maker(settings.format, stream, environ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: output,
    )
    _take_over_others(level)


class _Output:
    """What structlog calls a logger: it gets finished lines. One write a line, so none mix."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream  # None: the program was started with a closed standard error
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, line: str) -> None:
        # Closed, broken or full: there is nobody left to tell.
        with contextlib.suppress(OSError, ValueError):
            self._write(line + "\n")

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        descriptor = _descriptor(self._stream)
        if descriptor is None:
            self._stream.write(line)
        else:
            # Past Python's buffer: what it cannot write it keeps, and fails on again at the exit.
            os.write(descriptor, line.encode(self._encoding, "backslashreplace"))

    debug = info = warning = error = critical = write


class _LineMaker:
    """The last structlog processor: from an event's facts to a line. Never raises."""

    def __init__(
        self, form: Callable[[_Facts], str], now: Callable[[], str] | None, is_journal: bool
    ) -> None:
        self._form = form
        self._now = now
        self._is_journal = is_journal

    def __call__(self, _logger: object, _method: str, facts: Any) -> str:
        try:
            return self._line(dict(facts))
        except Exception as failure:  # noqa: BLE001 - a fact that has no text must not end anything
            failed = {"level": "error", "event": "log_failed", "error": type(failure).__name__}
            return self._line(failed | {"line": str(facts["event"])})

    def _line(self, facts: _Facts) -> str:
        level = facts.pop("level")
        first = {"timestamp": self._now()} if self._now else {}
        first |= {"level": level, "event": facts.pop("event")}
        if "exception" in facts:
            facts["traceback"] = facts.pop("exception")[-_VALUE_CHARS:]  # its end says most
        line = self._form(first | facts)
        if len(line.encode(errors="replace")) > _LINE_BYTES:
            raise ValueError("line too long")
        if not self._is_journal:
            return line
        prefix = f"<{_PRIORITIES[level]}>"
        return prefix + line.replace("\n", "\n" + prefix)


def _line_maker(wanted: str, stream: TextIO | None, environ: Mapping[str, str]) -> _LineMaker:
    is_journal = _is_journal(stream, environ)
    is_terminal = stream is not None and not stream.closed and stream.isatty()
    if wanted == "json":
        return _LineMaker(_json, _utc_time, is_journal)
    if wanted == "logfmt" or not (is_terminal or wanted == "text"):
        return _LineMaker(_logfmt, None if is_journal else _utc_time, is_journal)
    # no-color.org; a dumb terminal would show the escape characters
    is_plain = not is_terminal or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    form = functools.partial(_text, paint=_unpainted if is_plain else _painted)
    return _LineMaker(form, None if is_journal else _local_time, is_journal)


def _is_journal(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether the stream goes to the journal: systemd.exec(5) on $JOURNAL_STREAM."""
    descriptor = None if stream is None else _descriptor(stream)
    if descriptor is None or "JOURNAL_STREAM" not in environ:
        return False
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        return environ["JOURNAL_STREAM"] == f"{status.st_dev}:{status.st_ino}"
    return False


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None  # kept in memory, or closed


def _utc_time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local_time() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _json(facts: _Facts) -> str:
    return json.dumps({key: _json_value(value) for key, value in facts.items()})


def _json_value(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        case list() | tuple():
            return [_json_value(each) for each in value]
        case dict():
            return {str(key): _json_value(each) for key, each in value.items()}
        case _:
            return _words(value)


def _logfmt(facts: _Facts) -> str:
    return " ".join(f"{key}={_quoted(_words(value))}" for key, value in facts.items())


def _text(facts: _Facts, paint: Callable[[str, str], str]) -> str:
    timestamp, level, event, traceback = (
        facts.pop(key, "") for key in ("timestamp", "level", "event", "traceback")
    )
    words = [paint(timestamp, "2")] if timestamp else []
    words += [paint(f"{level:<8}", _COLOURS[level]), paint(_quoted(_words(event)), "1")]
    words += [paint(f"{key}=", "36") + _quoted(_words(value)) for key, value in facts.items()]
    # Indented, no line of it can pass for an event, whatever an exception quotes from a peer.
    indented = ["    " + _printable(line) for line in traceback.split("\n") if line]
    return "\n".join([" ".join(words), *indented])


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def _unpainted(text: str, _colour: str) -> str:
    return text


def _words(value: object) -> str:
    """Return a fact as text of bounded length."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case bytes():
            text = value.hex()
        case list() | tuple() | set() | frozenset():
            text = ",".join(_words(each) for each in value)
        case BaseException():
            text = str(value) or type(value).__name__
        case _:
            text = str(value)
    return text if len(text) <= _VALUE_CHARS else text[: _VALUE_CHARS - 3] + "..."


def _quoted(text: str) -> str:
    """Return a logfmt value: bare where that is unambiguous, else quoted as JSON quotes.

    Only printable characters come out, so a peer's text can neither begin a line nor drive a
    terminal.
    """
    if text and text.isprintable() and not set(text) & set(' ="\\'):
        return text
    backslashed = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(backslashed)}"'


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _take_over_others(level: int) -> None:
    """Send here what does not come through structlog."""
    root = logging.getLogger()
    # Others' small talk (asyncio names its selector) is for those who look for a fault.
    root.setLevel(level if level == logging.DEBUG else logging.WARNING)
    root.handlers = [_LibraryLogs()]
    warnings.showwarning = _show_warning
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class _LibraryLogs(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _log.log(
            min(record.levelno // 10 * 10, logging.CRITICAL) or logging.DEBUG,
            "library_log",
            library=record.name,
            message=_message(record),
            exc_info=record.exc_info,
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - its arguments do not fit: a fault of the library's, not ours
        return str(record.msg)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    where = {"file": filename, "line": lineno}
    _log.warning("python_warning", category=category.__name__, message=str(message), **where)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, _: TracebackType | None, **facts: str
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return  # asked for, not a fault
    _log.critical("uncaught_exception", exc_info=error, **facts)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    thread = args.thread.name if args.thread else ""
    _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback, thread=thread)
