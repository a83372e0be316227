"""The store: what was acknowledged, in one SQLite file.

Two small interfaces: a session commits through `Writer`, a question reads through `Reader`.
Everything else in this package is behind them.
"""

from collector.errors import StoreError
from collector.store.amount import Amount, amount_of
from collector.store.backup import BackupError, Copy, back_up
from collector.store.database import FILE_NAME, open_for_writing, set_aside, unreadable
from collector.store.deletion import Deleted, Selection
from collector.store.doubts import Doubts, Starts, Stretches, join_stretches
from collector.store.glance import devices_of, names_in
from collector.store.history import Key, Range
from collector.store.holds import HoldsStatus
from collector.store.housekeeper import Housekeeper, delete_from, seal_store
from collector.store.newest import Newest
from collector.store.parts import (
    DatedReading,
    Part,
    as_readings,
    last_place,
    parts_of,
    reading_of,
    readings_of,
)
from collector.store.reader import Reader
from collector.store.requests import Holding, Rejected, Revoked, Stored
from collector.store.retention import Keep
from collector.store.rollups import HOUR_NS, MINUTE_NS, Buckets, chosen, means, merged, summarised
from collector.store.rows import NOWHERE, BatchRow, DeviceRow, GapRow, RowHead, SeriesRow
from collector.store.sizes import Sizes, size_on_disk, sizes_of
from collector.store.verification import Damage, Verified, verify
from collector.store.writer import REQUEST_BYTES, Writer

__all__ = [
    "FILE_NAME",
    "HOUR_NS",
    "MINUTE_NS",
    "NOWHERE",
    "REQUEST_BYTES",
    "Amount",
    "BackupError",
    "BatchRow",
    "Buckets",
    "Copy",
    "Damage",
    "DatedReading",
    "Deleted",
    "DeviceRow",
    "Doubts",
    "GapRow",
    "Holding",
    "HoldsStatus",
    "Housekeeper",
    "Keep",
    "Key",
    "Newest",
    "Part",
    "Range",
    "Reader",
    "Rejected",
    "Revoked",
    "RowHead",
    "Selection",
    "SeriesRow",
    "Sizes",
    "Starts",
    "StoreError",
    "Stored",
    "Stretches",
    "Verified",
    "Writer",
    "amount_of",
    "as_readings",
    "back_up",
    "chosen",
    "delete_from",
    "devices_of",
    "join_stretches",
    "last_place",
    "means",
    "merged",
    "names_in",
    "open_for_writing",
    "parts_of",
    "reading_of",
    "readings_of",
    "seal_store",
    "set_aside",
    "size_on_disk",
    "sizes_of",
    "summarised",
    "unreadable",
    "verify",
]
