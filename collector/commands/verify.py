"""telegauge-collector verify: read the whole store, and say what of it is damaged."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from collector.commands import settings_of, store_file

if TYPE_CHECKING:
    from collector.store import Damage

HELP = "read the whole store, or a copy of it, and say what is damaged"
# Times are told by the millisecond; as --end of `delete`, what is told has to take in all of the damage.
_TOLD_NS = 10**6


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="a copy; left out: the store itself"
    )


def run(options: argparse.Namespace) -> int:
    """Say what was read, and each damage; 1 if there is any."""
    from collector.store import verify
    from collector.times import zone_of

    settings = settings_of(options)
    path = options.file or store_file(settings)
    with _progress() as progress:
        verified = verify(path, progress)
    print(
        f"{path}: {verified.readings} readings in {verified.batches} batches and {verified.chunks} "
        f"chunks, {verified.rollups} rows of rollups"
    )
    for line in told(verified.damages, zone_of(settings.time_zone)):
        print(line)
    return 1 if verified.damages else 0


def told(damages: "list[Damage]", zone: tzinfo) -> Iterator[str]:
    """Give the lines that say what is damaged, and what to do."""
    for damage in damages:
        yield f"damaged: {' '.join((damage.what, damage.whose)).strip()}{_range(damage, zone)}: {damage.detail}"
    kinds = {damage.what for damage in damages}
    if not kinds:
        yield "all of it is sound"
    if kinds & {"file", "epoch", "orphan"}:
        yield "The file itself is damaged: put back a backup that is sound (docs/operations.md), and look after the disk."
    if kinds & {"batch", "chunk", "rollup", "count"}:
        yield (
            "Everything else can still be read. A backup from before has what is damaged; "
            "telegauge-collector delete with that series and range takes it away."
        )


def _range(damage: "Damage", zone: tzinfo) -> str:
    from collector.times import told as when

    if damage.from_ns is None or damage.to_ns is None:
        return ""
    return f", {when(damage.from_ns, zone)} to {when(damage.to_ns + _TOLD_NS, zone)}"


@contextmanager
def _progress() -> "Iterator[Callable[[int, int], object]]":
    """Give what shows how far it is: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("reading", total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
