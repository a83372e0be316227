"""Pieces as JSON, CSV and packed columns.

`format=columns`, application/octet-stream, is the fastest way to arrays:

    8 bytes     "TGCOLS1\\n"
    then blocks, each
      u32       length of its head, little-endian
      head      JSON: {"series", "unit", "count", "time_known", ...}, as in format=json;
                padded with spaces so that all behind it lies at a multiple of 8
      i64 x count   times, UTC, ns, little-endian; where time_known is "unknown" the latest that
                    each may have been, 2^63 - 1: nobody knows
      f64 x count   values, IEEE 754, little-endian; NaN where the reading is bad
      u8 x count    qualities; zeros behind them up to a multiple of 8
    of summaries the head has "columns": their names; behind the times, which are the starts of the
    buckets, f64 x count of each, and no u8
    the last block has the head {"end": true, "undecodable_batches": N} and nothing behind it.

An answer that has no last block is not whole.
"""

from datetime import tzinfo
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from collector.clock import Known
from collector.times import END_OF_TIME_NS, told
from collector.web.pieces import Piece
from collector.web.stamps import json_texts, texts
from wire.readings import Quality, grade, in_words, reason

TIMES = ("rfc3339", "s", "ms", "ns")
MAGIC = b"TGCOLS1\n"
_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_WORDS = [in_words(grade(number), reason(number)).encode() for number in range(256)]
_ALIGNED = 8
_LENGTH_BYTES = 4


class Clock(NamedTuple):
    """How times are written: `form` is one of TIMES, `zone` that of rfc3339."""

    form: str
    zone: tzinfo

    def one(self, time_ns: int | None) -> Any:
        """Return one instant as JSON holds it."""
        if time_ns is None:
            return None
        if self.form == "rfc3339":
            return told(time_ns, self.zone)
        return {"s": time_ns / 10**9, "ms": time_ns // 10**6, "ns": time_ns}[self.form]

    def bound(self, time_ns: int) -> Any:
        """Return the end of a range; None where it has none."""
        return None if abs(time_ns) >= END_OF_TIME_NS else self.one(time_ns)

    def many(self, times_ns: npt.NDArray[np.int64]) -> Any:
        """Return many instants as orjson takes them."""
        if self.form == "rfc3339":
            return orjson.Fragment(json_texts(times_ns, self.zone))
        return self._numbers(times_ns)

    def words(self, times_ns: npt.NDArray[np.int64]) -> list[bytes]:
        """Return many instants as text."""
        if self.form == "rfc3339":
            return texts(times_ns, self.zone)
        return split(self._numbers(times_ns))

    def _numbers(self, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        if self.form == "s":
            return times_ns // 10**9 + times_ns % 10**9 / 1e9  # a float holds no ns since 1970
        return times_ns if self.form == "ns" else times_ns // 10**6


class Format(Protocol):
    """How an answer is written: what comes first, each piece, and what comes last."""

    media_type: str

    def begin(self, start_ns: int, end_ns: int) -> bytes:
        """Return what comes first."""

    def piece(self, piece: Piece) -> bytes:
        """Return a piece."""

    def end(self, undecodable: int) -> bytes:
        """Return what comes last."""


class Json:
    """One object: {"start", "end", "readings": [pieces], "undecodable_batches"}."""

    media_type = "application/json"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._between = b""

    def begin(self, start_ns: int, end_ns: int) -> bytes:
        """Return the range, and where the pieces begin."""
        span = {"start": self._clock.bound(start_ns), "end": self._clock.bound(end_ns)}
        return orjson.dumps(span)[:-1] + b',"readings":['

    def piece(self, piece: Piece) -> bytes:
        """Return a piece."""
        between, self._between = self._between, b",\n"
        return between + encoded(piece, self._clock)

    def end(self, undecodable: int) -> bytes:
        """Return where the pieces end."""
        return b'],"undecodable_batches":%d}\n' % undecodable


class Csv:
    """A head and a line a reading (RFC 4180), as `telegauge-collector query --format csv`."""

    media_type = "text/csv"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, _start_ns: int, _end_ns: int) -> bytes:
        """Return the head."""
        return b"time,series,value,unit,quality\n"

    def piece(self, piece: Piece) -> bytes:
        """Return its lines."""
        values = split(np.ascontiguousarray(piece.values))
        qualities = [_WORDS[number] for number in piece.qualities.tolist()]
        series, unit = piece.series.encode(), quoted(piece.unit).encode()
        rows = zip(self._times(piece), values, qualities, strict=True)
        return b"".join(
            b"%s,%s,%s,%s,%s\n" % (when, series, b"" if value == b"null" else value, unit, quality)
            for when, value, quality in rows
        )

    def end(self, _undecodable: int) -> bytes:
        """Return nothing."""
        return b""

    def _times(self, piece: Piece) -> list[bytes]:
        if piece.known is not Known.UNKNOWN:
            return self._clock.words(piece.times_ns)
        ends = (piece.earliest_ns, piece.latest_ns)
        interval = "/".join(".." if each is None else str(self._clock.one(each)) for each in ends)
        return [interval.encode()] * len(piece)


class Columns:
    """Packed columns, see above."""

    media_type = "application/octet-stream"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, _start_ns: int, _end_ns: int) -> bytes:
        """Return what it is."""
        return MAGIC

    def piece(self, piece: Piece) -> bytes:
        """Return a block."""
        head = _facts(piece, self._clock) | {"count": len(piece)}
        padding = bytes(-len(piece) % _ALIGNED)
        return b"".join(
            (
                block_head(head),
                np.ascontiguousarray(piece.times_ns, "<i8").tobytes(),
                np.ascontiguousarray(piece.values, "<f8").tobytes(),
                np.ascontiguousarray(piece.qualities).tobytes(),
                padding,
            )
        )

    def end(self, undecodable: int) -> bytes:
        """Return the last block."""
        return block_head({"end": True, "undecodable_batches": undecodable})


FORMATS: dict[str, type[Json] | type[Csv] | type[Columns]] = {
    "json": Json,
    "csv": Csv,
    "columns": Columns,
}


def encoded(piece: Piece, clock: Clock) -> bytes:
    """Return a piece in JSON.

    `qualities` is null where all are good, and `reasons` says what those numbers mean that occur.
    """
    is_unknown = piece.known is Known.UNKNOWN
    is_good = not piece.qualities.any()
    return orjson.dumps(
        {
            **_facts(piece, clock),
            "times": None if is_unknown else clock.many(np.ascontiguousarray(piece.times_ns)),
            "values": np.ascontiguousarray(piece.values),
            "qualities": None if is_good else np.ascontiguousarray(piece.qualities),
            "reasons": {} if is_good else _reasons(piece.qualities),
        },
        option=_NUMPY,
    )


def _facts(piece: Piece, clock: Clock) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "series": piece.series,
        "unit": piece.unit,
        "time_known": str(piece.known),
        "time_error_ns": piece.error_ns,
    }
    if piece.known is Known.UNKNOWN:
        facts["earliest"] = clock.one(piece.earliest_ns)
        facts["latest"] = clock.one(piece.latest_ns)
    return facts


def _reasons(qualities: npt.NDArray[np.uint8]) -> dict[str, str]:
    found = np.flatnonzero(np.bincount(qualities, minlength=256)).tolist()
    return {str(number): worded(number) for number in found if number != Quality.GOOD}


def worded(quality: int) -> str:
    """Return a quality in words, such as `bad (read_failed)`."""
    return _WORDS[quality].decode()


def block_head(facts: dict[str, Any]) -> bytes:
    """Return what stands before the columns of a block."""
    head = orjson.dumps(facts)
    head += b" " * (-(len(head) + _LENGTH_BYTES) % _ALIGNED)
    return len(head).to_bytes(_LENGTH_BYTES, "little") + head


def split(numbers: npt.NDArray[Any]) -> list[bytes]:
    """Return numbers as text, `null` where one is none."""
    return orjson.dumps(numbers, option=_NUMPY)[1:-1].split(b",")


def quoted(unit: str) -> str:
    """Return a unit as a field of CSV."""
    return '"' + unit.replace('"', '""') + '"' if set(unit) & {",", '"'} else unit
