"""telegauge-collector top: every device with its state, every series with its last reading, as it goes."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from collector.commands import add_pattern, control_socket, open_reader, settings_of
from service import control
from service.cli import UsageError, add_json, to_json

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.console import Console, RenderableType

    from collector.overview_source import Source

HELP = "show every device and series in the terminal, as they go; q ends it"
# Wide enough for everything, where no terminal cuts the lines.
_WIDTH = 250
# What is not for lines of the table: the head, and that of the table.
_HEAD_LINES = 2
_LOOK_EVERY_S = 1.0
_ANSWER_WITHIN_S = 5.0
_T = TypeVar("_T")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern, --once, --last and --json."""
    parser.description = (
        f"{HELP[0].upper()}{HELP[1:]}. Arrows, page up and page down move. What wants a look comes "
        "first. The health of agents is shown where a pattern asks for it: '*/agent.*'. Where there is "
        "no terminal it is printed once."
    )
    add_pattern(parser)
    parser.add_argument("--once", action="store_true", help="print it once")
    parser.add_argument(
        "--last", default="1h", metavar="DURATION", help="what the small bars show; left out: 1h"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Show the overview until somebody wants no more; print it once where nobody could say so."""
    from collector.overview_source import Source
    from collector.times import zone_of
    from config.quantities import duration

    settings = settings_of(options)
    try:
        last_s: float = duration("1m", "365d").read(options.last)
    except ValueError as error:
        raise UsageError(f"--last: {error}") from None
    zone = zone_of(settings.time_zone)
    with open_reader(settings) as reader:
        source = Source(reader, options.pattern, last_s, _asked)
        if options.json:
            print(to_json(source.devices(time.time_ns())))
        elif options.once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            _print(source, zone)
        else:
            _follow(source, zone)
    return 0


def _asked(kind: type[_T], name: str) -> _T | None:
    try:
        return control.ask_for(kind, control_socket(), name, _ANSWER_WITHIN_S)
    except control.ControlError:
        return None


def _print(source: "Source", zone: "tzinfo") -> None:
    console = _console()
    if not console.is_terminal:
        console.width = _WIDTH
    source.read_past()
    shown, _ = _drawn(source, console, zone)
    console.print(shown)


def _follow(source: "Source", zone: "tzinfo") -> None:
    from rich.live import Live

    from service.keys import keys_of

    console, first_line = _console(), 0
    with (
        keys_of(sys.stdin) as keys,
        source.reading_past(),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            room = max(1, console.height - _HEAD_LINES)
            shown, first_line = _drawn(source, console, zone, first_line, room)
            live.update(shown, refresh=True)
            key = keys.next(_LOOK_EVERY_S)
            if key in ("q", "Q", ""):
                return
            first_line += _moved(key, room)


def _drawn(
    source: "Source",
    console: "Console",
    zone: "tzinfo",
    first_line: int = 0,
    room: int | None = None,
) -> "tuple[RenderableType, int]":
    """Return the overview as it is now, and which of its lines is the first that is shown."""
    from collector.overview_table import Look, drawn, line_count, shows_signs

    now_ns = time.time_ns()
    devices = source.devices(now_ns)
    last_line = line_count(devices) - (room or 0)
    first_line = max(0, min(first_line, last_line))
    has_signs = shows_signs(console.encoding)
    look = Look(zone, console.width, has_signs, source.trouble, first_line, room)
    return drawn(devices, source.past, now_ns, look), first_line


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def _moved(key: str | None, room: int) -> int:
    moves = {
        "down": 1, "j": 1, "up": -1, "k": -1, "page_down": room, " ": room, "page_up": -room,
        "home": -(10**9), "end": 10**9,
    }  # fmt: skip
    return moves.get(key or "", 0)
