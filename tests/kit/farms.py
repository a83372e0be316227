"""Farms: many devices with series as people have them, a past in the store, and readings that come live.

A value follows from its series and its time alone, so that the past goes on where readings come live.
"""

import hashlib
import math
import os
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from collector.store import seal_store
from device.contact import Contact
from kit.feeder import exchanged
from kit.stores import arrived, transaction
from wire.batches import ClockPair, Place, seal
from wire.blocks import OpenBody, Point
from wire.bodies import ChannelDescription, Describe, Held, Marks, Moment, SensorDescription
from wire.conversation import Event, State
from wire.greetings import Ready
from wire.readings import Quality
from wire.sender import Sender

_PLACES = (
    "greenhouse",
    "cellar",
    "roof",
    "barn",
    "pond",
    "office",
    "workshop",
    "attic",
    "garden",
    "hall",
)
# How long ago all of them were switched on.
_UPTIME_S = 40 * 86_400
_READINGS_A_BATCH = 900
_DOUBTFUL_EVERY = 83


class Kind(NamedTuple):
    """A quantity as one sensor gives it: unit, word, decimals, its mean, and how far it swings in a day."""

    unit: str
    quantity: str
    decimals: int
    mean: float
    swing: float


_SENSORS: Mapping[str, Mapping[str, Kind]] = {
    "air": {
        "temperature": Kind("degC", "temperature", 2, 19.0, 4.0),
        "humidity": Kind("%", "humidity", 1, 58.0, 9.0),
        "pressure": Kind("hPa", "pressure", 1, 1013.0, 6.0),
    },
    "dust": {
        "pm25": Kind("ug/m3", "pm25", 1, 9.0, 5.0),
        "pm10": Kind("ug/m3", "pm10", 1, 16.0, 8.0),
    },
    "gas": {"co2": Kind("ppm", "carbon_dioxide", 0, 640.0, 190.0)},
    "light": {"illuminance": Kind("lx", "illuminance", 0, 420.0, 400.0)},
    "supply": {
        "voltage": Kind("V", "voltage", 3, 12.6, 0.4),
        "current": Kind("A", "current", 3, 0.42, 0.2),
    },
    "host": {
        "cpu_temperature": Kind("degC", "temperature", 1, 51.0, 5.0),
        "load_1m": Kind("", "", 2, 0.4, 0.3),
    },
}


class Series(NamedTuple):
    """One series of a farm."""

    sensor: str
    channel: str
    kind: Kind

    def value(self, device: str, at_s: float) -> float:
        """What it measures at a time (UTC): a day's swing, slow weather, and a little noise."""
        seed = int.from_bytes(
            hashlib.sha256(f"{device}{self.sensor}{self.channel}".encode()).digest()[:4]
        )
        day = math.sin(2 * math.pi * (at_s / 86_400 + seed % 97 / 97))
        weather = math.sin(at_s / (70_000 + seed % 50_000)) * math.sin(at_s / 5_400 + seed)
        noise = math.sin(at_s * 12.9898 + seed) * 43_758.5453 % 1 - 0.5
        value = self.kind.mean + self.kind.swing * (0.7 * day + 0.3 * weather + 0.06 * noise)
        return round(value, self.kind.decimals)


class Device(NamedTuple):
    """One device of a farm, with some series.

    `holes`: spans (UTC, s) in which it reads nothing; `doubtful`: sensors of which every
    so many readings are suspect.
    """

    name: str
    label: str
    series: Sequence[Series]
    interval_s: float
    holes: Sequence[tuple[float, float]] = ()
    doubtful: Collection[str] = ()

    @property
    def description(self) -> Describe:
        """What it says of itself."""
        sensors = []
        for sensor in dict.fromkeys(each.sensor for each in self.series):
            channels = [
                ChannelDescription(
                    each.channel, each.kind.unit, each.kind.quantity, each.kind.decimals
                )
                for each in self.series
                if each.sensor == sensor
            ]
            sensors.append(SensorDescription(sensor, "synthetic:sine", self.interval_s, channels))
        return Describe(sensors, self.label)

    def rests(self, at_s: float) -> bool:
        """Whether it reads nothing at a time (UTC)."""
        return any(start_s <= at_s < end_s for start_s, end_s in self.holes)

    def add(self, body: OpenBody, at_ns: int, boot_ns: int) -> None:
        """Read all of them."""
        turn = round(at_ns / 1e9 / self.interval_s)
        for sensor in dict.fromkeys(each.sensor for each in self.series):
            is_doubtful = sensor in self.doubtful and turn % _DOUBTFUL_EVERY == 0
            quality = int(Quality.JUMPED if is_doubtful else Quality.GOOD)
            points = [
                Point(each.channel, each.kind.unit, each.value(self.name, at_ns / 1e9), quality)
                for each in self.series
                if each.sensor == sensor
            ]
            body.add(sensor, boot_ns, points)


def farm(series: int, interval_s: float = 1.0, a_device: int = 20) -> list[Device]:
    """A farm of so many series, on devices with so many each."""
    devices = []
    for first in range(0, series, a_device):
        number = first // a_device
        place, turn = _PLACES[number % len(_PLACES)], number // len(_PLACES)
        name = f"{place}-{turn + 1}" if turn else place
        some = tuple(islice(_all_series(), min(a_device, series - first)))
        devices.append(
            Device(
                name, f"{place.capitalize()} {turn + 1 if turn else ''}".strip(), some, interval_s
            )
        )
    return devices


def _all_series() -> Iterator[Series]:
    turn = 0
    while True:
        turn += 1
        for sensor, channels in _SENSORS.items():
            for channel, kind in channels.items():
                yield Series(sensor if turn == 1 else f"{sensor}_{turn}", channel, kind)


class Line:
    """The unbroken line of batches of one device: its epoch, and how far it has come."""

    def __init__(self) -> None:
        self.clock = ClockPair(_UPTIME_S * 10**9, time.time_ns(), synchronised=True)
        self.boot, self.epoch = os.urandom(16), os.urandom(16)
        self.seq = self.readings = 0

    def sealed(self, body: OpenBody) -> bytes:
        """Seal the next batch."""
        self.seq += 1
        sealed = seal(body, self.place, self.boot, self.clock)
        self.readings += body.readings
        return sealed

    @property
    def place(self) -> Place:
        """The place of the last batch."""
        return Place(self.epoch, self.seq, self.readings)

    def boot_ns(self, at_ns: int) -> int:
        """CLOCK_BOOTTIME at a time (UTC)."""
        return at_ns - self.clock.offset_ns


def fill(
    file: Path, devices: Sequence[Device], start_s: float, end_s: float, every_s: float
) -> dict[str, Line]:
    """Put a past into a store that nobody uses, and seal it; return where each device goes on."""
    lines = {device.name: Line() for device in devices}
    for device in devices:
        line, reads_a_batch = lines[device.name], max(1, _READINGS_A_BATCH // len(device.series))
        times = [start_s + number * every_s for number in range(int((end_s - start_s) / every_s))]
        times = [at_s for at_s in times if not device.rests(at_s)]
        with transaction(file) as group:
            group.describe(device.name, device.description)
            for first in range(0, len(times), reads_a_batch):
                body = OpenBody()
                for at_s in times[first : first + reads_a_batch]:
                    at_ns = round(at_s * 1e9)
                    device.add(body, at_ns, line.boot_ns(at_ns))
                group.store(device.name, [arrived(line.sealed(body))])
    seal_store(file)
    return lines


class Live(threading.Thread):
    """The live readings of one device, at its interval, until it is told to end; over plain TCP."""

    def __init__(self, device: Device, port: int, line: Line | None = None) -> None:
        super().__init__(daemon=True, name=f"live {device.name}")
        self.device = device
        self.port = port
        self.ending = threading.Event()
        self._line = line or Line()
        self._flows = False

    def run(self) -> None:
        """Send; come again where the collector goes."""
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                    self._session(connection)
            except OSError:
                pass
            self.ending.wait(0.2)

    def _session(self, connection: socket.socket) -> None:
        sender = Sender(
            self.device.name, "farm", time.monotonic(), Contact(self.device.name, (), None).prover()
        )
        self._flows, due_s = False, time.monotonic()
        while sender.state is not State.CLOSED and not self.ending.is_set():
            if self._flows and time.monotonic() >= due_s:
                due_s = max(
                    due_s + self.device.interval_s, time.monotonic() - self.device.interval_s
                )
                self._read(sender)
            listen_s = max(0.01, min(0.1, due_s - time.monotonic()))
            for event in exchanged(connection, sender, listen_s):
                self._happened(sender, event)

    def _happened(self, sender: Sender, event: Event) -> None:
        match event:
            case Ready() if sender.state is State.OPEN:
                sender.describe(self.device.description)
                line = self._line
                sender.hold([Held(line.epoch, line.seq + 1, Moment(line.boot, *line.clock), 0)])
            case Marks():
                self._flows = True

    def _read(self, sender: Sender) -> None:
        body, at_ns = OpenBody(), time.time_ns()
        if self.device.rests(at_ns / 1e9):
            return
        self.device.add(body, at_ns, self._line.boot_ns(at_ns))
        sealed = self._line.sealed(body)
        sender.batch(self._line.place, sealed)


@contextmanager
def alive(
    devices: Sequence[Device], port: int, lines: Mapping[str, Line] | None = None
) -> Iterator[list[Live]]:
    """Devices that send live, ended afterwards; `lines` are what `fill` returned."""
    threads = [Live(device, port, (lines or {}).get(device.name)) for device in devices]
    for each in threads:
        each.start()
    try:
        yield threads
    finally:
        for each in threads:
            each.ending.set()
        for each in threads:
            each.join(10)
