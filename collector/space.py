"""Free space under the store: how much there is, and whether it is below the floor `store.min_free`.

Below the floor nothing is accepted, so that the store never meets a full disk. What that means for
a device is for its session to say.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

_log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
# So much of the floor has to be free above it before it is over: at the floor itself each commit
# would change the answer.
_BACK_ABOVE = 1 / 20


def free_bytes(folder: Path) -> int | None:
    """Return what a user who is not root may still write into a folder; None: it cannot be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


class FreeSpace:
    """Whether the file system of `folder` has too little room; asked by one thread.

    It looks at most once a second. Where the system does not tell there is room: whoever writes
    will meet what is wrong.
    """

    def __init__(
        self,
        folder: Path,
        min_free_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.min_free_bytes = min_free_bytes
        self._folder = folder
        self._clock = clock
        self._look_at_s = -float("inf")
        self._free_bytes: int | None = None
        self._is_low = False

    def set_floor(self, min_free_bytes: int) -> None:
        """Want another amount free from now on."""
        self.min_free_bytes = min_free_bytes
        self._look_at_s = -float("inf")

    @property
    def free_bytes(self) -> int | None:
        """What was free when it last looked; None: the system does not tell."""
        self._look()
        return self._free_bytes

    def is_low(self) -> bool:
        """Say whether there is too little; it changes at the floor, and back a 20th above it."""
        self._look()
        return self._is_low

    def _look(self) -> None:
        now_s = self._clock()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        self._free_bytes = free_bytes(self._folder)
        is_low = self._decide(self._free_bytes)
        if is_low != self._is_low:
            self._is_low = is_low
            self._tell()

    def _decide(self, free: int | None) -> bool:
        if free is None:
            return False
        if self._is_low:
            return free <= self.min_free_bytes * (1 + _BACK_ABOVE)
        return free < self.min_free_bytes

    def _tell(self) -> None:
        facts = {
            "folder": str(self._folder),
            "free_bytes": self._free_bytes,
            "min_free_bytes": self.min_free_bytes,
        }
        if self._is_low:
            _log.warning(
                "store_space_low",
                **facts,
                detail="nothing is accepted: devices keep it and send later. "
                "Make room there, or lower store.min_free",
            )
        else:
            _log.info("store_space_back", **facts, detail="devices are accepted again")
