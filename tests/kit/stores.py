"""Stores for tests: real SQLite files, filled through the same code as a collector's."""

import queue
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from collector.store import Holding, Reader, Stored, Writer
from collector.store.database import open_for_writing
from collector.store.transaction import Transaction
from kit.waiting import WITHIN_S
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire.batches import ClockPair, Place, open_header, seal
from wire.blocks import OpenBody, Point
from wire.bodies import ChannelDescription, Describe, Held, Moment, SensorDescription
from wire.receiver import Arrived

SECOND_NS = 10**9
OTHER_EPOCH = bytes(16)
THIRD_EPOCH = bytes(range(100, 116))
# The clock pair that batches here carry, as HOLD and END tell it.
MOMENT = Moment(BOOT, CLOCK.boot_ns, CLOCK.wall_ns, CLOCK.synchronised)
# UTC of what is read at CLOCK_BOOTTIME 0, by the clock pair that batches here carry.
BOOTED_NS = CLOCK.offset_ns


class Read(NamedTuple):
    """What one read of one sensor gave; `time_ns` is CLOCK_BOOTTIME."""

    sensor: str
    time_ns: int
    points: list[Point]


def read(
    at_s: float,
    value: float = 20.0,
    *,
    sensor: str = "air",
    channel: str = "temperature",
    unit: str = "degC",
    quality: int = 0,
) -> Read:
    """A read of one channel, so many seconds after boot."""
    return Read(sensor, round(at_s * SECOND_NS), [Point(channel, unit, value, quality)])


def batch(
    seq: int,
    *reads: Read,
    epoch: bytes = EPOCH,
    clock: ClockPair = CLOCK,
    before: int | None = None,
) -> Arrived:
    """A batch as it arrives; without reads it holds one of `seq` degrees, `seq` s after boot.

    `before` is as if all batches held one reading, unless it is given.
    """
    before = seq - 1 if before is None else before
    body = OpenBody()
    for each in reads or [read(seq, float(seq))]:
        body.add(each.sensor, each.time_ns, each.points)
    return arrived(seal(body, Place(epoch, seq, before), BOOT, clock))


def arrived(sealed: bytes) -> Arrived:
    """A sealed batch as the receiver gives it."""
    return Arrived(open_header(sealed), sealed)


def described(*series: str, unit: str = "degC", interval_s: float = 1.0) -> Describe:
    """What a device says of `sensor.channel`s."""
    sensors = []
    for name in series:
        sensor, _, channel = name.partition(".")
        channels = [ChannelDescription(channel, unit, "temperature", 1, f"label of {channel}")]
        sensors.append(SensorDescription(sensor, "synthetic:sine", interval_s, channels))
    return Describe(sensors, "by the window")


def at_ns(boot_s: float) -> int:
    """UTC of what is read so many seconds after boot."""
    return BOOTED_NS + round(boot_s * SECOND_NS)


def moment(boot_s: float) -> Moment:
    """The clocks of the device, so many seconds after boot."""
    return Moment(BOOT, round(boot_s * SECOND_NS), at_ns(boot_s), synchronised=True)


def held(
    epoch: bytes = EPOCH,
    began_s: float = 0.0,
    *,
    lowest_seq: int = 1,
    clock: Moment = MOMENT,
    datagrams: bool = False,
) -> Held:
    """An entry of HOLD; the epoch began so many seconds after boot."""
    return Held(epoch, lowest_seq, clock, round(began_s * SECOND_NS), datagrams)


def holding(*epochs: Held, lost: str | None = None) -> Holding:
    """All that a device holds, the present epoch first."""
    return Holding(epochs, lost)


@contextmanager
def transaction(path: Path, now_ns: int | None = None) -> Iterator[Transaction]:
    """One group commit on a store of its own connection, at a time of receipt."""
    with closing(open_for_writing(path)) as database:
        group = Transaction(database)
        group.begin(time.time_ns() if now_ns is None else now_ns)
        yield group
        group.commit()


def commit(path: Path, device: str, *batches: Arrived) -> None:
    """Commit batches of a device, in one group."""
    with transaction(path) as group:
        group.store(device, batches)


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask the file itself, past all code of ours."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query, values).fetchall()


def change(path: Path, statement: str, *values: object) -> None:
    """Change the file itself, past all code of ours."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def heard_earlier(path: Path, by_s: float, device: str = "*") -> None:
    """Let it be so much longer ago that anything of a device was stored."""
    change(
        path,
        "UPDATE epoch SET heard_ns = heard_ns - ?"
        " WHERE device IN (SELECT id FROM device WHERE name GLOB ?)",
        round(by_s * SECOND_NS), device,
    )  # fmt: skip


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every writer out, as a slow disk would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """A reader that is closed."""
    with closing(Reader(path)) as reader:
        yield reader


class WriterRig:
    """A writer with its own thread; the test's thread plays the event loop.

    `revoked` are the devices of which nothing more may be stored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures: list[Exception] = []
        self.deliveries = 0
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.database = open_for_writing(path)
        self.revoked: set[str] = set()
        self.writer = Writer(
            self.database,
            self._call_soon,
            self._delivered,
            self.failures.append,
            self.revoked.__contains__,
        )

    def run_until(self, condition: Callable[[], object], timeout_s: float = WITHIN_S) -> None:
        """Run what the writer hands to the loop, until a condition holds."""
        until_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < until_s, f"condition did not come within {timeout_s:g} s"
            try:
                self._calls.get(timeout=0.01)()
            except queue.Empty:
                continue

    def run_waiting(self) -> None:
        """Run what waits for the loop now."""
        while not self._calls.empty():
            self._calls.get()()

    def store(self, device: str, *batches: Arrived) -> Stored:
        """Store batches and wait for the answer."""
        stored: Stored = self.ask(self.writer.store, device, batches)
        return stored

    def ask(self, ask: Callable[..., None], *what: object) -> Any:
        """Ask the writer one thing, `ask(*what, done)`, and wait for the answer."""
        answers: list[Any] = []
        ask(*what, answers.append)
        self.run_until(lambda: answers or self.failures)
        assert answers, self.failures
        return answers[0]

    def store_all(self, device: str, batches: Sequence[Arrived]) -> list[Stored]:
        """Ask for each batch on its own, without waiting; return the list of answers to come."""
        answers: list[Stored] = []
        for each in batches:
            self.writer.store(device, [each], answers.append)
        return answers

    def _call_soon(self, act: Callable[..., object], *arguments: object) -> None:
        self._calls.put(lambda: act(*arguments))

    def _delivered(self) -> None:
        self.deliveries += 1


@contextmanager
def writer_rig(path: Path) -> Iterator[WriterRig]:
    """A running writer, ended afterwards."""
    rig = WriterRig(path)
    rig.writer.start()
    try:
        yield rig
    finally:
        assert rig.writer.close(WITHIN_S)
