"""telegauge-collector gaps: did I lose anything, what, and why?"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import open_reader, range_of, settings_of
from service import table
from service.cli import add_json, to_json

if TYPE_CHECKING:
    from collector.store import GapRow

HELP = "say what is missing, and why"
_UNKNOWN = "unknown"
_NOTHING = (
    "nothing is missing. What a device has not sent yet is not counted:\n"
    "telegauge-collector status says when each was last heard"
)
# Where no terminal says how wide it is, lines may be as long as they like.
_ENDLESS = (sys.maxsize, 0)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern, the range and --json."""
    parser.description = (
        "Say what is missing, and why: all gaps there are, or those that reach into a range of "
        "time. A gap of which nobody knows when it was is shown whatever the range, since it may "
        "lie within. A gap concerns all series of its device."
    )
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="DEVICE",
        help="a device, or a shell glob over their names, in quotes: 'green*'",
    )  # fmt: skip
    parser.add_argument(
        "--start",
        metavar="WHEN",
        help="from this instant on: '2026-11-23 12:00', RFC 3339, seconds since 1970, or 12h for that long ago; left out: all there are",
    )
    parser.add_argument("--end", metavar="WHEN", help="up to before this instant; left out: no end")
    parser.set_defaults(last=None)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print a line a gap and what that amounts to; 1 where no such device is known."""
    from collector.times import zone_of

    settings = settings_of(options)
    zone = zone_of(settings.time_zone)
    start_ns, end_ns = range_of(options, zone)
    device = options.pattern.partition("/")[0]  # who pastes a series means its device
    with open_reader(settings) as reader:
        found = reader.gaps(device, start_ns, end_ns)
        names = [each.name for each in reader.devices()]
    if not found and not _is_known(device, names):
        print(_no_device(device, names), file=sys.stderr)
        return 1
    if options.json:
        print(to_json([_facts(each) for each in found]))
    else:
        for line in _lines(found, zone):
            print(line)
    return 0


def _is_known(pattern: str, names: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    return pattern == "*" or any(fnmatchcase(name, pattern) for name in names)


def _no_device(pattern: str, names: Sequence[str]) -> str:
    if not names:
        return f"no device matches `{pattern}`: none has come to this collector yet"
    return f"no device matches `{pattern}`. There are, for example: {', '.join(names[:3])}"


def _facts(gap: "GapRow") -> dict[str, object]:
    from collector.gaps import meaning

    epoch = gap.epoch.hex() if gap.epoch is not None else None
    return {**gap._asdict(), "epoch": epoch, "meaning": meaning(gap.reason)}


def _lines(found: "Sequence[GapRow]", zone: tzinfo) -> list[str]:
    if not found:
        return [_NOTHING]
    from collector.gaps import meaning
    from config.problems import shown

    heads = ("DEVICE", "FROM", "TO", ">READINGS", "REASON")
    lines = table.lines(heads, [(*_row(each, zone), shown(each.reason)) for each in found])
    meanings = ["WHAT HAPPENED", *(meaning(each.reason) for each in found)]
    return [*_beside_or_below(lines, meanings), "", *_summary(found, zone)]


def _beside_or_below(lines: Sequence[str], meanings: Sequence[str]) -> list[str]:
    """Put each meaning into a last column, or under its line where the terminal is too narrow."""
    width = max(map(len, lines))
    wide = [f"{line.ljust(width)}  {words}" for line, words in zip(lines, meanings, strict=True)]
    if max(map(len, wide)) <= shutil.get_terminal_size(_ENDLESS).columns:
        return wide
    pairs = zip(lines[1:], meanings[1:], strict=True)
    return [lines[0], *(line for row, words in pairs for line in (row, f"    {words}"))]


def _row(gap: "GapRow", zone: tzinfo) -> tuple[str, str, str, str]:
    readings = _UNKNOWN if gap.readings is None else str(gap.readings)
    to_ns = None if gap.to_ns is None else -(-gap.to_ns // 10**9) * 10**9  # never too early
    return gap.device, _when(gap.from_ns, zone), _when(to_ns, zone), readings


def _when(time_ns: int | None, zone: tzinfo) -> str:
    """Return an instant to the second, as --start and --end take it without quotes."""
    from collector.times import told

    if time_ns is None:
        return _UNKNOWN
    day, _, rest = told(time_ns, zone).partition(".")
    return day if rest else told(time_ns, zone)


def _summary(found: "Sequence[GapRow]", zone: tzinfo) -> Iterator[str]:
    yield f"{_some(len(found), 'gap')}, each of all series of its device; times of {zone}"
    for device in sorted({gap.device for gap in found}):
        readings = [gap.readings for gap in found if gap.device == device]
        yield f"{device}: {_amount(readings)}"


def _amount(readings: Sequence[int | None]) -> str:
    known = [each for each in readings if each is not None]
    uncounted = _some(len(readings) - len(known), "gap")
    if not known:
        return f"{uncounted}, nobody knows of how many readings"
    lost = f"{_some(sum(known), 'reading')} lost"
    return (
        lost if len(known) == len(readings) else f"{lost}, and nobody knows how many in {uncounted}"
    )


def _some(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
