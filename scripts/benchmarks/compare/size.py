"""Size: bytes a reading on disk after everything is sealed and merged, made data and recorded."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.compare import parties, recorded
from benchmarks.compare.ingest import DEVICES
from benchmarks.compare.results import Results
from benchmarks.compare.signals import KINDS, Device, Wanted, devices

_JITTER_NS = 5_000_000
# Channels of a sensor, jitter, and its grain.
_MADE = [
    ("grid, 10 channels a sensor", 10, 0, 1_000_000),
    ("grid, 1 channel a sensor", 1, 0, 1_000_000),
    ("5 ms of jitter in whole ms, 10 channels", 10, _JITTER_NS, 1_000_000),
    ("5 ms of jitter in whole ms, 1 channel", 1, _JITTER_NS, 1_000_000),
    ("5 ms of jitter in ns, 10 channels", 10, _JITTER_NS, 1),
    ("5 ms of jitter in ns, 1 channel", 1, _JITTER_NS, 1),
]


def run(options: argparse.Namespace, results: Results) -> None:
    """Store each set with each party; nothing here depends on time, so once is enough."""
    for name, make in _sets(options):
        for party in parties.present(options):
            if not results.has(part="size", data=name, party=party.name):
                made = make()
                readings = sum(each.readings for each in made)
                folder = Path(tempfile.mkdtemp(prefix="telegauge-bench-", dir=options.folder))
                try:
                    encoded = party.encoded(iter(made), 1000)
                    sizes = parties.stored(party, folder, encoded, readings, options.connections)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                figure = {"part": "size", "data": name, "party": party.name, "readings": readings}
                each = {f"{key}_per_reading": size / readings for key, size in sizes.items()}
                results.add(figure | each)
                print(figure | each, file=sys.stderr)


def _sets(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], list[Device]]]]:
    for readings in options.readings:
        seconds = readings // DEVICES // len(KINDS)
        start_ns = parties.day_start_ns(seconds)
        for name, channels, jitter_ns, grain_ns in _MADE:
            wanted = Wanted(DEVICES, seconds, start_ns, channels, jitter_ns, grain_ns)
            yield f"{name}, {readings / 1e6:g} M", lambda wanted=wanted: list(devices(wanted))
    yield from recorded.sets()
