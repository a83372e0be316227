"""telegauge-collector tail: readings as they are committed."""

import argparse
import sys
import time
from itertools import pairwise

from collector.commands import add_pattern, open_reader, settings_of

HELP = "print readings as they are stored, until stopped"
_LOOK_EVERY_S = 0.25
_MISSED = "some came too fast to be shown: telegauge-collector query has them"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pattern and --json."""
    add_pattern(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a reading")


def run(options: argparse.Namespace) -> int:
    """Follow the store until interrupted; a collector may stop and start meanwhile."""
    from collector import printing, query
    from collector.times import zone_of

    settings = settings_of(options)
    write = printing.FORMATS["json" if options.json else "table"]
    with open_reader(settings) as reader:
        row_id = reader.last_row_id()
        if not reader.series(options.pattern):
            print(f"no series matches `{options.pattern}` yet; waiting", file=sys.stderr)
        while True:
            series = reader.series(options.pattern)
            style = printing.Style(
                zone_of(settings.time_zone),
                {each.name: each.decimals for each in series},
                max((len(each.name) for each in series), default=0),
            )
            newest = reader.last_row_id()
            rows = reader.after(row_id)
            # Rows have numbers without holes until they are sealed; where there are none, all up to `newest` are.
            ids = [row_id, *(row.id for row in rows)] if rows else [row_id, newest + 1]
            if any(after > before + 1 for before, after in pairwise(ids)):
                print(_MISSED, file=sys.stderr)
            row_id = ids[-1] if rows else max(row_id, newest)
            for row in rows:
                for line in write(query.readings_of(row, options.pattern), style):
                    print(line, flush=True)
            if not rows:
                time.sleep(_LOOK_EVERY_S)
