"""The housekeeper: the thread that keeps the store small and quick, beside the writer.

What is to be done next the sealer and retention say; here is only when, and what happens where it cannot be done.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from collector.store.database import open_for_writing
from collector.store.deletion import Deleted, Deletion, Selection
from collector.store.group import GroupCommit, is_of_file
from collector.store.retention import Keep, Retention
from collector.store.sealer import Commit, Sealer
from collector.store.transaction import Transaction
from collector.store.writer import Writer

_T = TypeVar("_T")

_LOOK_EVERY_S = 60.0
_YOUNG_S = 1.0


class _Wish(NamedTuple):
    """Something that somebody waits for."""

    work: Callable[[Sealer], Any]
    future: "Future[Any]"


class Housekeeper:
    """Seals, merges, deletes and gives back what one writer stores.

    Args:
        path: the store.
        writer: whose transactions it uses; it must end later.
        call_soon: runs a function on the event loop, from any thread.
        failed: told on the event loop when the store cannot be read or written any more.
    """

    def __init__(
        self,
        path: Path,
        writer: Writer,
        call_soon: Callable[..., object],
        failed: Callable[[Exception], None],
    ) -> None:
        self._path = path
        self._writer = writer
        self._call_soon = call_soon
        self._failed = failed
        self._rules: Sequence[Keep] = ()
        self._wishes: queue.SimpleQueue[_Wish] = queue.SimpleQueue()
        self._is_ending = False
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="store-housekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """End the thread behind its present step; say whether it ended in time."""
        self._is_ending = True
        self._writer.unsealed.wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def finish(self) -> "Future[None]":
        """Seal all that can be sealed now, and give free space back."""
        return self._ask(lambda sealer: self._go_through(sealer.finish()))

    def delete(self, selection: Selection) -> "Future[Deleted]":
        """Delete series, or a range of time of them; others are sealed meanwhile."""
        return self._ask(lambda sealer: self._delete(sealer, selection))

    def retain(self, rules: Sequence[Keep]) -> None:
        """Let other rules say from now on what is kept for how long."""
        self._rules = rules
        self._writer.unsealed.wake()

    def _ask(self, work: Callable[[Sealer], _T]) -> "Future[_T]":
        future: Future[_T] = Future()
        self._wishes.put(_Wish(work, future))
        self._writer.unsealed.wake()
        if self._has_ended:
            self._give_up_wishes()
        return future

    def _run(self) -> None:
        try:
            with (
                closing(Sealer(self._path, self._writer.unsealed, self._writer.do)) as sealer,
                closing(Retention(self._path, self._commit)) as retention,
            ):
                while not self._is_ending:
                    self._fulfil(sealer)
                    rules = self._rules
                    retention.apply(rules)
                    now_ns = time.time_ns()
                    is_busy = sealer.step(now_ns)
                    is_busy |= retention.step(now_ns)
                    if not is_busy and not self._is_asked(rules):
                        is_young = self._writer.unsealed.ripe_bytes() > 0
                        self._writer.unsealed.wait(_YOUNG_S if is_young else _LOOK_EVERY_S)
        except CancelledError:
            pass  # the writer has ended, and said why
        except Exception as error:  # noqa: BLE001 - the file, or this program, is at fault
            self._call_soon(self._failed, error)
        finally:
            self._has_ended = True  # from here on whoever wishes for something gives it up
            self._give_up_wishes()

    def _is_asked(self, rules: Sequence[Keep]) -> bool:
        """Say whether anything was asked since the last look, which has cleared what woke it."""
        return self._is_ending or rules is not self._rules or not self._wishes.empty()

    def _give_up_wishes(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._wishes.get_nowait().future.cancel()

    def _fulfil(self, sealer: Sealer) -> None:
        while not self._wishes.empty():
            wish = self._wishes.get()
            try:
                answer = wish.work(sealer)
            except Exception as error:
                wish.future.set_exception(error)
                if isinstance(error, CancelledError) or is_of_file(error):
                    raise
            else:
                wish.future.set_result(answer)

    def _delete(self, sealer: Sealer, selection: Selection) -> Deleted:
        deletion = Deletion(self._path, selection, sealer.drain, self._commit)
        for _ in deletion.steps(time.time_ns()):
            self._check_ending()
            sealer.step(time.time_ns())
        return deletion.deleted

    def _go_through(self, steps: Iterator[None]) -> None:
        for _ in steps:
            self._check_ending()

    def _check_ending(self) -> None:
        if self._is_ending:
            raise CancelledError("the collector stops: ask again to go on")

    def _commit(self, work: Callable[[Transaction], _T]) -> tuple[_T, float]:
        return self._writer.do(work).result()


def seal_store(path: Path) -> None:
    """Seal all that can be sealed of a store that no collector uses.

    Raises:
        StoreError: it cannot be used.
    """
    with _alone(path) as (sealer, _):
        for _ in sealer.finish():
            pass


def delete_from(path: Path, selection: Selection) -> Deleted:
    """Delete series, or a range of time of them, from a store that no collector uses.

    Raises:
        StoreError: it cannot be used.
    """
    with _alone(path) as (sealer, commit):
        deletion = Deletion(path, selection, sealer.drain, commit)
        for _ in deletion.steps(time.time_ns()):
            pass
        return deletion.deleted


@contextmanager
def _alone(path: Path) -> Iterator[tuple[Sealer, Commit]]:
    """Give a sealer of a store that nobody else writes to, and what commits there."""
    with closing(open_for_writing(path)) as database:
        group = GroupCommit(database)
        with closing(Sealer(path, group.unsealed, group.submit)) as sealer:
            yield sealer, lambda work: group.submit(work).result()
