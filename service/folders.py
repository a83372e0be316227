"""Where a program keeps its files: what systemd.exec(5) hands over, else the usual places.

It knows no file by name.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_HINT = (
    "Started by hand? Put folders of your own in front of the command: "
    "STATE_DIRECTORY=~/telegauge/state RUNTIME_DIRECTORY=~/telegauge/run"
)


class FolderError(Exception):
    """A folder cannot be made or written to; the message says what to do."""


def state_folder(program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where that stays which must outlast a reboot."""
    return _folder("STATE_DIRECTORY", f"/var/lib/{program}", environ)


def runtime_folder(program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where that stays which a reboot may take: sockets, and what must not wear the card."""
    return _folder("RUNTIME_DIRECTORY", f"/run/{program}", environ)


def prepared(folder: Path) -> Path:
    """Return the folder, made (for its owner alone) where it was missing.

    Raises:
        FolderError: it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot make the folder {folder}: {error.strerror}. {_HINT}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderError(f"cannot write to the folder {folder}. {_HINT}")
    return folder


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[Path]:
    """Take a folder for this process alone; the kernel gives it back, also after kill -9.

    Raises:
        FolderError: another instance of the program has it, or it cannot be written to.
    """
    descriptor = os.open(prepared(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield folder
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderError(
            f"another instance is running: it uses {folder}. "
            "Stop it first, or give this one folders of its own"
        ) from error


def _folder(variable: str, otherwise: str, environ: Mapping[str, str]) -> Path:
    # A unit may name several, separated by colons; the first is the program's own.
    first = environ.get(variable, "").partition(":")[0]
    return Path(first or otherwise).absolute()
