"""collector.store.migrations: an older store goes on, with nothing lost and nothing repeated."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector import query
from collector.errors import StoreError
from collector.store import Stored, former_schemas, migrations
from collector.store.database import FILE_NAME, VERSION, open_for_reading, open_for_writing
from collector.store.soundness import checksum
from collector.store.transaction import Transaction
from collector.times import END_OF_TIME_NS
from kit.sealing import sealed_apart
from kit.stores import (
    OTHER_EPOCH,
    SECOND_NS,
    THIRD_EPOCH,
    at_ns,
    batch,
    change,
    held,
    holding,
    open_reader,
    read,
    rows,
    transaction,
)
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire import batches
from wire.batches import ClockPair
from wire.bodies import ChannelDescription, Describe, SensorDescription
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

# As version 2 made it.
VERSION_2 = """
CREATE TABLE device (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    label           TEXT,
    first_heard_ns  INTEGER NOT NULL
);
CREATE TABLE epoch (
    id         INTEGER PRIMARY KEY,
    device     INTEGER NOT NULL REFERENCES device,
    epoch      BLOB NOT NULL,
    datagrams  INTEGER NOT NULL,
    boot_id    BLOB,
    began_ns   INTEGER,
    offset_ns  INTEGER,
    mark       INTEGER NOT NULL,
    batches    INTEGER NOT NULL,
    readings   INTEGER NOT NULL,
    counted    INTEGER,
    last_ns    INTEGER,
    heard_ns   INTEGER NOT NULL,
    ended      TEXT,
    checksum   INTEGER NOT NULL,
    UNIQUE (device, epoch)
);
CREATE INDEX epoch_open ON epoch (device) WHERE ended IS NULL;
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
    epoch        INTEGER REFERENCES epoch,
    first_seq    INTEGER,
    last_seq     INTEGER,
    before       INTEGER,
    readings     INTEGER,
    from_ns      INTEGER,
    to_ns        INTEGER,
    reason       TEXT NOT NULL,
    recorded_ns  INTEGER NOT NULL
);
CREATE INDEX gap_epoch ON gap (epoch);
CREATE TABLE backup_stamp (
    taken_ns  INTEGER NOT NULL
);
PRAGMA user_version = 2;
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
        "SELECT epoch, datagrams, boot_id, began_ns, mark, batches, readings, counted, last_ns,"
        " heard_ns, ended FROM epoch LEFT JOIN boot ON boot.id = boot ORDER BY epoch.id",
    ) == [
        (OTHER_EPOCH, 0, BOOT, None, 3, 3, 4, 4, 9 * SECOND_NS, 100, "restarted"),
        (EPOCH, 0, BOOT, None, 5, 2, 2, None, 5 * SECOND_NS, 200, None),
        (EPOCH, 0, BOOT, None, 1, 1, 1, 1, SECOND_NS, 50, "restarted"),
        (THIRD_EPOCH, 0, None, None, 0, 0, 0, 0, None, 50, None),
    ]
    assert rows(file, "SELECT * FROM gap") == [
        (1, 1, 2, 2, 4, *[None] * 8, "collector_rollback", 11)
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
    broken = (*former_schemas.VERSION_2[:-1], "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setattr(former_schemas, "VERSION_2", broken)
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


class Version2:
    """A store of version 2, written as its collector did."""

    def __init__(self, file: Path) -> None:
        self.database = sqlite3.connect(file, isolation_level=None)
        self.database.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {VERSION_2} COMMIT;")
        self.database.execute("INSERT INTO device VALUES (1, 'greenhouse', NULL, 5)")

    def epoch(self, name: bytes, *run: Arrived, late_s: float = 1.0) -> None:
        """An epoch of batches that HOLD told of, in one row, received so long after the last reading."""
        headers = [arrived.header for arrived in run]
        clock = headers[0].clock
        proof = checksum(1, name, len(run), None, 0)
        ends_ns = [header.last_ns + header.clock.offset_ns for header in headers]
        row = self.database.execute(
            "INSERT INTO epoch VALUES (NULL, 1, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, 9, NULL, ?)",
            (
                name, BOOT, clock.offset_ns, clock.offset_ns, len(run), len(run), len(run),
                len(run), max(ends_ns), proof,
            ),
        )  # fmt: skip
        self.database.execute(
            "INSERT INTO batch VALUES (NULL, 1, ?, 1, ?, ?, ?, ?, ?, ?)",
            (
                row.lastrowid,
                len(run),
                sum(header.readings for header in headers),
                min(header.first_ns + header.clock.offset_ns for header in headers),
                max(ends_ns),
                headers[-1].last_ns + CLOCK.offset_ns + round(late_s * SECOND_NS),
                b"".join(arrived.sealed for arrived in run),
            ),
        )


def told(file: Path) -> list[tuple[float, int | None, str]]:
    """All readings as a query gives them, when nothing is left to be dated: value, time, how known."""
    with closing(open_for_writing(file)) as database:
        group = Transaction(database)
        is_more = True
        while is_more:
            group.begin(at_ns(1000))
            is_more = group.date_anew()
            group.commit()
    with open_reader(file) as reader:
        answer = reader.range("*", -END_OF_TIME_NS, END_OF_TIME_NS)
    assert answer.undecodable == 0
    return [
        (each.value, each.time_ns, str(each.dating.known))
        for part in answer.parts
        for each in query.as_readings(part)
    ]


UNTRUSTED = CLOCK._replace(synchronised=False)


def test_version_2_keeps_its_answers(tmp_path: Path) -> None:
    """Of clocks that the kernel called right, and of those that agreed with the collector's."""
    file = tmp_path / FILE_NAME
    old = Version2(file)
    old.epoch(EPOCH, batch(1), batch(2), batch(3, clock=UNTRUSTED), batch(4))
    old.epoch(OTHER_EPOCH, batch(1, read(9, 9.0), epoch=OTHER_EPOCH, clock=UNTRUSTED))
    old.database.close()
    assert told(file) == [(float(at_s), at_ns(at_s), "synced") for at_s in (1, 2, 3, 4, 9)]
    assert rows(file, "SELECT first_seq, last_seq, dated FROM batch ORDER BY id") == [
        (1, 2, 0), (3, 3, 1), (4, 4, 0), (1, 1, 1),
    ]  # fmt: skip
    assert rows(file, "SELECT boot, began_ns, last_ns FROM epoch ORDER BY id") == [
        (1, 0, 4 * SECOND_NS), (1, 0, 9 * SECOND_NS),
    ]  # fmt: skip


def test_clock_of_version_2_that_was_borne_out(tmp_path: Path) -> None:
    """Nobody called it right, and yet it agreed with the collector's to a second."""
    file = tmp_path / FILE_NAME
    old = Version2(file)
    old.epoch(EPOCH, *[batch(seq, clock=UNTRUSTED) for seq in (1, 2, 3)])
    old.database.close()
    assert told(file) == [(float(at_s), at_ns(at_s), "derived") for at_s in (1, 2, 3)]
    assert rows(file, "SELECT source, error_ns FROM clock_pair") == [(0, SECOND_NS)]


def test_clock_of_version_2_that_was_wrong(tmp_path: Path) -> None:
    """What it said is no time; the readings stay, in their order, with a bound."""
    file = tmp_path / FILE_NAME
    old = Version2(file)
    wrong = ClockPair(CLOCK.boot_ns, 0, synchronised=False)
    old.epoch(EPOCH, *[batch(seq, clock=wrong) for seq in (1, 2, 3)])
    old.database.close()
    assert told(file) == [(float(at_s), None, "unknown") for at_s in (1, 2, 3)]
    assert rows(file, "SELECT dated, to_ns FROM batch") == [(3, at_ns(4))]


def test_batch_of_version_2_that_cannot_be_read(tmp_path: Path) -> None:
    """It is kept as it is, and still counted."""
    file = tmp_path / FILE_NAME
    old = Version2(file)
    old.epoch(EPOCH, batch(1))
    old.database.execute("UPDATE batch SET sealed = 'not even bytes'")
    old.database.close()
    open_for_writing(file).close()
    with open_reader(file) as reader:
        assert reader.range("*", 0, END_OF_TIME_NS).undecodable == 1


def test_version_4_learns_where_doubts_are(tmp_path: Path) -> None:
    """Of what it had sealed, too."""
    file = tmp_path / FILE_NAME
    with closing(open_for_writing(file)) as database:
        database.execute("INSERT INTO device VALUES (1, 'greenhouse', NULL, 5)")
    sealed_apart(file, "greenhouse", batch(1), batch(2, read(2, quality=3)), batch(3))
    for statement in former_schemas.VERSION_5:
        if statement.startswith("CREATE INDEX"):
            change(file, f"DROP INDEX {statement.split()[2]}")
    change(file, "ALTER TABLE series DROP COLUMN max_interval_s")
    change(file, "PRAGMA user_version = 4")
    open_for_writing(file).close()
    with open_reader(file) as reader:
        ((_, doubts),) = reader.doubts("*", at_ns(0), at_ns(9), lambda times: times).items()
    assert doubts[3].from_ns.tolist() == [at_ns(2)]
    (plan,) = rows(
        file,
        "EXPLAIN QUERY PLAN SELECT count(*) FROM chunk"
        " WHERE series = 1 AND substr(data, 2, 1) > x'01'",
    )
    assert "chunk_doubtful" in plan[-1]


def test_version_4_learns_how_long_nothing_new_is_left_out(tmp_path: Path) -> None:
    """From the device, when it describes itself again; until then nobody knows."""
    file = tmp_path / FILE_NAME
    old = Version2(file)
    old.epoch(EPOCH, batch(1))
    old.database.execute(
        "INSERT INTO series VALUES (NULL, 1, 'air', 't', 'degC', 'temperature', 1, NULL, 'host', 5.0)"
    )
    migrations.migrate(old.database, 2, 4)
    old.database.close()
    assert rows(file, "PRAGMA user_version") == [(4,)]
    open_for_writing(file).close()
    with open_reader(file) as reader:
        (before,) = reader.series()
    assert (before.interval_s, before.max_interval_s, before.longest_s) == (5.0, None, 5.0)
    channel = ChannelDescription("t", "degC", "temperature", 1, None, 600.0)
    with transaction(file) as group:
        group.describe("greenhouse", Describe([SensorDescription("air", "host", 5.0, [channel])]))
    with open_reader(file) as reader:
        (after,) = reader.series()
    assert (after.interval_s, after.max_interval_s, after.longest_s) == (5.0, 600.0, 600.0)
