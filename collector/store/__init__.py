"""The store: what was acknowledged, in one SQLite file.

Two small interfaces: a session commits through `Writer`, a question reads through `Reader`.
Everything else in this package is behind them.
"""

from collector.errors import StoreError
from collector.store.reader import (
    BatchRow,
    DeviceRow,
    Reader,
    SeriesRow,
    devices_of,
    names_in,
    size_on_disk,
)
from collector.store.requests import Holding, Rejected, Revoked, Stored
from collector.store.writer import Writer

__all__ = [
    "BatchRow",
    "DeviceRow",
    "Holding",
    "Reader",
    "Rejected",
    "Revoked",
    "SeriesRow",
    "StoreError",
    "Stored",
    "Writer",
    "devices_of",
    "names_in",
    "size_on_disk",
]
