"""What the store says of each device, and how much room it has: the part of `status` that needs no
running collector.
"""

import time
from collections.abc import Mapping, Set
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from collector.device_notes import ClockNote, DeviceNote, SessionNote, Trouble
from collector.device_states import Facts, State, shortest, state_of
from collector.space import free_bytes
from collector.store import HoldsStatus, Reader, sizes_of
from service.reload import Configuration

RECENT_S = 86_400
_NO_NOTES: Mapping[str, DeviceNote] = MappingProxyType({})


class Loss(msgspec.Struct, frozen=True):
    """What is missing of a device, as far as it is recorded.

    `lost_readings` counts those of the gaps of which somebody knows how many there were; of
    `uncounted_gaps` nobody does. What begins with `recent_` is of the last 24 h. The latest gap is
    the one that ended last (UTC, ns).
    """

    gaps: int = 0
    uncounted_gaps: int = 0
    lost_readings: int = 0
    recent_gaps: int = 0
    recent_uncounted_gaps: int = 0
    recent_lost_readings: int = 0
    latest_ns: int | None = None
    latest_reason: str | None = None


class Datagrams(msgspec.Struct, frozen=True):
    """How many datagrams of a device are stored, and how many that it sent never came."""

    received: int
    missing: int


class DeviceStatus(msgspec.Struct, frozen=True):
    """How one device is doing; `connected` is None where no collector runs to tell.

    `datagrams` is None where it never sent any; `duplicate_identity`: two devices use its name.
    `sealing_failed`: what comes of it is kept as it came, by a fault that the log tells of.
    `interval_s` is what `state` goes by. `session`, `clock` and `troubles` are
    what a running collector remembers.
    """

    device: str
    label: str | None
    connected: bool | None
    readings: int
    heard_ns: int | None
    loss: Loss = Loss()
    datagrams: Datagrams | None = None
    duplicate_identity: bool = False
    sealing_failed: bool = False
    state: State = "never_seen"
    interval_s: float | None = None
    session: SessionNote | None = None
    clock: ClockNote | None = None
    troubles: tuple[Trouble, ...] = ()


class Space(msgspec.Struct, frozen=True):
    """The room for the store: what is free (None: not known), the floor, and whether it is below."""

    free_bytes: int | None
    min_free_bytes: int
    is_low: bool


class Growth(msgspec.Struct, frozen=True):
    """How large the store is for what it holds, and where that leads to.

    `bytes_a_reading` is all of the file that is in use; None where there are no readings. Growth is
    not known in the first day, and `full_in_days` (down to the floor) not where there is none.
    """

    readings: int
    unsealed_readings: int
    bytes_a_reading: float | None
    bytes_a_day: float | None
    full_in_days: float | None


class WebStatus(msgspec.Struct, frozen=True):
    """How the HTTP door stands; `troubles`: what somebody should do about it."""

    listen: str
    troubles: list[str]
    connections: int
    listeners: int


class Status(msgspec.Struct, frozen=True):
    """How the collector is doing; `running` False: only the store was asked.

    `unsealed_readings` wait to be sealed into chunks; `holds`: how long sealing held the writer.
    `turned_away`: connections that found no place at the door, or had to make room there.
    `dropped_datagrams` counts by `wire.datagrams.DropReason`; `kernel_drops` is what never got so far.
    """

    running: bool
    store: str
    store_bytes: int
    devices: list[DeviceStatus]
    space: Space | None = None
    growth: Growth | None = None
    uptime_s: float | None = None
    listen: str | None = None
    sessions: int | None = None
    pending_bytes: int | None = None
    commits: int | None = None
    unsealed_readings: int | None = None
    holds: HoldsStatus | None = None
    turned_away: int | None = None
    dropped_datagrams: dict[str, int] | None = None
    kernel_drops: int | None = None
    configuration: Configuration | None = None
    web: WebStatus | None = None


def device_statuses(
    reader: Reader,
    connected: list[str] | None,
    duplicates: Set[str] = frozenset(),
    now_ns: int | None = None,
    unsealable: Set[int] = frozenset(),
    notes: Mapping[str, DeviceNote] = _NO_NOTES,
) -> list[DeviceStatus]:
    """Return a status a device.

    Args:
        reader: of the store.
        connected: the devices with a session; None: not known.
        duplicates: the devices whose name two of them use at the same time.
        now_ns: what the last 24 h are counted from (UTC); None: now.
        unsealable: the rows of the devices that cannot be sealed.
        notes: what is remembered of each device.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    losses = reader.losses(now_ns - RECENT_S * 10**9)
    datagrams = reader.datagrams()
    intervals_s = shortest((each.device, each.longest_s) for each in reader.series())
    statuses = [
        DeviceStatus(
            row.name,
            row.label,
            None if connected is None else row.name in connected,
            row.readings,
            row.heard_ns,
            Loss(*losses[row.id]) if row.id in losses else Loss(),
            Datagrams(*datagrams[row.id]) if row.id in datagrams else None,
            row.name in duplicates,
            row.id in unsealable,
            interval_s=intervals_s.get(row.name),
        )
        for row in reader.devices()
    ]
    return [_judged(each, notes.get(each.device, DeviceNote()), now_ns) for each in statuses]


def _judged(device: DeviceStatus, note: DeviceNote, now_ns: int) -> DeviceStatus:
    interval_s = note.interval_s or device.interval_s
    facts = Facts(device.heard_ns, interval_s, device.connected, bool(note.backlog))
    return replace(
        device,
        interval_s=interval_s,
        state=state_of(facts, now_ns),
        session=note.session,
        clock=note.clock,
        troubles=note.troubles,
    )


def growth_of(path: Path, space: Space, now_ns: int | None = None) -> Growth:
    """Return how a store grows, and when the disk will be full; `now_ns`: UTC, None is now."""
    sizes = sizes_of(path, time.time_ns() if now_ns is None else now_ns)
    a_day = sizes.growth_bytes
    full_in_days = None
    if a_day is not None and a_day > 0 and space.free_bytes is not None:
        full_in_days = max(0.0, (space.free_bytes - space.min_free_bytes) / a_day)
    a_reading = sizes.used_bytes / sizes.readings if sizes.readings > 0 else None
    return Growth(sizes.readings, sizes.unsealed_readings, a_reading, a_day, full_in_days)


def stored_status(reader: Reader, min_free_bytes: int, now_ns: int | None = None) -> Status:
    """Return what is known without a running collector."""
    free = free_bytes(reader.path.parent)
    space = Space(free, min_free_bytes, free is not None and free < min_free_bytes)
    return Status(
        running=False,
        store=str(reader.path),
        store_bytes=reader.size_bytes(),
        devices=device_statuses(reader, None, now_ns=now_ns),
        space=space,
        growth=growth_of(reader.path, space, now_ns),
    )
