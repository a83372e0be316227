"""A tally: a count that outlives the program, and a clean reboot, without wearing the card.

It lies in a file of the runtime folder, mapped into memory: each step is there whatever becomes of the
program. A clean end copies it to the state folder, from which the next boot takes it and removes it; so
after a power cut, which may have eaten counts, it begins at 0 and is seen to.
"""

import contextlib
import mmap
import os
import struct
from pathlib import Path

_FORM = struct.Struct("<16sQ")  # the boot that it was counted in, and the count
_COUNT = struct.Struct("<Q")
_AT = 16


class Tally:
    """One count, in a file `name` of both folders; `boot` is the id of this boot."""

    def __init__(self, name: str, runtime: Path, state: Path, boot: bytes) -> None:
        self.count = 0
        self._live = runtime / name
        self._kept = state / name
        self._boot = boot
        self._map: mmap.mmap | None = None

    def open(self) -> None:
        """Go on with what this boot has counted, or what the boot before kept in its clean end.

        Raises:
            OSError: a file cannot be read or written.
        """
        boot, count = _read(self._live)
        if boot != self._boot:
            _, count = _read(self._kept)
        self.count = count
        self._live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._live, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, _FORM.pack(self._boot, count), 0)
            os.ftruncate(descriptor, _FORM.size)
            self._map = mmap.mmap(descriptor, _FORM.size)
        finally:
            os.close(descriptor)
        self._kept.unlink(missing_ok=True)  # what is counted from here on, a power cut may eat

    def step(self) -> None:
        """Count one more."""
        self.count += 1
        if self._map is not None:
            _COUNT.pack_into(self._map, _AT, self.count)

    def close(self) -> None:
        """Keep the count over a reboot; never raises: it is in memory all the same."""
        if self._map is None:
            return
        self._map.close()
        self._map = None
        with contextlib.suppress(OSError):
            _write(self._kept, _FORM.pack(self._boot, self.count))


def _read(file: Path) -> tuple[bytes, int]:
    try:
        boot, count = _FORM.unpack(file.read_bytes())
    except (FileNotFoundError, struct.error):
        return b"", 0
    return boot, count


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
