"""The file system of `kit.powercut`: a program of its own, which FUSE calls.

    python powerfs.py BACKING_FOLDER MOUNT_POINT

The backing folder holds what is durable, and nothing else: what is unsynced is in this process
(`kit.unsynced`). Names are durable at once (create, rename, unlink, mkdir), as behind a journal that
commits before the cut; contents and sizes with fsync and fdatasync only. While the power is off
everything but closing fails with EIO.

Commands come on standard input and are answered on standard output, a JSON object a line. At the end
of the input it unmounts and ends, so that no mount outlives the test that made it.
"""

# ruff: noqa: D102 - the operations' names and contracts are FUSE's.

import errno
import functools
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import mfusepy

from kit.unsynced import Change, Unsynced

_P = ParamSpec("_P")
_R = TypeVar("_R")
_STATUS = ("st_atime_ns", "st_ctime_ns", "st_mtime_ns", "st_gid", "st_uid", "st_mode", "st_nlink")


def _powered(
    act: Callable[Concatenate["PowerFS", _P], _R],
) -> Callable[Concatenate["PowerFS", _P], _R]:
    """Fails while the power is off."""

    @functools.wraps(act)
    def operation(fs: "PowerFS", *arguments: _P.args, **named: _P.kwargs) -> _R:
        with fs.guard:
            if fs.is_off:
                raise OSError(errno.EIO, "the power is off")
            return act(fs, *arguments, **named)

    return operation


def _counted(
    act: Callable[Concatenate["PowerFS", _P], _R],
) -> Callable[Concatenate["PowerFS", _P], _R]:
    """Changes something: the place of a cut may be before it."""

    @functools.wraps(act)
    def operation(fs: "PowerFS", *arguments: _P.args, **named: _P.kwargs) -> _R:
        fs.count()
        return act(fs, *arguments, **named)

    return _powered(operation)


class PowerFS(mfusepy.Operations):
    """A folder whose power can be cut."""

    use_ns = True

    def __init__(self, backing: Path) -> None:
        self.guard = threading.RLock()
        self.is_off = False
        self.operations = 0
        self._backing = backing
        self._files: dict[str, Unsynced] = {}
        self._cut_at: tuple[int, str, int] | None = None

    # What the test asks for.

    def cut(self, how: str, seed: int) -> None:
        """Switch the power off: what is unsynced is gone, or torn."""
        self.is_off, self._cut_at = True, None
        dice = random.Random(seed)
        for path, file in sorted(self._files.items()):
            if how == "torn":
                self._apply(path, file.torn(dice))
        self._files.clear()

    def cut_after(self, operations: int, how: str, seed: int) -> None:
        """Cut before the operation behind so many that change something."""
        self._cut_at = (self.operations + operations, how, seed)

    def power_on(self) -> None:
        """Go on with what is durable."""
        self.is_off, self._cut_at = False, None

    def status(self) -> dict[str, int]:
        """How it stands."""
        unsynced = sum(file.unsynced_bytes for file in self._files.values())
        return {
            "is_off": self.is_off,
            "operations": self.operations,
            "unsynced_bytes": unsynced,
        }

    def count(self) -> None:
        """One more operation that changes something."""
        if self._cut_at is not None and self.operations >= self._cut_at[0]:
            self.cut(*self._cut_at[1:])
            raise OSError(errno.EIO, "the power is off")
        self.operations += 1

    # What the kernel asks for.

    @_powered
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path))
        status = {name.removesuffix("_ns"): getattr(found, name) for name in _STATUS}
        size = len(self._files[path].content) if path in self._files else found.st_size
        return status | {"st_size": size, "st_blocks": -(-size // 512)}

    @_powered
    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(each.name for each in self._real(path).iterdir())]

    @_powered
    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_namemax")
        return {name: getattr(found, name) for name in names}

    @_powered
    def open(self, path: str, flags: int) -> int:
        self._file(path)
        return 0

    @_powered
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._file(path).content[offset : offset + size])

    @_counted
    def create(self, path: str, mode: int, fi: object = None) -> int:
        os.close(os.open(self._real(path), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode))
        self._files[path] = Unsynced(b"")
        return 0

    @_counted
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._file(path).write(data, offset)
        return len(data)

    @_counted
    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._file(path).truncate(length)
        return 0

    @_counted
    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._apply(path, self._file(path).sync())
        return 0

    @_powered
    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        return 0  # names are durable already

    def flush(self, path: str, fh: int) -> int:
        return 0  # closing a file syncs nothing, and so cannot fail

    @_counted
    def rename(self, old: str, new: str) -> int:
        self._real(old).rename(self._real(new))
        self._files.pop(new, None)
        inside = old + "/"
        for path in [each for each in self._files if each == old or each.startswith(inside)]:
            self._files[new + path[len(old) :]] = self._files.pop(path)
        return 0

    @_counted
    def unlink(self, path: str) -> int:
        self._real(path).unlink()
        self._files.pop(path, None)
        return 0

    @_counted
    def mkdir(self, path: str, mode: int) -> int:
        self._real(path).mkdir(mode)
        return 0

    @_counted
    def rmdir(self, path: str) -> int:
        self._real(path).rmdir()
        return 0

    @_powered
    def chmod(self, path: str, mode: int) -> int:
        self._real(path).chmod(mode)
        return 0

    @_powered
    def chown(self, path: str, uid: int, gid: int) -> int:
        os.chown(self._real(path), uid, gid)
        return 0

    @_powered
    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._real(path), ns=times)
        return 0

    def _real(self, path: str) -> Path:
        return self._backing / path.lstrip("/")

    def _file(self, path: str) -> Unsynced:
        if path not in self._files:
            self._files[path] = Unsynced(self._real(path).read_bytes())
        return self._files[path]

    def _apply(self, path: str, change: Change) -> None:
        with self._real(path).open("r+b", buffering=0) as durable:
            if change.cut_to is not None:
                durable.truncate(change.cut_to)
            for offset, data in change.writes:
                os.pwrite(durable.fileno(), data, offset)
            durable.truncate(change.size)


def _obey(fs: PowerFS, mount_point: Path) -> None:
    """Do what standard input says until it ends, then unmount and leave."""
    try:
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            with fs.guard:
                answer = getattr(fs, name)(*arguments)
            print(json.dumps(answer), flush=True)
    finally:
        subprocess.run(["fusermount3", "-u", "-z", mount_point], check=False)
        os._exit(0)


def main() -> None:
    """Mount, and serve until told to end."""
    backing, mount_point = map(Path, sys.argv[1:])
    fs = PowerFS(backing)
    threading.Thread(target=_obey, args=(fs, mount_point), daemon=True).start()
    # No caching of names and attributes, since a cut changes them behind the kernel's back. Pages
    # are cached, or the -wal and -shm files could not be mapped; each open throws them away.
    mfusepy.FUSE(
        fs, str(mount_point), foreground=True, nothreads=True,
        attr_timeout=0, entry_timeout=0, negative_timeout=0,
    )  # fmt: skip


if __name__ == "__main__":
    main()
