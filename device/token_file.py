"""The file that a token lies in: a regular one, read and erased through one opening of it."""

import contextlib
import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 64 * 1024
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class TokenFile(contextlib.AbstractContextManager["TokenFile"]):
    """A file that is open until the block ends. What its name leads to later may be another one.

    Raises:
        OSError: it is no regular file, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check(path.lstat())  # first: there are devices that notice when they are opened
        self._descriptor = os.open(path, _FLAGS)
        try:
            _check(os.fstat(self._descriptor))
        except OSError:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._descriptor)

    def read(self) -> bytes:
        """Return what it holds, MAX_BYTES at most."""
        return os.read(self._descriptor, MAX_BYTES)

    def erase(self) -> None:
        """Overwrite what it holds, and remove it if it still has its name.

        Raises:
            OSError: it cannot be written or removed.
        """
        with Path(f"/proc/self/fd/{self._descriptor}").open("r+b") as same:
            facts = os.fstat(same.fileno())
            same.write(b"\0" * min(facts.st_size, MAX_BYTES))
            same.flush()
            os.fsync(same.fileno())
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.lstat(), facts):
                self.path.unlink()


def _check(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "a device")
        raise OSError(errno.EINVAL, f"it is {kind}, and a regular file is expected")
