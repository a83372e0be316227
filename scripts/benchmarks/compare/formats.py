"""The same readings as each party takes them: sealed batches, and lines of InfluxDB's protocol."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from benchmarks.compare.signals import SECOND_NS, Device, Sensor
from benchmarks.load import Sealed
from wire import batches, blocks
from wire.batches import ClockPair, Place
from wire.bodies import ChannelDescription, Describe, SensorDescription

BOOT = bytes(range(16))
_BOOT_STARTED_NS = 1000 * SECOND_NS  # CLOCK_BOOTTIME of the first reading


class _Columns(NamedTuple):
    """What `batches.seal` asks of an open body, without reading by reading."""

    blocks: list[blocks.Block]
    readings: int
    first_ns: int
    last_ns: int

    def encoded(self) -> bytes:
        return msgspec.msgpack.encode(self.blocks)


def sealed(device: Device, epoch: bytes, per_batch: int) -> Sealed:
    """Return the batches of one device, each of so many readings; one epoch, one boot."""
    offset_ns = int(device.sensors[0].times_ns[0]) - _BOOT_STARTED_NS
    made: list[bytes] = []
    readings = 0
    for body in _bodies(device, per_batch, offset_ns):
        clock = ClockPair(body.last_ns, body.last_ns + offset_ns, synchronised=True)
        made.append(batches.seal(body, Place(epoch, len(made) + 1, readings), BOOT, clock))
        readings += body.readings
    return Sealed(epoch, made, readings, device.name, described(device))


def described(device: Device) -> Describe:
    """Return what the device says of its series."""
    sensors = [
        SensorDescription(
            sensor.name,
            "bench",
            1.0,
            [ChannelDescription(each.channel, each.unit) for each in sensor.columns],
        )
        for sensor in device.sensors
    ]
    return Describe(sensors)


def requests(device: Device, per_request: int, target: str) -> list[bytes]:
    """Return the HTTP requests that post one device, each of so many readings."""
    lines = list(_lines(device))
    a_line = len(device.sensors[0].columns)
    step = max(1, per_request // a_line)
    return [_post(target, "\n".join(lines[at : at + step])) for at in range(0, len(lines), step)]


def _bodies(device: Device, per_batch: int, offset_ns: int) -> Iterator[_Columns]:
    reads = len(device.sensors[0].times_ns)
    step = max(1, per_batch // sum(len(sensor.columns) for sensor in device.sensors))
    packed = [_packed(sensor, offset_ns) for sensor in device.sensors]
    for start in range(0, reads, step):
        end = min(start + step, reads)
        found = [
            blocks.Block(
                name,
                times[start * 8 : end * 8],
                [
                    blocks.Column(channel, unit, values[start * 8 : end * 8], None)
                    for channel, unit, values in columns
                ],
            )
            for name, times, columns in packed
        ]
        yield _Columns(found, blocks.count(found), *blocks.span_ns(found))


def _packed(sensor: Sensor, offset_ns: int) -> tuple[str, bytes, list[tuple[str, str, bytes]]]:
    columns = [
        (each.channel, each.unit, each.values.astype("<f8").tobytes()) for each in sensor.columns
    ]
    return sensor.name, (sensor.times_ns - offset_ns).astype("<i8").tobytes(), columns


def _lines(device: Device) -> Iterator[str]:
    """Give a line a read, those of several sensors in turn."""
    yield from (line for read in zip(*map(_lines_of, _named(device)), strict=True) for line in read)


def _named(device: Device) -> list[tuple[str, Sensor]]:
    return [(f"bench,device={device.name},sensor={each.name} ", each) for each in device.sensors]


def _lines_of(named: tuple[str, Sensor]) -> Iterator[str]:
    head, sensor = named
    names = [each.channel for each in sensor.columns]
    fields = head + ",".join(f"{name}=%s" for name in names) + " %d"
    columns = [each.texts() for each in sensor.columns]
    for row in zip(*columns, sensor.times_ns.tolist(), strict=True):
        yield fields % row


def _post(target: str, body: str) -> bytes:
    data = body.encode()
    head = f"POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data
