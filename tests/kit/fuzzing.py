"""A search for inputs that lead a decoder somewhere new, by atheris, and what the found ones cost.

Either takes a process of its own: atheris never returns from its search, and memory is measured best
where nothing else was done.

    python -m kit.fuzzing search TARGET FOLDER [flags of libFuzzer]
    python -m kit.fuzzing replay TARGET FOLDER SECONDS
"""

import gc
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain, cycle, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kit.decoders import Target

_TESTS = Path(__file__).parents[1]
_ROOT = _TESTS.parent
# What the search follows; the kit itself would only lead it astray.
_FOLLOWED = ["wire", "service.control", "collector.query"]
_FIRST_INPUTS = 300
_MADE = "made-"
_MAX_INPUT_BYTES = 16 * 1024
# So many inputs are made as kit.mutations does, the others as libFuzzer does.
_OF_OUR_OWN = 0.25
_AN_INPUT_S = 20
_OVERHEAD_S = 60.0


class Search(NamedTuple):
    """What one search did; `found` is how many inputs it knows by now that lead somewhere new."""

    inputs: int
    inputs_per_s: int
    found: int
    peak_rss_mib: int


class Replay(NamedTuple):
    """What the found inputs cost; `grown_kib` is by how much the process grew behind a warm-up."""

    inputs: int
    grown_kib: int


def reason_not_to() -> str:
    """Why nothing can be searched here; empty if it can."""
    if importlib.util.find_spec("atheris") is None:
        return "no atheris: pip install -e '.[fuzz]', where there is a wheel for this Python"
    return ""


def search(target: "Target", folder: Path, seconds: int, seed: int) -> Search:
    """Search on from the inputs in a folder, and leave there what was found."""
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(islice(target.inputs(seed), _FIRST_INPUTS)):
        (folder / f"{_MADE}{seed}-{number}").write_bytes(data[:_MAX_INPUT_BYTES])
    flags = {
        "max_total_time": seconds,
        "seed": seed + 1,  # 0: any
        "max_len": _MAX_INPUT_BYTES,
        "timeout": _AN_INPUT_S,
        "rss_limit_mb": 512,
        "print_final_stats": 1,
        "artifact_prefix": f"{folder.parent}/",
    }
    said = _run(
        ["search", target.name, str(folder), *(f"-{k}={v}" for k, v in flags.items())], seconds
    )
    figures = {name: int(number) for name, number in re.findall(r"stat::(\w+): +(\d+)", said)}
    return Search(
        figures["number_of_executed_units"],
        figures["average_exec_per_sec"],
        sum(not file.name.startswith(_MADE) for file in folder.iterdir()),
        figures["peak_rss_mb"],
    )


def replay(target: "Target", folder: Path, seconds: int) -> Replay:
    """Run the inputs of a folder again and again, once to warm up and then for some seconds."""
    return Replay(**json.loads(_run(["replay", target.name, str(folder), str(seconds)], seconds)))


def _run(arguments: Sequence[str], seconds: float) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "kit.fuzzing", *arguments],
        env=os.environ | {"PYTHONPATH": f"{_ROOT}:{_TESTS}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds + _OVERHEAD_S,
        check=False,
    )
    # The last words have the error, and which file has the input.
    assert ended.returncode == 0, f"{arguments}\n{ended.stdout[-6000:]}"
    return ended.stdout


def _search(name: str, folder: str, flags: Sequence[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=_FOLLOWED):
        target = _target(name)

    def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
        if Random(seed).random() < _OF_OUR_OWN:
            return next(target.inputs(seed))[:max_bytes]
        return bytes(atheris.Mutate(data, max_bytes))

    def run(data: bytes) -> None:
        target.run(data)

    atheris.Setup([sys.argv[0], folder, *flags], run, custom_mutator=mutate)
    atheris.Fuzz()


def _replay(name: str, folder: str, seconds: float) -> None:
    run = _target(name).run
    found = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    _repeat(run, found, seconds / 2)
    before_kib = _rss_kib()
    inputs = _repeat(run, found, seconds / 2)
    print(json.dumps({"inputs": inputs, "grown_kib": _rss_kib() - before_kib}))


def _repeat(run: Callable[[bytes], object], found: list[bytes], seconds: float) -> int:
    """Run all inputs, and go on until the time is over; return how many that were."""
    until_s = time.monotonic() + seconds
    for number, data in enumerate(chain(found, cycle(found))):
        if number >= len(found) and time.monotonic() > until_s:
            return number
        run(data)
    return 0


def _rss_kib() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _target(name: str) -> "Target":
    from kit.decoders import TARGETS

    return next(target for target in TARGETS if target.name == name)


if __name__ == "__main__":
    _, what, name, folder, *rest = sys.argv
    if what == "search":
        _search(name, folder, rest)
    else:
        _replay(name, folder, float(rest[0]))
