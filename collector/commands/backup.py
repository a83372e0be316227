"""telegauge-collector backup: a copy of the store, and how to go back to it."""

import argparse
from pathlib import Path
from shlex import quote

from collector.commands import settings_of, store_file
from collector.commands.verify import told as damage_told

HELP = "copy the store into a file, while the collector runs or not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a new file, best on another disk than the store"
    )


def run(options: argparse.Namespace) -> int:
    """Make the copy; print its size and how to restore it."""
    from collector.store import back_up
    from collector.times import told, zone_of

    settings = settings_of(options)
    store = store_file(settings)
    copy = back_up(store, options.file, settings.store.min_free_bytes)
    zone = zone_of(settings.time_zone)
    when = told(copy.taken_ns, zone)
    print(f"{options.file}: {copy.size_bytes} bytes, the store as of {when}")
    for line in damage_told(copy.damages, zone):
        print(line)
    print("\n".join(_how_to_restore(store.absolute(), options.file.absolute())))
    return 1 if copy.damages else 0


def _how_to_restore(store: Path, copy: Path) -> list[str]:
    file = quote(str(store))
    return [
        "",
        "To go back to it stop the collector (systemctl stop telegauge-collector), then:",
        "",
        "    now=$(date +%Y%m%dT%H%M%S)",
        f"    for end in '' -wal -shm; do [ ! -e {file}$end ] || \\",
        f"        mv {file}$end {file}.$now$end; done",
        f"    cp {quote(str(copy))} {file}",
        f"    chown --reference={quote(str(store.parent))} {file}",
        "",
        "and start it again. What it received after this backup is then missing, and",
        "telegauge-collector gaps shows it as collector_rollback.",
    ]
