"""A store of a billion readings, built through the sealer's own code, then opened and asked, cold and warm."""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare import parties
from benchmarks.compare.ours import Telegauge
from benchmarks.compare.questions import DAY_S, MONTH_QUESTIONS, Question, Span
from benchmarks.compare.results import Results
from benchmarks.compare.signals import KINDS, SECOND_NS, Device, Wanted, devices
from benchmarks.compare.web import get
from collector.clock import Known
from collector.store.chunks import Columns, Run
from collector.store.database import open_for_writing
from collector.store.gathering import Named
from collector.store.group import GroupCommit
from collector.store.sealing import Chunk, Rollup, chunks_of, rollup_of

_CHUNK_S = 26_214  # what the sealer takes of ten series at 1 Hz at once
_CHUNKS_A_ROLLUP = 5  # more than 2048 minutes: long enough not to be merged again
_CACHES = Path("/proc/sys/vm/drop_caches")
_ASKED = 5
Part = tuple[list[bytes], list[Chunk], list[Rollup]]


def run(options: argparse.Namespace, results: Results) -> None:
    """Build the store where it is not there yet; ask in rounds."""
    with ExitStack() as stack:
        folder = options.folder
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="telegauge-bench-")
            folder = Path(stack.enter_context(made))
        here = folder / "billion"
        start_ns = _built(here, options, results)
        start_s = start_ns // SECOND_NS
        span = Span(start_s, start_s + options.days * DAY_S)
        for number in range(options.rounds):
            for is_cold in (True, False):
                case = {"part": "billion", "round": number, "is_cold": is_cold}
                if not results.has(**case) and not (is_cold and not _CACHES.exists()):
                    for figure in _asked(here, span, is_cold):
                        results.add(case | figure)
                        print(case | figure, file=sys.stderr)


def _built(folder: Path, options: argparse.Namespace, results: Results) -> int:
    """Build the store, and return when its data begins."""
    note = folder / "start"
    if note.exists():
        return int(note.read_text())
    seconds = options.days * DAY_S
    start_ns = parties.day_start_ns(seconds)
    wanted = Wanted(options.series // len(KINDS), seconds, start_ns)
    _introduce(folder, wanted)
    began_s = time.perf_counter()
    _fill(folder / "state" / "telegauge.db", wanted)
    took_s = time.perf_counter() - began_s
    sizes = Telegauge.merged_bytes(folder)
    each = {f"{key}_per_reading": size / wanted.readings for key, size in sizes.items()}
    results.add({"part": "built", "readings": wanted.readings, "took_s": took_s} | each)
    note.write_text(str(start_ns))
    return start_ns


def _introduce(folder: Path, wanted: Wanted) -> None:
    """Have each device say what it has, and send its first ten seconds after the month."""
    end_ns = wanted.start_ns + wanted.seconds * SECOND_NS
    few = Wanted(wanted.devices, 10, end_ns)
    load = Telegauge.encoded(devices(few), 100)
    parties.stored(Telegauge, folder, load, few.readings, 16)


def _fill(store: Path, wanted: Wanted) -> None:
    """Seal in as many processes as there are cores, and write what comes, a transaction a part."""
    with closing(open_for_writing(store)) as database, ProcessPoolExecutor() as pool:
        ids = dict(database.execute("SELECT name, id FROM device"))
        group = GroupCommit(database)
        jobs = [(wanted, number) for number in range(wanted.devices)]
        for name, sealed in pool.map(_sealed, jobs):
            for part in sealed:
                group.work(
                    lambda transaction, part=part, row=ids[name]: transaction.chunk_rows.insert(
                        row, *part
                    )
                )


def _sealed(job: tuple[Wanted, int]) -> tuple[str, list[Part]]:
    wanted, number = job
    device = next(devices(wanted, number))
    return device.name, list(_parts(device))


def _parts(device: Device) -> Iterator[Part]:
    """Give the chunks of a device, and with every few of them a row of rollups, as merging leaves them."""
    reads = len(device.sensors[0].times_ns)
    for start in range(0, reads, _CHUNK_S * _CHUNKS_A_ROLLUP):
        end = min(start + _CHUNK_S * _CHUNKS_A_ROLLUP, reads)
        rolled = [rollup_of(*each) for each in _columns(device, start, end).items()]
        for at in range(start, end, _CHUNK_S):
            shared, made = chunks_of(_columns(device, at, min(at + _CHUNK_S, end)))
            yield shared, made, rolled
            rolled = []


def _columns(device: Device, start: int, end: int) -> dict[Named, Columns]:
    (sensor,) = device.sensors
    good, runs = np.zeros(end - start, np.uint8), (Run(end - start, Known.SYNCED, 0),)
    return {
        Named(sensor.name, each.channel, each.unit): Columns(
            sensor.times_ns[start:end], each.values[start:end], good, runs
        )
        for each in sensor.columns
    }


def _asked(folder: Path, span: Span, is_cold: bool) -> Iterator[dict[str, Any]]:
    """Open the store and ask; cold: nothing of it is in the kernel's cache, each time anew."""
    asked = [each for each in MONTH_QUESTIONS if each.party == Telegauge.name]
    if is_cold:
        _CACHES.write_text("3")
    began_s = time.perf_counter()
    with closing(
        sqlite3.connect(f"file:{folder / 'state' / 'telegauge.db'}?mode=ro", uri=True)
    ) as store:
        store.execute("SELECT count(*) FROM device").fetchone()
    yield {"question": "open", "took_ms": [(time.perf_counter() - began_s) * 1000]}
    with Telegauge.running(folder) as running:
        for question in asked:
            yield {
                "question": question.name,
                "took_ms": _times(running.port, question, span, is_cold),
            }


def _times(port: int, question: Question, span: Span, is_cold: bool) -> list[float]:
    took_ms = []
    for _ in range(_ASKED):
        if is_cold:
            _CACHES.write_text("3")
        answer = get(port, question.target(span))
        if answer.status != 200:
            raise RuntimeError(f"{question.name}: {answer.body[:500]!r}")
        took_ms.append(answer.took_s * 1000)
    return sorted(took_ms)
