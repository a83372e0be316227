"""How damage of the file is looked for; what is done about it stands in `database`.

The epoch rows decide whether a batch is new. A flipped bit there could store a reading twice or
never, and SQLite does not notice one, so each row carries a checksum. They are few: whatever the
size of the file, all of them are checked, with their indexes, at each start.
"""

import sqlite3
import struct
import zlib
from pathlib import Path

from service.damage import damage

# A small store is checked whole at each start; a large one where it is touched, and at commit.
_CHECK_UP_TO_BYTES = 64 * 1024 * 1024
_NUMBERS = struct.Struct("<qqq")


def checksum(device_id: int, epoch: bytes, mark: int, ended: bytes | None, datagrams: int) -> int:
    """Return what an epoch row carries: the CRC-32 of all that decides whether a batch is new.

    `ended` is the reason in UTF-8. Layout: device, mark, 2 * datagrams + (1 where it has ended) as
    i64, little-endian; the epoch; the reason.
    """
    flags = 2 * datagrams + (ended is not None)
    return zlib.crc32(_NUMBERS.pack(device_id, mark, flags) + epoch + (ended or b""))


def check_epoch(found: int, *values: object) -> None:
    """Check a row against its checksum; `values` are those of `checksum`, as the file has them.

    Raises:
        sqlite3.DatabaseError: it does not match, the file is damaged.
    """
    try:
        expected = checksum(*values)  # type: ignore[arg-type]
    except (TypeError, struct.error):  # a number has become a text, and the like
        expected = None
    if found != expected:
        raise damage("the checksum of an epoch row does not match")


def check_file(path: Path, database: sqlite3.Connection) -> None:
    """Check the structure of a file that is small enough for that.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    if path.stat().st_size <= _CHECK_UP_TO_BYTES:
        _expect_ok(database, "PRAGMA integrity_check(1)")


def check_epochs(database: sqlite3.Connection) -> None:
    """Check all epoch rows, and that their indexes find them.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    _expect_ok(database, "PRAGMA integrity_check(epoch)")
    rows = database.execute(
        "SELECT checksum, device, epoch, mark, CAST(ended AS BLOB), datagrams FROM epoch"
    )
    for row in rows:
        check_epoch(*row)


def check_schema(database: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """Check that tables and indexes have the names and columns of a store just made, `fresh`.

    With a bit of a name changed our statements would fail for ever, and no error would say damage.

    Raises:
        sqlite3.DatabaseError: they have not, the file is damaged.
    """
    if _columns(database) != _columns(fresh):
        raise damage("the tables are not those of a store")


def _columns(database: sqlite3.Connection) -> list[tuple[object, ...]]:
    # As blobs: what damage has made of a name may not be text.
    tables = database.execute(
        "SELECT CAST(made.name AS BLOB), each.cid, CAST(each.name AS BLOB),"
        ' CAST(each.type AS BLOB), each."notnull", each.pk'
        " FROM sqlite_master AS made, pragma_table_info(made.name) AS each"
        " WHERE made.type = 'table' ORDER BY 1, 2"
    ).fetchall()
    indexes = database.execute(
        "SELECT CAST(made.name AS BLOB), each.seqno, CAST(each.name AS BLOB)"
        " FROM sqlite_master AS made, pragma_index_info(made.name) AS each"
        " WHERE made.type = 'index' ORDER BY 1, 2"
    ).fetchall()
    return tables + indexes


def _expect_ok(database: sqlite3.Connection, question: str) -> None:
    (word,) = database.execute(question).fetchone()
    if word != "ok":
        raise damage(word)
