"""The forms of an export: CSV, and Parquet by way of record batches of Arrow.

Times are UTC to the nanosecond, values have every digit; a bad reading has none. Of a time that nobody
knows CSV shows the interval that it lies in (ISO 8601-2), Parquet its ends in columns of their own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from collector import query
from collector.errors import CollectorError
from collector.printing import quality_told, quoted
from collector.store import Key, Part

if TYPE_CHECKING:
    from collector.export import Form

_QUALITIES = [quality_told(quality) for quality in range(256)]
_GROUP_ROWS = 500_000
_UTC = "Z"


class MissingLibraryError(CollectorError):
    """A library is not installed; the message says how it can be."""


class Csv:
    """A head and a line a reading (RFC 4180)."""

    def __init__(self, times: str) -> None:
        self._times = times

    def head(self) -> bytes:
        """Return the names of the columns."""
        return b"time,series,value,unit,quality\n"

    def encode(self, part: Part, place: int) -> bytes:  # noqa: ARG002 - the form of all
        """Return a line a reading."""
        times = self._told(part.times_ns)
        for at in np.flatnonzero(~query.is_dated(part)).tolist():
            dating = part.datings[at]
            ends = (dating.earliest_ns, dating.latest_ns)
            times[at] = "/".join(
                ".." if end is None else self._told(np.array([end]))[0] for end in ends
            )
        values = map(repr, part.values.tolist())
        rest = [f",{quoted(part.unit)},{quality}\n" for quality in _QUALITIES]
        return "".join(
            f"{time},{part.series},{'' if value == 'nan' else value}{rest[quality]}"
            for time, value, quality in zip(times, values, part.qualities.tolist(), strict=True)
        ).encode()

    def finish(self, part: Path, keys: list[Key]) -> Path:  # noqa: ARG002 - the form of all
        """Return what was written: it is whole."""
        return part

    def _told(self, times_ns: npt.NDArray[np.int64]) -> list[str]:
        if self._times == "ns":
            return list(map(str, times_ns.tolist()))
        texts = np.datetime_as_string(times_ns.view("datetime64[ns]"), unit="ns")
        return [text + _UTC for text in texts.tolist()]


class Parquet:
    """A row a reading, sorted by series and time; series, unit and quality are dictionaries."""

    def __init__(self) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingLibraryError(
                "Parquet needs pyarrow, which is not installed: pip install 'telegauge[parquet]'. "
                "CSV needs nothing"
            ) from None
        self._arrow: Any = pa
        self._parquet: Any = pq
        number, time = pa.int64(), pa.timestamp("ns", "UTC")
        # As it lies in the part: the series by its place.
        self._schema = pa.schema(
            [("time", number), ("series", pa.int32()), ("value", pa.float64()),
             ("quality", pa.uint8()), ("time_known", pa.string()),
             ("time_error_ns", number), ("earliest", number), ("latest", number)]
        )  # fmt: skip
        word = pa.dictionary(pa.int32(), pa.string())
        self._final = pa.schema(
            [("time", time), ("series", word), ("value", pa.float64()), ("unit", word),
             ("quality", word), ("time_known", word), ("time_error_ns", number),
             ("earliest", time), ("latest", time)]
        )  # fmt: skip

    def head(self) -> bytes:
        """Return nothing: batches stand alone."""
        return b""

    def encode(self, part: Part, place: int) -> bytes:
        """Return a record batch, as a message of Arrow's IPC."""
        are_unknown = ~query.is_dated(part)
        datings = part.datings.tolist()
        columns = [
            self._arrow.array(part.times_ns, mask=are_unknown),
            np.full(len(datings), place, np.int32),
            self._arrow.array(part.values, mask=np.isnan(part.values)),
            part.qualities,
            [str(each.known) for each in datings],
            [each.error_ns for each in datings],
            [each.earliest_ns for each in datings],
            [each.latest_ns for each in datings],
        ]
        arrays = [
            each if isinstance(each, self._arrow.Array) else self._arrow.array(each, field.type)
            for each, field in zip(columns, self._schema, strict=True)
        ]
        batch = self._arrow.record_batch(arrays, schema=self._schema)
        return bytes(batch.serialize())

    def finish(self, part: Path, keys: list[Key]) -> Path:
        """Write the batches as row groups; begun anew where that was broken off."""
        whole = part.with_name(f"{part.name}.whole")
        with self._parquet.ParquetWriter(whole, self._final, compression="zstd") as writer:
            group: list[Any] = []
            for batch in self._batches(part):
                group.append(self._table(batch, keys))
                if sum(map(len, group)) >= _GROUP_ROWS:
                    writer.write_table(self._arrow.concat_tables(group).unify_dictionaries())
                    group = []
            if group:
                writer.write_table(self._arrow.concat_tables(group).unify_dictionaries())
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        return whole

    def _batches(self, part: Path) -> Iterator[Any]:
        size_bytes = part.stat().st_size
        with self._arrow.OSFile(str(part)) as file:
            while file.tell() < size_bytes:
                message = self._arrow.ipc.read_message(file)
                yield self._arrow.ipc.read_record_batch(message, self._schema)

    def _table(self, batch: Any, keys: list[Key]) -> Any:
        dictionary = self._arrow.DictionaryArray.from_arrays
        key = keys[batch["series"][0].as_py()]
        zeros = self._arrow.array(np.zeros(len(batch), np.int32))
        time = self._arrow.timestamp("ns", "UTC")
        columns = {
            "time": batch["time"].cast(time),
            "series": dictionary(zeros, self._arrow.array([key.series])),
            "value": batch["value"],
            "unit": dictionary(zeros, self._arrow.array([key.unit])),
            "quality": dictionary(batch["quality"].cast("int32"), self._arrow.array(_QUALITIES)),
            "time_known": batch["time_known"].dictionary_encode(),
            "time_error_ns": batch["time_error_ns"],
            "earliest": batch["earliest"].cast(time),
            "latest": batch["latest"].cast(time),
        }
        return self._arrow.table(columns, schema=self._final)


def form_of(name: str, times: str) -> "Form":
    """Return the form of a name.

    Raises:
        MissingLibraryError: what it needs is not installed.
    """
    return Parquet() if name == "parquet" else Csv(times)
