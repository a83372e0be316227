"""Ingest: readings/s until sealed and queryable, CPU, memory and size; then the time of an answer."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.compare import parties
from benchmarks.compare.parties import Party
from benchmarks.compare.results import Results
from benchmarks.compare.signals import KINDS, Wanted

DEVICES = 200


def run(options: argparse.Namespace, results: Results) -> None:
    """Measure in interleaved rounds: in each every size, in each of those every party."""
    for number in range(options.rounds):
        for readings in options.readings:
            for per_batch in options.per_batch:
                for party in parties.present(options):
                    case = _case(options, readings, per_batch, party) | {"round": number}
                    _measure(options, results, party, case)


def wish(options: argparse.Namespace, readings: int, devices: int = DEVICES) -> Wanted:
    """Return the data that is asked for."""
    seconds = readings // devices // len(KINDS)
    return Wanted(
        devices,
        seconds,
        parties.day_start_ns(seconds),
        options.channels,
        options.jitter_ms * 1_000_000,
        options.grain_us * 1000,
    )


def _case(
    options: argparse.Namespace, readings: int, per_batch: int, party: Party
) -> dict[str, Any]:
    return {
        "party": party.name,
        "readings": readings,
        "per_batch": per_batch,
        "connections": options.connections,
        "channels": options.channels,
        "jitter_ms": options.jitter_ms,
        "grain_us": options.grain_us,
    }


def _measure(
    options: argparse.Namespace, results: Results, party: Party, case: dict[str, Any]
) -> None:
    if not results.has(part="ingest", **case):
        wanted = _wanted(options, case["readings"])
        load = parties.load(party, case["per_batch"], wanted)
        figure = {"part": "ingest"} | case | _ingest(options, party, load, wanted)
        results.add(figure)
        print(_short(figure), file=sys.stderr)
    if options.paced_seconds and not results.has(part="latency", **case):
        peak = results.of(part="ingest", **case)
        assert peak is not None
        figure = {"part": "latency"} | case | _paced(options, party, case, peak["readings_s"])
        results.add(figure)
        print(_short(figure), file=sys.stderr)


def _wanted(options: argparse.Namespace, readings: int) -> Wanted:
    """Return the same wish all the time a program runs: the encoded load is kept under it."""
    if readings not in _wishes:
        _wishes[readings] = wish(options, readings)
    return _wishes[readings]


_wishes: dict[int, Wanted] = {}


def _ingest(options: argparse.Namespace, party: Party, load: Any, wanted: Wanted) -> dict[str, Any]:
    if options.folder is not None:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="telegauge-bench-", dir=options.folder))
    try:
        with party.running(folder) as running:
            figure = _sustained(running, load, wanted, options.connections)
        sizes = party.merged_bytes(folder)
        return figure | {
            f"{key}_per_reading": each / wanted.readings for key, each in sizes.items()
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sustained(running: Any, load: Any, wanted: Wanted, connections: int) -> dict[str, Any]:
    """Send, wait until all is sealed and visible, then until nothing is left to do; count."""
    readings, tree = wanted.readings, running.tree
    with tree.watched():
        cpu_s, own_cpu_s, began_s = tree.cpu_s(), time.process_time(), time.perf_counter()
        acked_s = running.send(load, connections)
        own_cpu_s = time.process_time() - own_cpu_s
        running.make_visible(readings)
        visible_s = time.perf_counter() - began_s
        is_quiet = tree.wait_until_quiet()
        cpu_s = tree.cpu_s() - cpu_s
    found = running.count(wanted.start_ns - 1, wanted.start_ns + wanted.seconds * 10**9)
    if found != readings:
        raise RuntimeError(f"{found} readings of {readings} are there")
    return {
        "acked_readings_s": readings / acked_s,
        "readings_s": readings / visible_s,
        "cpu_s_per_million": cpu_s / readings * 1e6,
        "sender_cpu_s_per_million": own_cpu_s / readings * 1e6,
        "peak_rss_mb": tree.peak_rss_mb,
        "is_quiet": is_quiet,
    } | running.facts()


def _paced(
    options: argparse.Namespace, party: Party, case: dict[str, Any], peak_readings_s: float
) -> dict[str, Any]:
    """Send a tenth of what it took at its peak, and take the time of every answer."""
    per_batch, connections = case["per_batch"], options.connections
    readings_s = peak_readings_s * options.share
    batches = max(1, round(readings_s * options.paced_seconds / per_batch / connections))
    wanted = wish(options, batches * per_batch * connections, connections)
    load = party.encoded(parties.devices(wanted), per_batch)
    if options.folder is not None:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="telegauge-bench-", dir=options.folder))
    try:
        with party.running(folder) as running:
            took_s = sorted(running.send_paced(load, per_batch * connections / readings_s))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    quantiles = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
    return {"load_readings_s": readings_s, "batches": len(took_s)} | {
        key: took_s[min(len(took_s) - 1, int(share * len(took_s)))] * 1000
        for key, share in quantiles.items()
    }


def _short(figure: dict[str, Any]) -> str:
    return " ".join(
        f"{key}={each:.4g}" if isinstance(each, float) else f"{key}={each}"
        for key, each in figure.items()
    )
