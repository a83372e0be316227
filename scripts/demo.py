"""Runs the main job on this machine: sensors, agent, TCP, collector, store, and the answer.

Starts both programs with the YAML as shipped, their state in a folder of its own, shows readings
as they are stored, and in the end counts what is in the file.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from collector import printing, query
from collector.store import Reader, SeriesRow
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS, told, zone_of
from config import shipped
from config.quantities import parse_duration
from service import control

BIN = Path(sys.executable).parent
LOOK_EVERY_S = 0.25
START_WITHIN_S = 15.0
STOP_WITHIN_S = 20.0


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Program:
    """One of the two programs, with folders of its own, as systemd would give them."""

    def __init__(self, name: str, verb: str, config: str, folder: Path) -> None:
        self.name = name
        self.state = folder / name / "state"
        self.runtime = folder / name / "run"
        self.log = folder / f"{name}.log"
        for each in (self.state, self.runtime):
            each.mkdir(parents=True)
        places = {"STATE_DIRECTORY": str(self.state), "RUNTIME_DIRECTORY": str(self.runtime)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / name, verb, "-c", str(shipped(config))],
                env=os.environ | places,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end them in order
            )

    def wait_until_running(self) -> None:
        """Wait for its first answer, or say why there is none."""
        until_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < until_s:
            if self.process.poll() is not None:
                raise DemoError(f"{self.name} did not start: {self.last_words()}")
            try:
                control.ask(self.runtime / "control", "status", 1.0)
                return
            except control.ControlError:
                time.sleep(0.05)
        raise DemoError(f"{self.name} gave no answer within {START_WITHIN_S:g} s")

    def stop(self) -> None:
        """End it as systemd would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """Return the last line it said."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Run both programs; give the file of the store; end the agent first, then the collector."""
    programs = []
    try:
        for name, verb, config in (
            ("telegauge-collector", "serve", "collector.yaml"),
            ("telegauge-device", "run", "device.yaml"),
        ):
            programs.append(Program(name, verb, config, folder))
            programs[-1].wait_until_running()
        yield programs[0].state / FILE_NAME
    finally:
        for program in reversed(programs):
            program.stop()


def follow(file: Path, for_s: float | None) -> Iterator[list[query.DatedReading]]:
    """Give what was stored since the last time, several times a second, until the time is over."""
    reader, row_id = Reader(file), 0
    until_s = time.monotonic() + for_s if for_s is not None else float("inf")
    try:
        while time.monotonic() < until_s:
            rows = list(reader.after(row_id))
            row_id = rows[-1].id if rows else row_id
            yield [reading for row in rows for reading in query.readings_of(row, "*")]
            time.sleep(LOOK_EVERY_S)
    finally:
        reader.close()


def show_lines(file: Path, for_s: float | None, zone: tzinfo) -> None:
    """Print a plain line a reading."""
    for readings in follow(file, for_s):
        for line in printing.table_lines(readings, printing.Style(zone, decimals_of(file), 40)):
            print(line, flush=True)


def show_table(file: Path, for_s: float | None, zone: tzinfo, console: Console) -> None:
    """Show the last reading of each series in a table that lives."""
    last: dict[str, query.DatedReading] = {}
    counts: dict[str, int] = {}
    with Live(console=console, auto_refresh=False) as live:
        for readings in follow(file, for_s):
            for reading in readings:
                last[reading.series] = reading
                counts[reading.series] = counts.get(reading.series, 0) + 1
            live.update(table(last, counts, decimals_of(file), zone), refresh=True)


def table(
    last: dict[str, query.DatedReading],
    counts: dict[str, int],
    decimals: dict[str, int | None],
    zone: tzinfo,
) -> Table:
    """Draw the table."""
    drawn = Table(title="readings as they are stored   (Ctrl-C ends)", title_justify="left")
    for head, justify in (
        ("series", "left"), ("value", "right"), ("unit", "left"), ("quality", "left"),
        ("time", "left"), ("stored", "right"),
    ):  # fmt: skip
        drawn.add_column(head, justify=justify, no_wrap=True)
    for name, reading in sorted(last.items()):
        drawn.add_row(
            name,
            printing.shown(reading.value, decimals.get(name)),
            reading.unit,
            printing.quality_told(reading.quality),
            "unknown" if reading.time_ns is None else told(reading.time_ns, zone)[11:23],
            str(counts[name]),
        )
    return drawn


def decimals_of(file: Path) -> dict[str, int | None]:
    """Return how many decimals each series is shown with."""
    return {each.name: each.decimals for each in series_of(file)}


def series_of(file: Path) -> list[SeriesRow]:
    """Return the series the store knows."""
    reader = Reader(file)
    try:
        return reader.series()
    finally:
        reader.close()


def counted(file: Path) -> tuple[int, int]:
    """Return how many readings of how many series are in the file, by reading all of it."""
    reader = Reader(file)
    try:
        answer = reader.range("*", 0, END_OF_TIME_NS)
    finally:
        reader.close()
    return sum(len(part.times_ns) for part in answer.parts), len(answer.parts)


def main() -> int:
    """Run the demo; 0 if readings were stored."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--for",
        dest="for_s",
        type=duration_s,
        metavar="15s",
        help="end by itself after this long",
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="telegauge-demo-"))
    console, zone = Console(), zone_of("system")
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    file = folder / "telegauge-collector" / "state" / FILE_NAME
    try:
        with running(folder):
            if console.is_terminal:
                show_table(file, options.for_s, zone, console)
            else:
                show_lines(file, options.for_s, zone)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read the lines has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    readings, series = counted(file)
    print(f"stored {readings} readings of {series} series in {file}")
    if readings:
        program = shlex.quote(str(BIN / "telegauge-collector"))
        print(f"it stays there; ask it:  STATE_DIRECTORY={file.parent} {program} query '*/host.*'")
    return 0 if readings else 1


def duration_s(text: str) -> float:
    """Read --for; argparse shows what was accepted."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
