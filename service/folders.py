"""Where a program keeps its files: what systemd.exec(5) hands over, else the usual places.

Those are /var/lib and /run for root and where the service is installed, else the user's own.

It knows no file by name.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_HINT = (
    "STATE_DIRECTORY and RUNTIME_DIRECTORY name others, each program wants folders of its own: "
    "STATE_DIRECTORY=FOLDER RUNTIME_DIRECTORY=FOLDER"
)


class FolderError(Exception):
    """A folder cannot be made or written to; the message says what to do."""


def state_folder(program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where that stays which must outlast a reboot."""
    own = _own(environ, "XDG_STATE_HOME", ".local/state") / program
    return _folder("STATE_DIRECTORY", Path("/var/lib") / program, own, environ)


def runtime_folder(program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where that stays which a reboot may take: sockets, and what must not wear the card."""
    own = _own(environ, "XDG_RUNTIME_DIR", ".local/state") / program / "run"
    return _folder("RUNTIME_DIRECTORY", Path("/run") / program, own, environ)


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


def _folder(variable: str, installed: Path, own: Path, environ: Mapping[str, str]) -> Path:
    # A unit may name several, separated by colons; the first is the program's own.
    first = environ.get(variable, "").partition(":")[0]
    if first:
        return Path(first).absolute()
    # Who is not root and has no service installed tries it out, in folders of their own.
    return installed if os.geteuid() == 0 or installed.exists() else own


def _own(environ: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """Return a user's own place by the XDG base directory specification."""
    return Path(environ.get(variable) or Path(environ.get("HOME") or "/") / otherwise)
