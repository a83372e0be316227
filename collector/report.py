"""What the store says of each device: the part of `status` that needs no running collector."""

import msgspec

from collector.store import Reader


class DeviceStatus(msgspec.Struct, frozen=True):
    """How one device is doing; `connected` is None where no collector runs to tell."""

    device: str
    label: str | None
    connected: bool | None
    readings: int
    heard_ns: int | None
    gaps: int


class Status(msgspec.Struct, frozen=True):
    """How the collector is doing; `running` False: only the store was asked."""

    running: bool
    store: str
    store_bytes: int
    devices: list[DeviceStatus]
    uptime_s: float | None = None
    listen: str | None = None
    sessions: int | None = None
    pending_bytes: int | None = None
    commits: int | None = None


def device_statuses(reader: Reader, connected: list[str] | None) -> list[DeviceStatus]:
    """Return a status a device; `connected` names those with a session, None if unknown."""
    return [
        DeviceStatus(
            row.name,
            row.label,
            None if connected is None else row.name in connected,
            row.readings,
            row.heard_ns,
            row.gaps,
        )
        for row in reader.devices()
    ]


def stored_status(reader: Reader) -> Status:
    """Return what is known without a running collector."""
    return Status(
        running=False,
        store=str(reader.path),
        store_bytes=reader.size_bytes(),
        devices=device_statuses(reader, None),
    )
