"""telegauge-collector export: readings into a CSV or Parquet file."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.commands import (
    add_pattern,
    add_range,
    open_reader,
    range_of,
    settings_of,
    store_file,
)
from service.cli import FAILED, GOOD, UsageError

HELP = "write readings into a CSV or Parquet file; started again, it goes on where it was"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, the pattern, the range and the format."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file: .csv or .parquet")
    add_pattern(parser)
    add_range(parser, "all there is")
    parser.add_argument(
        "--format", choices=("csv", "parquet"), help="left out: what the name of the file ends with"
    )
    parser.add_argument(
        "--time",
        choices=("rfc3339", "ns"),
        default="rfc3339",
        help="how CSV writes times: UTC to the nanosecond, or nanoseconds since 1970",
    )


def run(options: argparse.Namespace) -> int:
    """Write the file, say how much it holds; 1 where nothing matches or something was unreadable."""
    from collector import export as exporting
    from collector.export_forms import form_of
    from collector.times import zone_of

    settings = settings_of(options)
    form = options.format or options.file.suffix.removeprefix(".").lower()
    if form not in ("csv", "parquet"):
        raise UsageError(f"{options.file}: csv or parquet? Name it so, or say --format")
    span = range_of(options, zone_of(settings.time_zone))
    store = store_file(settings).absolute()
    wanted = exporting.Question(
        str(store), options.pattern, options.start, options.end, options.last, form, options.time
    )
    made = form_of(form, options.time)
    files = exporting.Files.of(options.file.absolute())
    with open_reader(settings) as reader, _bar(files.target.name) as told:
        journal = exporting.journal_of(reader, files, wanted, span, time.time_ns())
        reserved = settings.store.min_free_bytes if _is_beside(store, files.target) else 0
        exporting.export(reader, files, journal, made, exporting.Limits(reserved), told)
    size_bytes = files.target.stat().st_size
    print(
        f"{options.file}: {journal.readings} readings of {len(journal.keys)} series, {size_bytes} bytes"
    )
    if journal.undecodable:
        print("some batches could not be read and are not in it", file=sys.stderr)
    if not journal.readings:
        print(f"no readings of `{options.pattern}` in this range", file=sys.stderr)
    return GOOD if journal.readings and not journal.undecodable else FAILED


def _is_beside(store: Path, target: Path) -> bool:
    return store.stat().st_dev == target.parent.stat().st_dev


@contextmanager
def _bar(name: str) -> Iterator[Callable[[float], object]]:
    """Give what shows how much is done, where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda share: progress.update(task, completed=share)
