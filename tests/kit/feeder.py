"""A device that sends as fast as it is acknowledged, and keeps a ledger of what was acknowledged.

What a batch holds follows from its epoch and seq alone, so that what is stored can be checked byte for
byte without keeping it. For tests of the collector: nothing here is sampled or spooled.
"""

import hashlib
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from collector.store import Reader
from collector.store.database import FILE_NAME, open_for_reading
from device.contact import Contact
from device.credentials import Credentials
from kit.keys import let_in
from kit.wireworks import BOOT, CLOCK, MOMENT
from service import tls
from wire.batches import Place, place_of, seal, split
from wire.blocks import OpenBody, Point
from wire.bodies import Ack, ChannelDescription, Describe, Held, Marks, SensorDescription
from wire.conversation import Closed, Event, State
from wire.greetings import Ready
from wire.sender import Sender

# How many readings the batches have in turn.
_READINGS = (1, 3, 10, 1, 30, 2, 200)
_LOOK_EVERY_S = 0.2
_SEND_WITHIN_S = 10.0
DESCRIPTION = Describe(
    [SensorDescription("feed", "synthetic:counter", 1.0, [ChannelDescription("value", "m")])]
)


def batch(epoch: bytes, seq: int) -> bytes:
    """The sealed batch of a place: from one reading to two hundred."""
    body = OpenBody()
    for number, value in enumerate(_values(epoch, seq)):
        body.add("feed", (seq * 1000 + number) * 10**6, [Point("value", "m", value, 0)])
    return seal(body, Place(epoch, seq, 0), BOOT, CLOCK)


class Feeder:
    """One device with one epoch; at most `ahead` batches are unacknowledged.

    Attributes:
        acknowledged: the mark that the collector has acknowledged last.
        sent: the highest seq that was ever sent.
        marks: what MARKS said at the start of each session.
        farewells: why sessions ended, where the collector or this end said so.
        credentials: with these it comes over TLS, and proves its key.
    """

    def __init__(self, name: str, ahead: int = 10, credentials: Credentials | None = None) -> None:
        self.credentials = credentials
        self.name = name
        self.ahead = ahead
        self.epoch = hashlib.sha256(name.encode()).digest()[:16]
        self.acknowledged = 0
        self.sent = 0
        self.marks: list[int] = []
        self.farewells: list[str] = []
        self._next = 1

    def feed(self, port: int, enough: Callable[[], bool]) -> None:
        """Hold one session, until it ends or it is enough."""
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                if self.credentials is None:
                    self._session(plain, enough)
                    return
                with tls.client_context().wrap_socket(plain) as secured:
                    self._session(secured, enough)
        except OSError:
            return  # it was cut, or nobody listens

    def _session(self, connection: socket.socket, enough: Callable[[], bool]) -> None:
        prover = Contact(self.name, (), self.credentials).prover()
        sender = Sender(self.name, "feeder", time.monotonic(), prover)
        while sender.state is not State.CLOSED and not enough():
            for event in exchanged(connection, sender, _LOOK_EVERY_S):
                self._happened(sender, event)

    def _happened(self, sender: Sender, event: Event) -> None:
        match event:
            case Ready() if sender.state is State.OPEN:  # a BYE may have come with it
                sender.describe(DESCRIPTION)
                sender.hold([Held(self.epoch, self.acknowledged + 1, MOMENT, 0)])
            case Marks():
                (mark,) = event.marks
                self.marks.append(mark.mark)
                assert self.acknowledged <= mark.mark <= self.sent, (mark, self.acknowledged)
                self.acknowledged, self._next = mark.mark, mark.mark + 1
                self._push(sender)
            case Ack():
                self.acknowledged = event.mark
                self._push(sender)
            case Closed():
                self.farewells.append(event.reason)

    def _push(self, sender: Sender) -> None:
        while self._next <= self.acknowledged + self.ahead:
            sealed = batch(self.epoch, self._next)
            if not sender.has_room(self.epoch, len(sealed)):
                break
            sender.batch(Place(self.epoch, self._next, 0), sealed)
            self.sent = max(self.sent, self._next)
            self._next += 1


def fed_over_tls(state: Path, port: int, devices: int) -> list[Feeder]:
    """Return devices that were let in at a collector which does not run, and come with their keys."""
    names = [f"pi-{number}" for number in range(devices)]
    return [Feeder(name, credentials=let_in(state, name, port)) for name in names]


def feed_all(
    feeders: Sequence[Feeder], port: int, enough: Callable[[], bool] = lambda: False
) -> None:
    """Let all of them hold a session at once, until each has ended or it is enough."""
    with ThreadPoolExecutor(len(feeders)) as pool:
        for fed in [pool.submit(feeder.feed, port, enough) for feeder in feeders]:
            fed.result()


def acknowledged(feeders: Sequence[Feeder]) -> int:
    """How many batches of all of them are acknowledged."""
    return sum(feeder.acknowledged for feeder in feeders)


def check_store(folder: Path, feeders: Sequence[Feeder], scratch: Path) -> dict[str, int]:
    """Check a copy of a store; return the mark of each feeder that it knows.

    The file is sound; each epoch has whole batches, from 1 to its mark without a hole, as they were
    sent; nothing that was acknowledged is missing; nothing was set aside.
    """
    assert not list(folder.glob("*.damaged-*"))
    copy = scratch / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    try:
        marks = _marks(copy / FILE_NAME, {feeder.epoch: feeder for feeder in feeders})
    finally:
        shutil.rmtree(copy)
    for feeder in feeders:
        assert marks.get(feeder.name, 0) >= feeder.acknowledged, "acknowledged and lost"
        assert marks.get(feeder.name, 0) <= feeder.sent
    return marks


def _marks(file: Path, feeders: dict[bytes, Feeder]) -> dict[str, int]:
    if not any(feeder.acknowledged for feeder in feeders.values()) and not _is_store(file):
        return {}
    with closing(open_for_reading(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        marks = {}
        for row_id, epoch, mark in database.execute("SELECT id, epoch, mark FROM epoch").fetchall():
            _check_batches(database, row_id, epoch)
            _check_readings(file, feeders[epoch], mark)
            marks[feeders[epoch].name] = int(mark)
    return marks


def _check_batches(database: sqlite3.Connection, row_id: int, epoch: bytes) -> None:
    """What is not sealed into chunks stands as it was sent."""
    for (row,) in database.execute("SELECT sealed FROM batch WHERE epoch = ?", (row_id,)):
        for sealed in split(bytes(row)):
            assert sealed == batch(epoch, place_of(sealed).seq)


def _check_readings(file: Path, feeder: "Feeder", mark: int) -> None:
    """Every reading up to the mark is there, once, sealed into chunks or not."""
    with closing(Reader(file)) as reader:
        parts, undecodable = reader.range(f"{feeder.name}/*", 0, 2**63 - 1)
    assert not undecodable
    found = [value for part in parts for value in part.values.tolist()]
    sent = [value for seq in range(1, mark + 1) for value in _values(feeder.epoch, seq)]
    assert sorted(found) == sorted(sent)


def _values(epoch: bytes, seq: int) -> list[float]:
    many = _READINGS[(seq + epoch[0]) % len(_READINGS)]
    return [epoch[0] * 1e6 + seq * 1000 + number for number in range(many)]


def _is_store(file: Path) -> bool:
    """Whether it was made at all before the fault came."""
    try:
        open_for_reading(file).close()
    except Exception:  # noqa: BLE001 - whatever is wrong with it: nothing was acknowledged
        return False
    return True


def exchanged(connection: socket.socket, sender: Sender, listen_s: float) -> list[Event]:
    """Send what there is to say, and return what came of what was heard for so long."""
    connection.settimeout(_SEND_WITHIN_S)
    connection.sendall(b"".join(sender.outgoing(time.monotonic())))
    connection.settimeout(listen_s)
    try:
        data = connection.recv(65536)
    except TimeoutError:
        return sender.tick(time.monotonic())
    return sender.receive(data, time.monotonic()) if data else sender.receive_end()
