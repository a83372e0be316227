"""Who already listens on a port, as far as /proc tells this user (proc(5), /proc/net/tcp)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"


def port_owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return `NAME (pid N)` of the program that listens on a TCP port, None if nobody can say."""
    inodes = {f"socket:[{inode}]" for inode in _listeners(port, proc)}
    if not inodes:
        return None
    for folder in proc.glob("[0-9]*"):
        if inodes.intersection(_links(folder / "fd")):
            return f"{_name(folder)} (pid {folder.name})"
    return None


def _name(folder: Path) -> str:
    """A script's own name says more than its interpreter's; comm is cut after 15 characters."""
    first, *rest = [Path(word).name for word in _read(folder / "cmdline").split("\0")] or [""]
    script = next((word for word in rest if not word.startswith("-")), "")
    if first.startswith("python") and script and "-c" not in rest:
        return script
    return first or _read(folder / "comm").strip()


def _listeners(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        for line in _read(proc / "net" / name).splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):  # another user's process, or one that has ended
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                yield str(entry.readlink())


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
