"""The verbs of telegauge-collector, one file each; here is what several of them need."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from service import folders

if TYPE_CHECKING:
    from collector.settings import CollectorSettings
    from collector.store import Reader

PROGRAM = "telegauge-collector"


def config_file(options: argparse.Namespace) -> Path:
    """Return the YAML in force: -c, else the one in /etc/telegauge, else the one shipped."""
    from config import chosen

    return chosen(options.config, "collector.yaml")


def settings_of(options: argparse.Namespace) -> "CollectorSettings":
    """Load the YAML in force.

    Raises:
        ConfigError: with every problem of it.
    """
    from collector.settings import CollectorSettings, problems
    from config import load

    return load(config_file(options), CollectorSettings, problems)


def store_file(settings: "CollectorSettings") -> Path:
    """Return the file of the store."""
    from collector.store.database import FILE_NAME

    folder = settings.store.folder
    return (Path(folder) if folder else folders.state_folder(PROGRAM)) / FILE_NAME


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
