"""Queries over HTTP: a month of ten series, and the latest of 5,000; loaded once, then asked in rounds."""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.compare import parties
from benchmarks.compare.parties import Party
from benchmarks.compare.questions import (
    DAY_S,
    LATEST_QUESTIONS,
    MONTH_QUESTIONS,
    Question,
    Span,
)
from benchmarks.compare.results import Results
from benchmarks.compare.signals import SECOND_NS, Wanted, devices
from benchmarks.compare.web import Answer, get

_REPEATS = 7
_ENOUGH_S = 15.0  # then three will do
# Devices, seconds of each, the connections that load them, and what is asked then.
_STORES: dict[str, tuple[int, int, int, list[Question]]] = {
    "month": (1, 30 * DAY_S, 1, MONTH_QUESTIONS),
    "many": (500, 600, 16, LATEST_QUESTIONS),
}


def run(options: argparse.Namespace, results: Results) -> None:
    """Load every party's stores, then ask in interleaved rounds."""
    with _folder(options) as folder:
        for number in range(options.rounds):
            for name, (*_, questions) in _STORES.items():
                for party in parties.present(options):
                    case = {"part": "query", "store": name, "party": party.name, "round": number}
                    if not results.has(**case):
                        span = _loaded(folder / f"{name}-{party.name}", party, name)
                        for figure in _asked(
                            folder / f"{name}-{party.name}", party, questions, span
                        ):
                            results.add(case | figure)
                            print(case | figure, file=sys.stderr)


def _loaded(folder: Path, party: Party, name: str) -> Span:
    """Load a store that is not there yet, seal and merge it; return the span of its data."""
    note = folder / "span"
    if note.exists():
        return Span(*json.loads(note.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    count, seconds, connections, _ = _STORES[name]
    wanted = Wanted(count, seconds, parties.day_start_ns(seconds))
    encoded = party.encoded(devices(wanted), 1000)
    parties.stored(party, folder, encoded, wanted.readings, connections)
    start_s = wanted.start_ns // SECOND_NS
    span = Span(start_s, start_s + seconds)
    note.write_text(json.dumps(span))
    return span


def _asked(
    folder: Path, party: Party, questions: list[Question], span: Span
) -> Iterator[dict[str, Any]]:
    """Start a party on its store and ask each question several times; the first is told apart."""
    with party.running(folder) as running:
        for question in questions:
            if question.party == party.name:
                cpu_s = running.tree.cpu_s()
                answers = _repeated(running.port, question.target(span))
                yield {
                    "question": question.name,
                    "first_ms": answers[0].took_s * 1000,
                    "took_ms": sorted(each.took_s * 1000 for each in answers[1:]),
                    "cpu_ms": (running.tree.cpu_s() - cpu_s) / len(answers) * 1000,
                    "body_bytes": len(answers[-1].body),
                    "points": question.points(answers[-1]),
                }


def _repeated(port: int, target: str) -> list[Answer]:
    answers: list[Answer] = []
    while len(answers) < _REPEATS:
        answers.append(get(port, target))
        if answers[-1].status != 200:
            raise RuntimeError(f"{target}: {answers[-1].body[:500]!r}")
        if len(answers) >= 3 and sum(each.took_s for each in answers) > _ENOUGH_S:
            break
    return answers


@contextlib.contextmanager
def _folder(options: argparse.Namespace) -> Iterator[Path]:
    """Give the folder for the stores: one that stays where it was named, else one that goes."""
    if options.folder is not None:
        yield options.folder
        return
    with tempfile.TemporaryDirectory(prefix="telegauge-bench-") as folder:
        yield Path(folder)
