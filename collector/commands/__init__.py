"""The verbs of telegauge-collector, one file each; here is what several of them need."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from service import folders
from service.cli import UsageError

if TYPE_CHECKING:
    from collector.settings import CollectorSettings
    from collector.store import Reader

PROGRAM = "telegauge-collector"
_ANSWER_WITHIN_S = 20.0
_T = TypeVar("_T")


def config_file(options: argparse.Namespace) -> Path:
    """Return the YAML in force: -c, else the one in /etc/telegauge, else the one shipped."""
    from config import chosen

    return chosen(options.config, "collector.yaml")


def settings_of(options: argparse.Namespace) -> "CollectorSettings":
    """Load the YAML in force.

    Raises:
        ConfigError: with every problem of it.
    """
    from collector.settings import CollectorSettings, check
    from config import load

    return load(config_file(options), CollectorSettings, check)


def store_file(settings: "CollectorSettings") -> Path:
    """Return the file of the store."""
    from collector.store import FILE_NAME

    folder = settings.store.folder
    return (Path(folder) if folder else folders.state_folder(PROGRAM)) / FILE_NAME


def control_socket() -> Path:
    """Return where the running collector answers."""
    return folders.runtime_folder(PROGRAM) / "control"


def ask_or_open(
    settings: "CollectorSettings", kind: type[_T], name: str, /, **arguments: Any
) -> _T:
    """Ask the running collector about its members; where none runs, do it in its place.

    Raises:
        ControlError: it does not answer, or says no.
        CollectorError: where none runs, it cannot be done.
    """
    from service import control

    try:
        return control.ask_for(kind, control_socket(), name, _ANSWER_WITHIN_S, **arguments)
    except control.NotRunning:
        from collector.offline import do_offline

        answer = do_offline(
            settings, store_file(settings), folders.state_folder(PROGRAM), name, arguments
        )
        return cast(_T, answer)


@contextmanager
def open_reader(settings: "CollectorSettings") -> "Iterator[Reader]":
    """Open the store for questions.

    Raises:
        StoreError: it cannot be read, or turns out to be damaged while it is.
    """
    import sqlite3

    from collector.store import Reader, StoreError, unreadable

    reader = Reader(store_file(settings))
    try:
        yield reader
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreError(unreadable(reader.path, error)) from None
    finally:
        reader.close()


def add_pattern(parser: argparse.ArgumentParser) -> None:
    """Declare the series pattern."""
    parser.add_argument(
        "pattern",
        nargs="?",
        default="*",
        metavar="PATTERN",
        help="a shell glob over device/sensor.channel, in quotes: '*/host.*'",
    )


def add_range(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare --start, --end and --last; `default`: the duration that is meant without them."""
    parser.add_argument(
        "--start",
        metavar="WHEN",
        help="from this instant on: '2026-11-23 12:00', RFC 3339, seconds since 1970, or 24h for that long ago",
    )
    parser.add_argument("--end", metavar="WHEN", help="up to before this instant; left out: no end")
    parser.add_argument(
        "--last", metavar="DURATION", help=f"from this long ago on; the default, {default}"
    )


def range_of(
    options: argparse.Namespace, zone: tzinfo, default: str | None = None
) -> tuple[int, int]:
    """Return the range that is asked for, half open in UTC ns; without `default` all there is.

    Raises:
        UsageError: it is none.
    """
    from collector.times import END_OF_TIME_NS, parse_when
    from config.quantities import parse_duration

    if options.last and (options.start or options.end):
        raise UsageError("--last stands alone: it is a range of its own")
    now_ns = time.time_ns()
    start_ns, end_ns = -END_OF_TIME_NS, END_OF_TIME_NS
    try:
        last = options.last or (None if options.start or options.end else default)
        if last:
            start_ns = max(start_ns, now_ns - round(parse_duration(last) * 1e9))
        elif default or options.start:
            start_ns = parse_when(options.start or "0", zone, now_ns)
        if options.end:
            end_ns = parse_when(options.end, zone, now_ns)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if end_ns <= start_ns:
        raise UsageError("the range ends before it begins")
    return start_ns, end_ns
