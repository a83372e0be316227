"""Key files: what only the program that owns them may read, written so that they are whole or absent.

They lie in the program's state folder, or are handed over by systemd (LoadCredential=, see
systemd.exec(5)). It knows no file by name.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 64 * 1024
_MODE = 0o600
_OTHERS = 0o077


class KeyFileError(Exception):
    """A key file cannot be used as it is; the message says what to do."""


def handed_over(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that systemd hands over under this name, if it does."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / name if folder else None
    # systemd 252 names the folder to ExecReload= too, and does not let it in.
    return file if file is not None and os.access(file, os.F_OK) else None


def read(file: Path, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Return what a key file holds; None where there is none.

    Raises:
        KeyFileError: others may read it, or it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            if not _is_handed_over(file, environ):
                _check_mode(os.fstat(opened.fileno()).st_mode, file)
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {file}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise KeyFileError(f"{file} is no key file: it has more than {MAX_BYTES} bytes")
    return data


def check(file: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a key file that others may read; one that is missing is fine.

    Raises:
        KeyFileError: they may.
    """
    with contextlib.suppress(FileNotFoundError):
        if not _is_handed_over(file, environ):
            _check_mode(file.stat().st_mode, file)


def write(file: Path, data: bytes) -> None:
    """Put a key file in its place, in one step and durably; root leaves it to the folder's owner.

    Raises:
        KeyFileError: it cannot be written; what was there is still there.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        _write_whole(part, data)
        part.replace(file)
        _sync(file.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        hint = ". Put sudo in front of the command" if isinstance(error, PermissionError) else ""
        raise KeyFileError(f"cannot write the key file {file}: {error.strerror}{hint}") from None


def _write_whole(part: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(part, flags, _MODE)
    try:
        if os.geteuid() == 0:
            owner = part.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        with open(descriptor, "wb", closefd=False) as opened:
            opened.write(data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_mode(mode: int, file: Path) -> None:
    if mode & _OTHERS:
        raise KeyFileError(
            f"{file} can be read or written by others (mode {mode & 0o777:04o}), so it may be known "
            f"to them. If it is not: chmod 600 {file}"
        )


def _is_handed_over(file: Path, environ: Mapping[str, str]) -> bool:
    # Its mode shows more than it grants: systemd lets the program in by an access control list.
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and file.parent == Path(str(folder))
