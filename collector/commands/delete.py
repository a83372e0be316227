"""telegauge-collector delete: take series out of the store, or a range of time of them."""

import argparse
import sys
import time
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from collector.commands import PROGRAM, control_socket, settings_of, store_file
from service.cli import UsageError

if TYPE_CHECKING:
    from collector.store import Amount, Deleted, Selection

HELP = "delete series, or a range of time of them, for ever; asks first"
_WITHIN_S = 40.0  # for one answer; it goes on until it is done
_SHOWN = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern, the range and --yes."""
    parser.add_argument(
        "pattern", metavar="PATTERN", help="a shell glob over device/sensor.channel, in quotes"
    )
    parser.add_argument(
        "--start",
        metavar="WHEN",
        help="from this instant on: '2026-11-23 12:00', RFC 3339, or 24h for that long ago",
    )
    parser.add_argument("--end", metavar="WHEN", help="up to before this instant")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Show what it is, ask, let the running collector do it or do it in its place; 1 if it was not done."""
    from collector.store import amount_of
    from collector.times import zone_of

    settings = settings_of(options)
    zone = zone_of(settings.time_zone)
    selection = _selection(options, zone)
    path = store_file(settings)
    amount = amount_of(path, selection)
    if not amount.series:
        print(f"no series matches `{selection.pattern}`", file=sys.stderr)
        return 1
    print(_told(amount, zone))
    if not options.yes and not _agreed():
        print("nothing was deleted", file=sys.stderr)
        return 1
    print("\n".join(_outcome(_delete(path, selection))))
    return 0


def _selection(options: argparse.Namespace, zone: tzinfo) -> "Selection":
    from collector.store import Selection
    from collector.times import parse_when

    now_ns = time.time_ns()
    try:
        start_ns, end_ns = (
            None if text is None else parse_when(text, zone, now_ns)
            for text in (options.start, options.end)
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        raise UsageError("the range ends before it begins")
    return Selection(options.pattern, start_ns, end_ns)


def _told(amount: "Amount", zone: tzinfo) -> str:
    from collector.times import told

    lines = [f"  {name}" for name in amount.series[:_SHOWN]]
    if len(amount.series) > _SHOWN:
        lines.append(f"  and {len(amount.series) - _SHOWN} more")
    when = ""
    if amount.first_ns is not None and amount.last_ns is not None:
        when = f", from {told(amount.first_ns, zone)} to {told(amount.last_ns, zone)}"
    return "\n".join(
        [f"{len(amount.series)} series, about {amount.readings} readings{when}:", *lines]
    )


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: --yes deletes without asking")
    answer = input("They cannot be brought back. Type delete to delete them: ")
    return answer.strip().lower() in ("delete", "y", "yes")


def _delete(path: Path, selection: "Selection") -> "Deleted":
    import msgspec

    from collector.store import Deleted, delete_from
    from service import control, folders

    again = False
    try:
        while True:
            wanted = {**selection._asdict(), "again": again}
            answer = control.ask(control_socket(), "delete", _WITHIN_S, **wanted)
            if answer is not None:
                return msgspec.convert(answer, Deleted)
            again = True
    except control.NotRunning:
        with folders.owned(folders.state_folder(PROGRAM)):
            return delete_from(path, selection)


def _outcome(deleted: "Deleted") -> list[str]:
    lines = [f"{deleted.readings} readings of {deleted.series} series were deleted"]
    if deleted.undated:
        lines.append(
            f"{deleted.undated} readings stay: their time is not known, and they lie in batches with others"
        )
    if deleted.damaged_chunks:
        lines.append(
            f"{deleted.damaged_chunks} damaged chunks stay, which reach beyond the range: "
            "telegauge-collector verify names them"
        )
    return lines
