"""Recorded data: what was measured once, from packages with sample data; their files are read, no code is run."""

import csv
import gzip
import importlib.util
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.compare.signals import SECOND_NS, Column, Device, Sensor

_PACKAGES = {"bokeh_sampledata": "bokeh-sampledata", "vega_datasets": "vega-datasets"}


class _Set(NamedTuple):
    """A table: the column of its times and how they are written, and those that are measured.

    `by` is the column that tells one device from the next.
    """

    name: str
    package: str
    file: str
    time: str
    form: str
    columns: dict[str, str]
    by: str = ""


_SETS = [
    _Set(
        "sea-surface-temperature",
        "bokeh_sampledata",
        "sea_surface_temperature.csv.gz",
        "time (UTC)",
        "%Y-%m-%dT%H:%M:%SZ",
        {"temperature (celsius)": "degC"},
    ),
    _Set(
        "glucose",
        "bokeh_sampledata",
        "CGM.csv.gz",
        "datetime",
        "%Y-%m-%d %H:%M:%S",
        {"isig": "nA", "glucose": "mg/dl"},
    ),
    _Set(
        "ride",
        "bokeh_sampledata",
        "cycling.csv.gz",
        "time",
        "0 days %H:%M:%S",
        {"altitude": "m", "power": "W", "cadence": "1/min", "distance": "m", "speed": "m/s"},
    ),
    _Set(
        "stocks",
        "bokeh_sampledata",
        "stocks.csv.gz",
        "Date",
        "%Y-%m-%d",
        {"Open": "USD", "High": "USD", "Low": "USD", "Close": "USD", "Volume": "1"},
        "Ticker",
    ),
    _Set(
        "seattle-temps",
        "vega_datasets",
        "seattle-temps.csv",
        "date",
        "%Y/%m/%d %H:%M",
        {"temp": "degF"},
    ),
    _Set(
        "sf-temps", "vega_datasets", "sf-temps.csv", "date", "%Y/%m/%d %H:%M:%S", {"temp": "degF"}
    ),
    _Set(
        "seattle-weather",
        "vega_datasets",
        "seattle-weather.csv",
        "date",
        "%Y/%m/%d",
        {"precipitation": "mm", "temp_max": "degC", "temp_min": "degC", "wind": "m/s"},
    ),
]


def install() -> None:
    """Install what is missing of the packages, without what they would draw in."""
    missing = [_PACKAGES[each] for each in _PACKAGES if _folder(each) is None]
    if missing:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        subprocess.run([*pip, *missing], check=True)


def sets() -> Iterator[tuple[str, Callable[[], list[Device]]]]:
    """Give the sets of those packages that are there: a name, and what reads it."""
    for each in _SETS:
        folder = _folder(each.package)
        if folder is None:
            print(f"without {each.name}: {each.package} is missing; --install", file=sys.stderr)
        else:
            yield each.name, lambda each=each, folder=folder: _devices(each, folder / "_data")


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def _devices(wanted: _Set, folder: Path) -> list[Device]:
    rows = _rows(folder / wanted.file)
    if not wanted.by:
        return [Device(wanted.name, [_sensor(wanted, rows)])]
    return [
        Device(
            f"{wanted.name}-{name.lower()}",
            [_sensor(wanted, [row for row in rows if row[wanted.by] == name])],
        )
        for name in sorted({row[wanted.by] for row in rows})
    ]


def _rows(file: Path) -> list[dict[str, str]]:
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
    return list(csv.DictReader(text.splitlines()))


def _sensor(wanted: _Set, rows: list[dict[str, str]]) -> Sensor:
    """Return the rows in which nothing is missing, in order of time, each time once."""
    whole = {
        _time_ns(row[wanted.time], wanted.form): row
        for row in rows
        if all(_is_number(row[each]) for each in wanted.columns)
    }
    times_ns = np.array(sorted(whole), np.int64)
    columns = [
        Column(
            f"c{at}",
            unit,
            np.array([float(whole[time_ns][name]) for time_ns in times_ns.tolist()]),
        )
        for at, (name, unit) in enumerate(wanted.columns.items())
    ]
    return Sensor("recorded", times_ns, columns)


def _time_ns(text: str, form: str) -> int:
    at = datetime.strptime(text, form).replace(tzinfo=UTC)
    if at.year == 1900:  # a time of day
        at = at.replace(year=2026)
    return int(at.timestamp()) * SECOND_NS


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
