"""Opening a tier: one that is damaged is set aside, and a new one begun that says so.

Whatever a start reads of a tier is read here first, so that damage cannot end one start after another.
"""

import sqlite3
from pathlib import Path

from device.spool.database import set_aside
from device.spool.tier import Tier
from service.damage import is_damage
from wire.bodies import GapReason


def open_tier(
    path: Path, durable: bool, max_bytes: int, if_new: str | None = None
) -> tuple[Tier, bool]:
    """Open a tier; a damaged one is set aside. Return it, and whether that was so.

    Args:
        if_new: why there was none, where that is to be told to the collector.

    Raises:
        SpoolError: a newer program made it.
        sqlite3.Error, OSError: it cannot be used: a full or read-only disk, no permission.
    """
    try:
        return _looked_at(path, durable, max_bytes, None if path.exists() else if_new), False
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    set_aside(path)
    return Tier(path, durable, max_bytes, GapReason.SPOOL_UNREADABLE), True


def _looked_at(path: Path, durable: bool, max_bytes: int, notice: str | None) -> Tier:
    """Open a tier and look at all that a start reads."""
    tier = Tier(path, durable, max_bytes, notice)
    try:
        tier.epochs(), tier.spans(), tier.reads(), tier.notice()
    except BaseException:
        tier.close()
        raise
    return tier
