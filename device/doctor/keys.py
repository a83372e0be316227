"""What only the agent may read, and what only root may write: the key, the folder it is in, the YAML."""

import contextlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from device.doctor.finding import Finding, bad, good, warning
from device.doctor.place import Place

_SUBJECT = "keys"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class File(NamedTuple):
    """A file or folder, as it is on the machine."""

    path: str
    mode: int
    uid: int


class Keys(NamedTuple):
    """What there is of each kind.

    `secret` is for the agent alone, `trusted` is what it obeys, `tokens` was put on the boot partition
    to join by; `is_hidden`: somebody may not see what is secret. `user` and `uid` are the agent's.
    """

    secret: tuple[File, ...] = ()
    trusted: tuple[File, ...] = ()
    tokens: tuple[str, ...] = ()
    is_hidden: bool = False
    user: str = ""
    uid: int | None = None


def look(
    place: Place,
    state: Path,
    trusted: Sequence[Path],
    tokens: Sequence[Path],
    user: str,
    uid: int,
) -> Keys:
    """Look at the files of the state folder whose names are given, and at the others."""
    names = (state, state / "credentials", state / "join-pending")
    try:
        secret = list(_files(place, names))
    except PermissionError:
        secret, is_hidden = [], True
    else:
        is_hidden = False
    return Keys(
        tuple(secret),
        tuple(_files(place, trusted)),
        tuple(str(token) for token in tokens if place.exists(token)),
        is_hidden,
        user,
        uid,
    )


def judge(keys: Keys) -> list[Finding]:
    """Say what others could read or write that they must not."""
    found = [*_secrets(keys), *_trusted(keys), *_tokens(keys)]
    if keys.is_hidden:
        mend = "sudo telegauge-device doctor"
        found.append(warning(_SUBJECT, "what is the agent's own is not for this user to see", mend))
    return found or [good(_SUBJECT, "nobody else may read the key, or change what the agent obeys")]


def _secrets(keys: Keys) -> Iterator[Finding]:
    for file in keys.secret:
        mode, is_folder = stat.S_IMODE(file.mode), stat.S_ISDIR(file.mode)
        if mode & _OTHERS:
            # What lies in an open folder is closed by itself.
            say, wanted = (warning, "700") if is_folder else (bad, "600")
            message = f"{file.path} is open to others (mode {mode:04o})"
            yield say(_SUBJECT, message, f"sudo chmod {wanted} {file.path}")
        if keys.uid is not None and file.uid != keys.uid:
            message = f"{file.path} is not {keys.user}'s: it belongs to user id {file.uid}"
            yield bad(_SUBJECT, message, f"sudo chown {keys.user}: {file.path}")


def _trusted(keys: Keys) -> Iterator[Finding]:
    for file in keys.trusted:
        if file.uid not in (0, keys.uid):
            message = f"user id {file.uid} may change {file.path}, and what it names is run"
            yield warning(_SUBJECT, message, f"sudo chown root: {file.path}")
        if stat.S_IMODE(file.mode) & _OTHERS_WRITE:
            message = f"others may change {file.path}, and what it names is run"
            yield warning(_SUBJECT, message, f"sudo chmod go-w {file.path}")


def _tokens(keys: Keys) -> Iterator[Finding]:
    for token in keys.tokens:
        message = f"{token} still holds a token that this device was to join by"
        yield warning(_SUBJECT, message, f"sudo telegauge-device join\nor: sudo rm {token}")


def _files(place: Place, names: Sequence[Path]) -> Iterator[File]:
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            facts = place.path(name).stat()
            yield File(str(name), facts.st_mode, facts.st_uid)
