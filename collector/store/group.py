"""Group commit: many requests in one transaction, and what is done where one of them spoils it.

Data that the file refuses (a constraint, a number too large) must not keep others from being
stored: such a group is undone and committed again in ever smaller parts, down to the one batch,
which is rejected. An error of the file itself, or of ours, is nobody's to reject: it is raised.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import structlog

from collector.errors import RefusedError
from collector.store.requests import Rejected, Revoked, Stored
from collector.store.transaction import Transaction
from collector.store.unsealed import Unsealed
from wire.receiver import Arrived

_log = structlog.get_logger()
_T = TypeVar("_T")

_REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
)


def is_of_file(error: Exception) -> bool:
    """Say whether an error means that the file is full, damaged or out of reach."""
    # A name that damage has made is no text.
    is_its = isinstance(error, (sqlite3.Error, UnicodeDecodeError))
    return is_its and not isinstance(error, _REFUSED)


class Request(NamedTuple):
    """Something to be done in a transaction; with `batches`, a part of them can be done too.

    `apply` gets the batches; where there are any, it returns what was `Stored` of them. `in_order`:
    nothing behind a rejected batch of an epoch may be stored. `device` is named in logs.
    """

    device: str
    apply: Callable[[Transaction, Sequence[Arrived]], Any]
    batches: Sequence[Arrived] = ()
    in_order: bool = True


class GroupCommit:
    """Commits groups of requests, in the thread that owns the database.

    `commits` counts transactions, `busy_since_s` (time.monotonic) is when the present one began.

    Args:
        is_revoked: whether nothing more of a device may be stored; asked within the transaction.
    """

    def __init__(
        self, database: sqlite3.Connection, is_revoked: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._is_revoked = is_revoked
        self.commits = 0
        self.busy_since_s: float | None = None
        self._transaction = Transaction(database)

    @property
    def has_stale(self) -> bool:
        """Whether something may be to be dated anew."""
        return self._transaction.has_stale

    def commit(self, group: Sequence[Request]) -> list[Any]:
        """Commit all that can be; return the answers, in the order of the requests.

        Raises:
            Exception: the file or this program is at fault; what was being committed is not.
        """
        try:
            return self._apply(group)
        finally:
            self.busy_since_s = None

    def work(self, job: Callable[[Transaction], _T]) -> _T:
        """Do something in a transaction of its own.

        Raises:
            RefusedError: it cannot be done, for a reason that concerns nobody else.
            Exception: the file is at fault.
        """
        try:
            self.busy_since_s = time.monotonic()
            self._begin()
            answer = job(self._transaction)
            self._transaction.commit()
        except BaseException as error:
            self._transaction.rollback()
            if not isinstance(error, Exception) or is_of_file(error):
                raise
            raise RefusedError(f"the store cannot take it: {error}") from error
        finally:
            self.busy_since_s = None
        self.commits += 1
        return answer

    def submit(self, work: Callable[[Transaction], _T]) -> "Future[tuple[_T, float]]":
        """Do the same, and return what a writer's thread would: the answer, and how long it took, in seconds."""
        future: Future[tuple[_T, float]] = Future()
        began_s = time.perf_counter()
        try:
            answer = self.work(work)
        except RefusedError as error:
            future.set_exception(error)
        else:
            future.set_result((answer, time.perf_counter() - began_s))
        return future

    @property
    def unsealed(self) -> Unsealed:
        """What waits to be sealed."""
        return self._transaction.unsealed

    def _apply(self, group: Sequence[Request]) -> list[Any]:
        try:
            return self._commit(group)
        except _REFUSED:
            if len(group) == 1 and not group[0].batches:
                raise
            self._transaction.rollback()
        if len(group) == 1:
            return [self._salvage(group[0])]
        half = len(group) // 2
        return self._apply(group[:half]) + self._apply(group[half:])

    def _commit(self, group: Sequence[Request]) -> list[Any]:
        self.busy_since_s = time.monotonic()
        self._begin()
        answers = [self._answer(request) for request in group]
        self._transaction.commit()
        self.commits += 1
        return answers

    def _answer(self, request: Request) -> Any:
        if self._is_revoked(request.device):
            return Revoked()
        return request.apply(self._transaction, request.batches)

    def _salvage(self, request: Request) -> Stored | Revoked:
        """Store what can be of the batches of a request."""
        marks: dict[bytes, int] = {}
        holes: list[bytes] = []
        rejected: list[Rejected] = []
        parts = [request.batches]
        while parts:
            stopped = {*holes, *(each.epoch for each in rejected if request.in_order)}
            part = [each for each in parts.pop() if each.header.place.epoch not in stopped]
            if not part:
                continue
            try:
                (stored,) = self._commit([request._replace(batches=part)])
            except _REFUSED as error:
                self._transaction.rollback()
                if len(part) == 1:
                    rejected.append(_rejected(request.device, part[0], error))
                else:
                    half = len(part) // 2
                    parts += [part[half:], part[:half]]
                continue
            if isinstance(stored, Revoked):
                return stored
            marks |= stored.marks
            holes += [] if stored.hole is None else [stored.hole]
        return Stored(marks, holes[0] if holes else None, rejected)

    def _begin(self) -> None:
        """Begin a transaction; wait for whoever holds the file, which is no fault of the file."""
        is_told = False
        while True:
            try:
                self._transaction.begin(time.time_ns())
                return
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if not is_told:
                    _log.warning("store_locked", detail="another program holds the store; waiting")
                is_told = True


def _rejected(device: str, arrived: Arrived, error: Exception) -> Rejected:
    epoch, seq, _ = arrived.header.place
    detail = f"the store cannot take it: {error}"
    _log.error("batch_refused", device=device, epoch=epoch.hex(), seq=seq, detail=detail)
    return Rejected(epoch, seq, detail)
