"""An agent on mock pins that are driven from outside, and the collector that it sends to."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from collector import query
from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS
from kit.mockpins import DRIVEN, PINS
from kit.programs import ROOT, Program, collector, free_port
from kit.waiting import wait_until

DOOR, RAIN = 17, 18
_YAML = """
name: pi
collector:
  address: 127.0.0.1:{port}
sensors:
  door:
    driver: gpiozero:Button
    options: {{pin: 17}}
    interval: 1h
  rain:
    driver: pulses
    options: {{pin: 18}}
    interval: 100ms
"""


class Pinned:
    """The pair: `door` is a button on pin 17, read once an hour, `rain` counts the pulses of pin 18."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.collector = collector(folder / "collector", port)
        self._fifo, self._driven = folder / "pins", folder / "driven"
        self._driven.touch()
        os.mkfifo(self._fifo)
        environment = {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            PINS: str(self._fifo),
            DRIVEN: str(self._driven),
        }
        self.device = Program(
            "kit.mockpins",
            "run",
            folder / "device",
            _YAML.format(port=port),
            environment=environment,
        )

    def drive(self, pin: int, *levels: str) -> None:
        """Drive a pin, and wait until it has moved."""
        before = len(self.driven_ns())
        with self._fifo.open("w") as fifo:
            fifo.writelines(f"{pin} {level}\n" for level in levels)
        wait_until(lambda: len(self.driven_ns()) == before + len(levels))

    def driven_ns(self) -> list[int]:
        """When pins were driven, CLOCK_BOOTTIME."""
        return [int(line) for line in self._driven.read_text().splitlines()]

    @property
    def store(self) -> Path:
        """The collector's file."""
        return self.collector.state / FILE_NAME

    def readings(self, series: str) -> list[query.DatedReading]:
        """What the store has of one series."""
        with closing(Reader(self.store)) as reader:
            answer = reader.range(series, 0, END_OF_TIME_NS)
        return [each for part in answer.parts for each in query.as_readings(part)]


@contextmanager
def running(folder: Path) -> Iterator[Pinned]:
    """Both programs, and no process behind."""
    pins = Pinned(folder)
    try:
        pins.collector.start()
        pins.device.start()
        wait_until(lambda: len(pins.readings("pi/door.pressed")) == 1)
        yield pins
    finally:
        pins.device.end()
        pins.collector.end()
