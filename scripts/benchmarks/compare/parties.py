"""Who takes part: ours, and those of the peers that are installed and asked for."""

import argparse
import gc
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.compare.ours import Telegauge
from benchmarks.compare.peers import PEERS, InfluxDB, VictoriaMetrics
from benchmarks.compare.signals import SECOND_NS, Wanted, devices

Party = type[Telegauge] | type[InfluxDB] | type[VictoriaMetrics]
ALL: dict[str, Party] = {each.name: each for each in (Telegauge, *PEERS)}


def present(options: argparse.Namespace) -> list[Party]:
    """Return who is asked for and there; say who is not."""
    asked = [ALL[name] for name in options.parties]
    for party in asked:
        if not party.is_there():
            print(f"without {party.name}: not installed; --install does", file=sys.stderr)
    return [party for party in asked if party.is_there()]


@cache
def load(party: Party, per_batch: int, wanted: Wanted) -> Any:
    """Return a load, encoded once for all rounds."""
    made = party.encoded(devices(wanted), per_batch)
    gc.freeze()  # else each collection walks through millions of requests
    return made


def stored(
    party: Party, folder: Path, encoded: Any, readings: int, connections: int
) -> dict[str, int]:
    """Store a load, sealed and merged; return what it takes, when nothing runs any more."""
    with party.running(folder) as running:
        running.send(encoded, connections)
        running.make_visible(readings)
        running.tree.wait_until_quiet()
    return party.merged_bytes(folder)


def day_start_ns(seconds: int) -> int:
    """Return when data of so many seconds begins, so that it ends an hour ago or more."""
    hour = 3600
    return (int(time.time()) // hour * hour - hour - seconds) * SECOND_NS
