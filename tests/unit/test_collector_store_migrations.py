"""collector.store.migrations: an older store goes on, with nothing lost and nothing repeated."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.errors import StoreError
from collector.store import Stored, migrations
from collector.store.database import FILE_NAME, VERSION, open_for_reading, open_for_writing
from kit.stores import (
    OTHER_EPOCH,
    THIRD_EPOCH,
    at_ns,
    batch,
    held,
    holding,
    open_reader,
    read,
    rows,
    transaction,
)
from kit.wireworks import EPOCH
from wire import batches
from wire.receiver import Arrived

# As version 1 made it.
VERSION_1 = """
CREATE TABLE device (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    label           TEXT,
    first_heard_ns  INTEGER NOT NULL
);
CREATE TABLE epoch (
    id        INTEGER PRIMARY KEY,
    device    INTEGER NOT NULL REFERENCES device,
    epoch     BLOB NOT NULL,
    mark      INTEGER NOT NULL,
    readings  INTEGER NOT NULL,
    heard_ns  INTEGER NOT NULL,
    UNIQUE (device, epoch)
);
CREATE TABLE series (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL REFERENCES device,
    sensor      TEXT NOT NULL,
    channel     TEXT NOT NULL,
    unit        TEXT NOT NULL,
    quantity    TEXT NOT NULL,
    decimals    INTEGER,
    label       TEXT,
    driver      TEXT NOT NULL,
    interval_s  REAL NOT NULL,
    UNIQUE (device, sensor, channel)
);
CREATE TABLE batch (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    readings     INTEGER NOT NULL,
    from_ns      INTEGER NOT NULL,
    to_ns        INTEGER NOT NULL,
    received_ns  INTEGER NOT NULL,
    sealed       BLOB NOT NULL
);
CREATE INDEX batch_time ON batch (device, to_ns, from_ns);
CREATE TABLE gap (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device,
    epoch        INTEGER NOT NULL REFERENCES epoch,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    readings     INTEGER,
    reason       TEXT NOT NULL,
    recorded_ns  INTEGER NOT NULL
);
PRAGMA user_version = 1;
"""


class Version1:
    """A store of version 1, written as its collector did."""

    def __init__(self, file: Path) -> None:
        self.database = sqlite3.connect(file, isolation_level=None)
        self.database.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {VERSION_1} COMMIT;")

    def device(self, number: int, name: str) -> None:
        """A device that was heard of."""
        self.database.execute(
            "INSERT INTO device VALUES (?, ?, 'by the window', 5)", (number, name)
        )

    def epoch(self, device: int, name: bytes, mark: int, readings: int, heard_ns: int) -> int:
        """An epoch and its mark."""
        row = self.database.execute(
            "INSERT INTO epoch (device, epoch, mark, readings, heard_ns) VALUES (?, ?, ?, ?, ?)",
            (device, name, mark, readings, heard_ns),
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def run(self, device: int, epoch: int, *run: Arrived) -> None:
        """Batches of an epoch, in one row."""
        headers = [arrived.header for arrived in run]
        self.database.execute(
            "INSERT INTO batch (device, epoch, first_seq, last_seq, readings, from_ns, to_ns,"
            " received_ns, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, 9, ?)",
            (
                device,
                epoch,
                headers[0].place.seq,
                headers[-1].place.seq,
                sum(header.readings for header in headers),
                min(header.first_ns + header.clock.offset_ns for header in headers),
                max(header.last_ns + header.clock.offset_ns for header in headers),
                b"".join(arrived.sealed for arrived in run),
            ),
        )

    def gap(self, device: int, epoch: int, first_seq: int, last_seq: int) -> None:
        """A gap whose readings nobody knew."""
        self.database.execute(
            "INSERT INTO gap (device, epoch, first_seq, last_seq, readings, reason, recorded_ns)"
            " VALUES (?, ?, ?, ?, NULL, 'collector_rollback', 11)",
            (device, epoch, first_seq, last_seq),
        )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of version 1: two starts of one device, a gap in the second; and another device."""
    file = tmp_path / FILE_NAME
    old = Version1(file)
    old.device(1, "greenhouse")
    old.device(2, "cellar")
    first = old.epoch(1, OTHER_EPOCH, 3, 4, 100)
    second = old.epoch(1, EPOCH, 5, 2, 200)
    other = old.epoch(2, EPOCH, 1, 1, 50)
    old.epoch(2, THIRD_EPOCH, 0, 0, 50)
    old.run(1, first, batch(1, read(9), read(2), epoch=OTHER_EPOCH), batch(2, epoch=OTHER_EPOCH))
    old.run(1, first, batch(3, epoch=OTHER_EPOCH))
    old.run(1, second, batch(1))
    old.gap(1, second, 2, 4)
    old.run(1, second, batch(5))
    old.run(2, other, batch(1))
    old.database.close()
    return file


def stored(file: Path) -> list[tuple[str, bytes, list[int]]]:
    """The seqs in each batch row, with the device and epoch of that row."""
    found = rows(
        file,
        "SELECT device.name, epoch.epoch, sealed FROM batch JOIN epoch ON epoch.id = batch.epoch"
        " JOIN device ON device.id = batch.device ORDER BY batch.id",
    )
    return [
        (name, epoch, [batches.open_header(each).place.seq for each in batches.split(sealed)])
        for name, epoch, sealed in found
    ]


def shape(file: Path) -> set[tuple[str, str]]:
    """All tables and indexes, as they were declared, without comments and layout."""
    found = rows(file, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        (name, re.sub(r'[\s"]+|--[^\n]*\n', "", sql).replace("new_", "")) for name, sql in found
    }


def test_migrated_store_has_the_shape_of_a_new_one(file: Path, tmp_path: Path) -> None:
    """Whatever the way, this version is one thing."""
    with capture_logs() as logs:
        open_for_writing(file).close()
    assert [each["event"] for each in logs] == ["store_copied", "store_migrated"]
    assert logs[1]["to_version"] == VERSION
    fresh = tmp_path / "fresh.db"
    open_for_writing(fresh).close()
    assert shape(file) == shape(fresh)
    assert rows(file, "PRAGMA user_version") == [(VERSION,)]


def test_nothing_is_lost(file: Path) -> None:
    """Batches, marks, gaps and devices are as they were; what can be known of epochs is."""
    before = stored(file)
    open_for_writing(file).close()
    assert stored(file) == before
    assert rows(file, "SELECT * FROM device") == [
        (1, "greenhouse", "by the window", 5), (2, "cellar", "by the window", 5),
    ]  # fmt: skip
    assert rows(
        file,
        "SELECT epoch, datagrams, boot_id, began_ns, offset_ns, mark, batches, readings, counted,"
        " last_ns, heard_ns, ended FROM epoch ORDER BY id",
    ) == [
        (OTHER_EPOCH, 0, None, None, None, 3, 3, 4, 4, at_ns(9), 100, "restarted"),
        (EPOCH, 0, None, None, None, 5, 2, 2, None, at_ns(5), 200, None),
        (EPOCH, 0, None, None, None, 1, 1, 1, 1, at_ns(1), 50, "restarted"),
        (THIRD_EPOCH, 0, None, None, None, 0, 0, 0, 0, None, 50, None),
    ]
    assert rows(file, "SELECT * FROM gap") == [
        (1, 1, 2, 2, 4, None, None, None, None, "collector_rollback", 11)
    ]
    with open_reader(file) as reader:
        assert [device.readings for device in reader.devices()] == [1, 6]


def test_nothing_is_repeated(file: Path) -> None:
    """Whatever an agent sends again is known; what is new goes on behind the mark."""
    open_for_writing(file).close()
    before = stored(file)
    everything: dict[str, list[Arrived]] = {
        "greenhouse": [batch(seq, epoch=OTHER_EPOCH) for seq in (1, 2, 3)],
        "cellar": [batch(1)],
    }
    with transaction(file) as group:
        for device, run in everything.items():
            assert group.store(device, run).hole is None
        assert group.store("greenhouse", [batch(seq) for seq in range(1, 6)]) == Stored({EPOCH: 5})
    assert stored(file) == before
    with transaction(file) as group:
        assert group.store("greenhouse", [batch(6)]) == Stored({EPOCH: 6})
    assert stored(file) == [*before, ("greenhouse", EPOCH, [6])]


def test_what_an_upgraded_agent_lost_is_one_tail(file: Path) -> None:
    """The memory of the agent that ran last ended with it; of former ones nothing new is said."""
    with transaction(file) as group:
        group.hold("greenhouse", holding(held(THIRD_EPOCH, 60)))
    assert rows(file, "SELECT first_seq, last_seq, from_ns, to_ns FROM gap WHERE id > 1") == [
        (6, None, at_ns(5), at_ns(60))
    ]


def test_migration_is_all_or_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks off leaves version 1 as it was, and the next start does all of it."""
    before = (stored(file), rows(file, "SELECT * FROM epoch"))
    broken = (*migrations._VERSION_2[:-1], "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_VERSION_2", broken)
        with pytest.raises(StoreError, match="cannot be opened: no such table"):
            open_for_writing(file)
    assert (stored(file), rows(file, "SELECT * FROM epoch")) == before
    assert rows(file, "PRAGMA user_version") == [(1,)]
    open_for_writing(file).close()
    assert stored(file) == before[0]


def test_reading_an_older_store(file: Path) -> None:
    """A question changes nothing; it says who brings the store up to date."""
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"store version 1, .* Start telegauge-collector"):
        open_for_reading(file)
    assert file.read_bytes() == before


def test_empty_store_of_version_1(tmp_path: Path) -> None:
    """One that was made and never used."""
    file = tmp_path / FILE_NAME
    Version1(file).database.close()
    with closing(open_for_writing(file)) as database:
        found: list[Any] = database.execute("SELECT * FROM epoch").fetchall()
    assert found == []
