"""How the spool stands: what waits, what a power cut would take, how long there is room."""

from pathlib import Path

import msgspec

from device.spool import Spool

_IO_FILE = Path("/proc/self/io")


class SpoolStatus(msgspec.Struct, frozen=True):
    """What `telegauge-device status` says of the spool.

    `at_risk_s`: for how long what a power cut now would take has been at risk, 0 where it would take
    nothing. `room_s`: how long it can stay offline at the present rate, None where no batch was
    closed yet. `written_bytes`: what this process has written to disks since its start, None where
    the kernel does not say. `full`: nothing can be kept now, so nothing is read. `card_error`: what
    the card fails with. `others_epochs`: epochs that wait for another name or collector.
    """

    policy: str
    held_readings: int
    held_bytes: int
    max_bytes: int
    at_risk_readings: int
    at_risk_s: float
    at_risk_limit_s: float
    room_s: float | None
    written_bytes: int | None
    dropped_readings: int
    refused_readings: int
    full: bool
    card_error: str
    others_epochs: int


def spool_status(spool: Spool, owner: str, uptime_s: float) -> SpoolStatus:
    """Return how the spool of a device stands, after `uptime_s` of running."""
    at_risk_s = spool.at_risk_now_s()
    return SpoolStatus(
        policy=spool.plan.policy,
        held_readings=spool.held_readings,
        held_bytes=spool.held_bytes,
        max_bytes=spool.plan.max_bytes,
        at_risk_readings=spool.at_risk_readings,
        at_risk_s=at_risk_s,
        at_risk_limit_s=spool.plan.at_risk_s,
        room_s=_room_s(spool, uptime_s),
        written_bytes=written_bytes(),
        dropped_readings=spool.dropped_readings,
        refused_readings=spool.intake.refused,
        full=spool.intake.is_full,
        card_error=spool.mover.card.error if spool.mover else "",
        others_epochs=len(spool.epochs.of_others(owner)),
    )


def written_bytes(file: Path = _IO_FILE) -> int | None:
    """Return how many bytes this process has caused to be written to disks (proc(5), write_bytes).

    A memory file system does not count.
    """
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    figures = dict(line.split(": ", 1) for line in lines)
    return int(figures["write_bytes"]) if "write_bytes" in figures else None


def _room_s(spool: Spool, uptime_s: float) -> float | None:
    bytes_per_s = spool.intake.closed_bytes / max(uptime_s, 1.0)
    if not bytes_per_s:
        return None
    return max(0, spool.plan.max_bytes - spool.held_bytes) / bytes_per_s
