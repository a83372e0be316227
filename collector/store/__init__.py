"""The store: what was acknowledged, in one SQLite file.

Two small interfaces: a session commits through `Writer`, a question reads through `Reader`.
Everything else in this package is behind them.
"""

from collector.errors import StoreError
from collector.store.reader import BatchRow, DeviceRow, Reader, SeriesRow
from collector.store.writer import Stored, Writer

__all__ = ["BatchRow", "DeviceRow", "Reader", "SeriesRow", "StoreError", "Stored", "Writer"]
