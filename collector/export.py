"""Export: readings into one file, going on where it was when it was killed.

Beside the file grow FILE.part, what was written so far, and FILE.journal, which says up to where that is
whole and on disk. The file itself appears by a rename, once nothing is missing.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from collector import query
from collector.errors import CollectorError
from collector.space import free_bytes
from collector.store import Key, Part, Reader
from service.crashpoints import crash_point

# So much is written before the journal says so: a few seconds of work are lost at most.
SAVE_BYTES = 8 * 2**20


class ExportError(CollectorError):
    """The file cannot be made; the message says why, and what to do."""


class Question(msgspec.Struct, frozen=True):
    """What was asked, in the words in which it was: the same words go on."""

    store: str
    pattern: str
    start: str | None
    end: str | None
    last: str | None
    form: str
    times: str


class Journal(msgspec.Struct):
    """How far an export has come: up to `at_ns` of the series at `place`, with so many bytes."""

    question: Question
    start_ns: int
    end_ns: int
    shown: tuple[int, int]  # from when to when there are readings
    keys: list[Key]
    place: int
    at_ns: int
    size_bytes: int = 0
    readings: int = 0
    undecodable: int = 0

    def share(self) -> float:
        """Return how much of it is done, from 0 to 1."""
        start_ns, end_ns = self.shown
        share = (self.at_ns - start_ns) / max(1, end_ns - start_ns)
        return (self.place + min(max(share, 0.0), 1.0)) / max(1, len(self.keys))


class Form(Protocol):
    """How readings become bytes, and these the file."""

    def head(self) -> bytes:
        """Return what stands before all readings."""

    def encode(self, part: Part, place: int) -> bytes:
        """Return the readings of the series at a place."""

    def finish(self, part: Path, keys: list[Key]) -> Path:
        """Make the whole file of what was written; return where it is."""


class Files(NamedTuple):
    """The file that is to be, and what grows beside it."""

    target: Path
    part: Path
    journal: Path

    @classmethod
    def of(cls, target: Path) -> "Files":
        """Return the names."""
        return cls(
            target, *(target.with_name(f"{target.name}.{end}") for end in ("part", "journal"))
        )


class Limits(NamedTuple):
    """What stays free on the file system, and how much is written before it is put on disk."""

    min_free_bytes: int = 0
    save_bytes: int = SAVE_BYTES


def export(
    reader: Reader,
    files: Files,
    journal: Journal,
    form: Form,
    limits: Limits = Limits(),  # noqa: B008 - it cannot be changed
    told: Callable[[float], object] = lambda _: None,
) -> None:
    """Write the readings that a journal is about into a file, or go on with that.

    `told` hears how much is done.

    Raises:
        ExportError: it cannot be made.
    """
    with _troubles_told(files):
        if not files.target.exists():
            with _part(files, journal) as part:
                _write(reader, files, journal, part, form, limits, told)
                crash_point("export_written")
                form.finish(files.part, journal.keys).replace(files.target)
            _sync(files.target.parent)
        crash_point("export_published")
        for left in (files.part, files.journal):
            left.unlink(missing_ok=True)


def journal_of(
    reader: Reader, files: Files, wanted: Question, span: tuple[int, int], now_ns: int
) -> Journal:
    """Return the journal that lies there, or begin one.

    Raises:
        ExportError: there is something else.
    """
    with _troubles_told(files):
        return _begun(reader, files, wanted, span, now_ns)


@contextmanager
def _troubles_told(files: Files) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{files.target}: cannot be written: {error.strerror}. What is done is kept: "
            "the same command goes on with it"
        ) from None


def _begun(
    reader: Reader, files: Files, wanted: Question, span: tuple[int, int], now_ns: int
) -> Journal:
    if files.journal.exists():
        journal = _read(files)
        if journal.question != wanted:
            raise ExportError(
                f"{files.journal}: an export of something else was begun here: "
                f"`{journal.question.pattern}`. Ask for the same to go on with it, name another "
                f"file, or remove this one and {files.part.name}"
            )
        return journal
    for each in (files.target, files.part):
        if os.path.lexists(each):
            raise ExportError(f"{each}: is there already, and no export replaces it. Name another")
    if not files.target.parent.is_dir():
        raise ExportError(f"{files.target.parent}: no such folder. Make it, or name another")
    extents = reader.extents(wanted.pattern, *span)
    known = [extent for extent in extents.values() if extent is not None]
    first_ns = min((each.first_ns for each in known), default=span[0])
    # What comes while it is written is not in it, nor in a part of it only.
    last_ns = max((each.last_ns for each in known), default=now_ns)
    end_ns = min(span[1], max(last_ns + 1, now_ns))
    shown = (max(span[0], first_ns), min(end_ns, last_ns + 1))
    journal = Journal(wanted, span[0], end_ns, shown, list(extents), 0, span[0])
    _save(files, journal)
    return journal


def _read(files: Files) -> Journal:
    try:
        return msgspec.json.decode(files.journal.read_bytes(), type=Journal)
    except msgspec.MsgspecError:
        raise ExportError(
            f"{files.journal}: is no journal of an export. Remove it and {files.part.name}, if that is there"
        ) from None


def _save(files: Files, journal: Journal) -> None:
    """Put the journal on disk, whole or not at all."""
    new = files.journal.with_name(f"{files.journal.name}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(journal))
        file.flush()
        os.fsync(file.fileno())
    new.replace(files.journal)
    _sync(new.parent)


@contextmanager
def _part(files: Files, journal: Journal) -> Iterator[BinaryIO]:
    """Open what was written, as far as it is whole."""
    with files.part.open("ab") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"{files.part}: another export writes it now") from None
        if part.tell() < journal.size_bytes:
            raise ExportError(
                f"{files.part}: is shorter than {files.journal.name} says. Remove both, and begin anew"
            )
        part.truncate(journal.size_bytes)
        part.seek(journal.size_bytes)
        yield part


def _write(
    reader: Reader,
    files: Files,
    journal: Journal,
    part: BinaryIO,
    form: Form,
    limits: Limits,
    told: Callable[[float], object],
) -> None:
    if not journal.size_bytes:
        journal.size_bytes = part.write(form.head())
    saved_bytes = journal.size_bytes
    while journal.place < len(journal.keys):
        for window in _windows(reader, journal):
            for each in window.found.parts:
                journal.size_bytes += part.write(form.encode(each, journal.place))
                journal.readings += len(each.times_ns)
            journal.undecodable = max(journal.undecodable, window.found.undecodable)
            journal.at_ns = window.end_ns
            told(journal.share())
            if journal.size_bytes - saved_bytes >= limits.save_bytes:
                _settle(files, journal, part)
                saved_bytes = journal.size_bytes
                crash_point("export_saved")
                _check_room(files, limits.min_free_bytes)
        journal.place, journal.at_ns = journal.place + 1, journal.start_ns
    _settle(files, journal, part)


def _windows(reader: Reader, journal: Journal) -> Iterator[query.Window]:
    portion = query.portion_of(journal.keys[journal.place])
    return query.windows(reader, portion, journal.at_ns, journal.end_ns, journal.start_ns)


def _settle(files: Files, journal: Journal, part: BinaryIO) -> None:
    part.flush()
    os.fsync(part.fileno())
    _save(files, journal)


def _check_room(files: Files, min_free_bytes: int) -> None:
    free = free_bytes(files.target.parent)
    if free is not None and free < min_free_bytes:
        raise ExportError(
            f"{files.target.parent}: too little room: {free / 2**20:.1f} MiB are free, of which "
            f"{min_free_bytes / 2**20:.1f} MiB have to stay so for the collector (store.min_free). "
            "Make room: the same command then goes on"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
