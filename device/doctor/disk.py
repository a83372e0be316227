"""The disk or card that the spool is on: writable, with room, sound and not worn out."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from device.doctor.finding import Finding, bad, good, warning
from device.doctor.place import Place
from service.spoken import size

_SUBJECT = "disk"
_LEAST_BYTES = 64 * 2**20
_MAKE_ROOM = "sudo apt clean\nsudo journalctl --vacuum-size=100M\ndf -h"
_NEW_CARD = "copy what matters, and put in a new card"
_WORN, _WEARING = 100, 80


class Disk(NamedTuple):
    """`errors`: what the file systems of this machine count of them; `worn`: name and percent."""

    folder: str
    free_bytes: int
    is_read_only: bool = False
    errors: tuple[tuple[str, int], ...] = ()
    worn: tuple[tuple[str, int], ...] = ()


def look(place: Place, folder: Path) -> Disk:
    """Look at the disk that a folder is on, or would be."""
    there = place.path(folder)
    while not there.exists() and there != there.parent:
        there = there.parent
    facts = os.statvfs(there)
    return Disk(
        str(folder),
        facts.f_bavail * facts.f_frsize,
        bool(facts.f_flag & os.ST_RDONLY),
        tuple(_errors(place)),
        tuple(_worn(place)),
    )


def judge(disk: Disk, spool_bytes: int) -> list[Finding]:
    """Say what would keep readings from being kept; `spool_bytes` is what the spool may take."""
    found = []
    if disk.is_read_only:
        message = f"{disk.folder} is on a read-only file system: nothing can be kept there"
        mend = "dmesg | tail -50\nsudo mount -o remount,rw / (where that fails: a new card)"
        found.append(bad(_SUBJECT, message, mend))
    room = f"{size(disk.free_bytes)} free for {disk.folder}"
    if disk.free_bytes < _LEAST_BYTES:
        found.append(bad(_SUBJECT, room, _MAKE_ROOM))
    elif disk.free_bytes < spool_bytes:
        message = f"{room}, and the spool may need {size(spool_bytes)}"
        mend = f"{_MAKE_ROOM}\nor set spool.max_size lower"
        found.append(warning(_SUBJECT, message, mend))
    else:
        found.append(good(_SUBJECT, room))
    for name, count in disk.errors:
        message = f"the file system on {name} has met {count} errors"
        found.append(warning(_SUBJECT, message, f"sudo touch /forcefsck; sudo reboot; {_NEW_CARD}"))
    return found + [_wear(name, percent) for name, percent in disk.worn]


def _wear(name: str, percent: int) -> Finding:
    message = f"{name} has used up {percent} % of its life, as it says itself"
    if percent >= _WORN:
        return bad(_SUBJECT, message, _NEW_CARD)
    return warning(_SUBJECT, message, _NEW_CARD) if percent >= _WEARING else good(_SUBJECT, message)


def _errors(place: Place) -> list[tuple[str, int]]:
    """Return what ext4 counts of its errors, by device; it remembers them over a reboot."""
    found = []
    for file in place.named("/sys/fs/ext4/*/errors_count"):
        with contextlib.suppress(OSError, ValueError):
            if count := int(file.read_text()):
                found.append((file.parent.name, count))
    return found


def _worn(place: Place) -> list[tuple[str, int]]:
    """Return the wear of eMMC, which tells it in tenths (JESD84-B51); SD cards tell nothing."""
    found = []
    for file in place.named("/sys/block/mmcblk*/device/life_time"):
        with contextlib.suppress(OSError, ValueError):
            if tenths := max(int(part, 16) for part in file.read_text().split()):
                found.append((file.parent.parent.name, 10 * tenths))
    return found
