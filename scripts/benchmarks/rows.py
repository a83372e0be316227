"""The peer of the ingest benchmark: the plain way, one SQL row a reading.

In one process, without a network and without a protocol, which favours it; durable after each
transaction, as our acknowledgement is.
"""

import sqlite3
import time
from pathlib import Path


def rows_per_second(folder: Path, readings: int, per_transaction: int) -> tuple[float, float]:
    """Store readings as rows; return readings/s and CPU seconds a million."""
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "rows.db", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE reading (series INTEGER,"
        " time INTEGER, value REAL, quality INTEGER, PRIMARY KEY (series, time)) WITHOUT ROWID;"
    )
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, readings, per_transaction):
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO reading VALUES (?, ?, ?, 0)",
            [(n % 10, n // 10, n / 10) for n in range(start, start + per_transaction)],
        )
        database.execute("COMMIT")
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    database.close()
    return readings / wall_s, cpu_s / readings * 1e6
