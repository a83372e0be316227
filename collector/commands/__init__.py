"""The verbs of telegauge-collector, one file each; here is what several of them need."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from service import folders

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
    from collector.settings import CollectorSettings
    from config import load

    return load(config_file(options), CollectorSettings)


def store_file(settings: "CollectorSettings") -> Path:
    """Return the file of the store."""
    from collector.store.database import FILE_NAME

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

    from collector.store import Reader, StoreError
    from collector.store.database import unreadable

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
