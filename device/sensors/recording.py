"""A recorded CSV, row by row: what `telegauge-collector query --format csv` prints, or a column a channel.

    time,series,value,unit,quality          time,temperature,humidity
    2026-11-23T12:00:00.000+01:00,...       0,21.5,40

Times are RFC 3339 or seconds, each line is one row. Ours has one series behind the other: the file is
looked through once for the places where time goes back, and read from all of them at once. It is
never held in memory. Rows whose time nobody knows are left out. Errors name line and column.
"""

import csv
import heapq
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

from config.problems import shown
from device.sensors import Sample, SensorError
from device.sensors.line import LineError, channel_name, number_of
from wire.readings import Quality, grade, is_sensor_name, is_unit

OWN_HEADER = ["time", "series", "value", "unit", "quality"]
_MAX_LINE_BYTES = 64 * 1024
_SCAN_BYTES = 64 * 1024
_READ_BYTES = 8 * 1024  # for each place that is read from
_MAX_RUNS = 1024

_SECONDS = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?")
_QUALITY = re.compile(r"(good|suspect|bad)(?: \(([a-z_]+?)(?:_([0-9]{1,3}))?\))?")
_EARLIEST, _LATEST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(NamedTuple):
    """What was recorded at one time: UTC, or whatever the file counts from."""

    time_ns: int
    samples: list[Sample]


class _Run(NamedTuple):
    """A part of the file in which time does not go back; its first line has this number."""

    start: int
    end: int
    number: int


class _Line(NamedTuple):
    number: int
    start: int
    data: bytes


class _Row(NamedTuple):
    time_ns: int
    samples: list[Sample]


class Recording:
    """One file, open from the beginning; `sensor` says which one is meant where there are several."""

    def __init__(self, path: str, sensor: str | None = None) -> None:
        self.path = path
        self.sensor = sensor
        self._is_over: Callable[[], bool] = lambda: False
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SensorError(f"{path} is no file that can be replayed")
            self._size = status.st_size
            self._begin = 0
            self._columns = self._header()
        except BaseException:
            self.close()
            raise
        self._met: str | None = None
        self._runs: list[_Run] | None = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def moments(self, is_over: Callable[[], bool]) -> Iterator[Moment]:
        """Give what the file holds in the order of time, until `is_over` says so.

        Raises:
            SensorError: a line is not as it should be.
            OSError: the file cannot be read.
        """
        self._is_over = is_over
        if self._runs is None:
            self._runs = self._found_runs()
        rows = heapq.merge(*map(self._rows, self._runs), key=itemgetter(0))
        waiting: Moment | None = None
        failure: SensorError | None = None
        try:
            for time_ns, samples in rows:
                if waiting is not None and time_ns == waiting.time_ns:
                    waiting.samples.extend(samples)
                    continue
                if waiting is not None:
                    yield waiting
                waiting = Moment(time_ns, samples)
        except SensorError as error:  # not before what stands above it was given
            failure = error
        if waiting is not None and not is_over():
            yield waiting
        if failure is not None:
            raise failure

    def _header(self) -> list[str] | None:
        """Read the first line; return the channels, None for a file of our own."""
        first = next(self._lines(_Run(0, self._size, 1), _READ_BYTES), None)
        if first is None:
            raise SensorError(f"{self.path} is empty")
        self._begin = min(first.start + len(first.data) + 1, self._size)
        columns = self._fields(first._replace(data=first.data.removeprefix(b"\xef\xbb\xbf")))
        if columns == OWN_HEADER:
            return None
        if columns[0].strip().lower() != "time" or len(columns) < 2:
            raise self._wrong(
                1, "", f"the first line must be `{','.join(OWN_HEADER)}`, or `time` and channels"
            )
        if self.sensor is not None:
            raise SensorError(f"{self.path} names no sensors: leave the option `sensor` out")
        return self._channels(columns[1:])

    def _channels(self, columns: Sequence[str]) -> list[str]:
        names: list[str] = []
        for column in columns:
            try:
                name = channel_name(column)
            except LineError as error:
                raise self._wrong(1, column, str(error)) from None
            if name in names:
                raise self._wrong(1, column, f"the channel `{name}` stands there twice")
            names.append(name)
        return names

    def _found_runs(self) -> list[_Run]:
        """Find the places where time goes back; only a file of our own may have them."""
        runs = [_Run(self._begin, self._size, 2)]
        if self._columns is not None:
            return runs
        last_text, last_ns = b"", -math.inf
        for number, start, data in self._lines(runs[0], _SCAN_BYTES):
            text = data.partition(b",")[0].strip(b' "')
            if text == last_text or b"/" in text:
                continue
            time_ns = self._time(number, text.decode(errors="replace"))
            if time_ns < last_ns:
                runs[-1] = runs[-1]._replace(end=start)
                runs.append(_Run(start, self._size, number))
            if len(runs) > _MAX_RUNS:
                told = f"it goes back more than {_MAX_RUNS} times: sort the file"
                raise self._wrong(number, "time", told)
            last_text, last_ns = text, time_ns
        return runs

    def _rows(self, run: _Run) -> Iterator[_Row]:
        last_ns: float = -math.inf
        for line in self._lines(run, _READ_BYTES):
            fields = self._fields(line)
            row = self._own(line, fields) if self._columns is None else self._wide(line, fields)
            if row is None:
                continue
            if row.time_ns < last_ns:
                raise self._wrong(line.number, "time", f"`{shown(fields[0])}` is before the last")
            last_ns = row.time_ns
            yield row

    def _own(self, line: _Line, fields: list[str]) -> _Row | None:
        self._expect(line, fields, len(OWN_HEADER))
        time, series, value, unit, quality = fields
        if "/" in time:  # an interval: nobody knows when it was
            return None
        named, _, channel = series.rpartition(".")
        if not is_sensor_name(channel) or "/" not in named:
            raise self._wrong(
                line.number, "series", f"`{shown(series)}` is no device/sensor.channel"
            )
        if self.sensor is not None and self.sensor not in (named, named.partition("/")[2]):
            return None
        self._met = self._met or named
        if named != self._met:
            raise self._wrong(
                line.number,
                "series",
                f"`{shown(named)}` beside `{shown(self._met)}`: say which with the option `sensor`",
            )
        if not is_unit(unit):
            raise self._wrong(line.number, "unit", f"`{shown(unit)}` is no unit")
        number = self._number(line.number, "value", value)
        known = self._quality(line.number, quality)
        sample = Sample(channel, math.nan if known >= Quality.BAD else number, unit, known)
        return _Row(self._time(line.number, time), [sample])

    def _wide(self, line: _Line, fields: list[str]) -> _Row:
        columns = self._columns or []
        self._expect(line, fields, 1 + len(columns))
        samples = [
            Sample(name, self._number(line.number, name, text), "")
            for name, text in zip(columns, fields[1:], strict=True)
            if text.strip()
        ]
        return _Row(self._time(line.number, fields[0]), samples)

    def _lines(self, run: _Run, chunk_bytes: int) -> Iterator[_Line]:
        """Give the lines of a part of the file that are not blank."""
        position, start, number, rest = run.start, run.start, run.number, b""
        while position < run.end and not self._is_over():
            data = os.pread(self._descriptor, min(chunk_bytes, run.end - position), position)
            if not data:
                raise SensorError(f"{self.path} has become shorter while it was replayed")
            position += len(data)
            *ended, rest = (rest + data).split(b"\n")
            if position == run.end and rest:
                ended.append(rest)
            for line in ended:
                if line and not line.isspace():
                    yield _Line(number, start, self._bounded(number, line))
                start += len(line) + 1
                number += 1
            self._bounded(number, rest)

    def _bounded(self, number: int, line: bytes) -> bytes:
        if len(line) > _MAX_LINE_BYTES:
            raise self._wrong(number, "", f"a line of more than {_MAX_LINE_BYTES} bytes")
        return line

    def _fields(self, line: _Line) -> list[str]:
        try:
            text = line.data.decode().rstrip("\r")
            return next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
        except (UnicodeDecodeError, csv.Error) as error:
            raise self._wrong(line.number, "", f"no CSV: {error}") from None

    def _expect(self, line: _Line, fields: Sequence[str], count: int) -> None:
        if len(fields) != count:
            told = f"{len(fields)} columns, and the first line has {count}"
            raise self._wrong(line.number, "", told)

    def _time(self, number: int, text: str) -> int:
        text = text.strip()
        if _SECONDS.fullmatch(text):
            return int(Decimal(text) * 10**9)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            told = f"`{shown(text)}` is neither RFC 3339 nor seconds"
            raise self._wrong(number, "time", told) from None
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        if not _EARLIEST < instant < _LATEST:
            raise self._wrong(number, "time", f"`{shown(text)}` is too far away")
        since = instant - _EPOCH
        return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000

    def _number(self, number: int, column: str, text: str) -> float:
        value = number_of(text.strip())
        if value is None and text.strip():
            raise self._wrong(number, column, f"`{shown(text)}` is no number")
        return math.nan if value is None else value

    def _quality(self, number: int, text: str) -> int:
        found = _QUALITY.fullmatch(text)
        if found is not None:
            word, reason, of = found.groups()
            name = (reason or word).upper()
            quality = int(of) if of else Quality.__members__.get(name, -1)
            if (reason == "reason") == bool(of) and 0 <= quality <= 255 and grade(quality) == word:
                return quality
        raise self._wrong(number, "quality", f"`{shown(text)}` is no quality")

    def _wrong(self, number: int, column: str, told: str) -> SensorError:
        where = f", column `{shown(column)}`" if column else ""
        return SensorError(f"{self.path}, line {number}{where}: {told}")
