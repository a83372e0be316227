"""Opening the spool: what earlier runs have left is found, ended and kept; then a new epoch begins.

Whatever the policy was when something was spooled, it is found under every policy: a file that the
policy of this run does not write is emptied.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from device.errors import SpoolError
from device.settings import SpoolSettings
from device.spool.card import Card
from device.spool.database import set_aside
from device.spool.epochs import Epochs, end_left_open
from device.spool.left import absorb, ages, look, look_at_card, open_memory
from device.spool.mover import Mover
from device.spool.opening import open_tier
from device.spool.plan import Plan
from device.spool.spool import Spool
from device.spool.tier import Tier
from service.damage import is_damage
from wire.bodies import GapReason, Moment

FILE_NAME = "spool.db"
# A memory file system is small on a small Pi, and shared with all that runs there.
NEAR_BYTES = 8 * 2**20
MEMORY_BYTES = 64 * 2**20
_ABANDON_WITHIN_S = 1.0
_FINISH_WITHIN_S = 10.0


class _Opened(NamedTuple):
    """The tiers, and what earlier runs have left in them.

    `whole`: the epochs (by number) of which near knows all that was ever closed. `lost`: why those
    of this boot are not, where that is known; `notice`: what the collector is to be told of that.
    """

    near: Tier
    mover: Mover | None
    epochs: Epochs
    whole: Collection[int]
    lost: str | None
    notice: str | None


async def open_spool(
    settings: SpoolSettings,
    runtime_folder: Path,
    state_folder: Path,
    now: Callable[[], Moment],
    new_id: Callable[[], bytes] = lambda: os.urandom(16),
) -> Spool:
    """Open the spool of this run and begin its epoch.

    Raises:
        SpoolError: a newer program made a file of it, near cannot be used at all, or both folders are
            the same.
    """
    started, policy = now(), settings.policy
    runtime_file, state_file = runtime_folder / FILE_NAME, state_folder / FILE_NAME
    if runtime_folder.resolve() == state_folder.resolve():
        raise SpoolError(
            f"{state_folder}: this is the runtime folder too, but one has to be in memory and one "
            "on the disk. Let RUNTIME_DIRECTORY or STATE_DIRECTORY name another folder"
        )
    with _explained(state_file if policy == "strict" else runtime_file):
        if policy == "strict":
            opened = _open_on_card(runtime_file, state_file, settings.max_bytes, started)
        else:
            opened = await _open_in_memory(runtime_file, state_file, settings, started)
        max_bytes = opened.near.max_bytes if policy == "memory" else settings.max_bytes
        plan = Plan(policy, settings.at_risk_s, max_bytes)
        spool = Spool(opened.near, opened.mover, opened.epochs, now, new_id, plan)
        try:
            _take_up(spool, opened, started)
            await spool.begin()
            await _finish_move(spool)
        except BaseException:
            await _abandon(opened.near, opened.mover.card if opened.mover else None)
            raise
    return spool


def _open_on_card(runtime_file: Path, state_file: Path, max_bytes: int, started: Moment) -> _Opened:
    near, _ = open_tier(state_file, durable=True, max_bytes=max_bytes)
    try:
        was_damaged = absorb(runtime_file, near, started)
        left = look(near, started)
    except BaseException:
        near.close()
        raise
    lost = GapReason.SPOOL_UNREADABLE if was_damaged else None
    return _Opened(near, None, Epochs(left.facts), (), lost, left.notice)


async def _open_in_memory(
    runtime_file: Path, state_file: Path, settings: SpoolSettings, started: Moment
) -> _Opened:
    is_frugal = settings.policy == "frugal"
    limit_bytes = NEAR_BYTES if is_frugal else min(settings.max_bytes, MEMORY_BYTES)
    # Without a card nobody knows whether a boot before this one has left anything.
    if_new = None if is_frugal else GapReason.POWER_CUT
    near, was_damaged = open_memory(runtime_file, limit_bytes, started, if_new)
    lost = GapReason.SPOOL_UNREADABLE if was_damaged else None
    card = None
    try:
        left = look(near, started)
        here = {each.number for each in left.facts}
        if not (is_frugal or state_file.exists()):
            return _Opened(near, None, Epochs(left.facts), here, lost, left.notice)
        card = Card(state_file, settings.max_bytes)
        beyond = await look_at_card(card, started, left.facts)
    except BaseException:
        await _abandon(near, card)
        raise
    # What near knows of an epoch is newer than what the card does.
    on_card = beyond.facts if beyond else []
    epochs = Epochs({each.number: each for each in [*on_card, *left.facts]}.values())
    mover = Mover(card, near, epochs, is_frugal)
    if beyond is None:
        mover.found_nothing()
        return _Opened(near, mover, epochs, here, lost, left.notice)
    mover.found(beyond.spans, beyond.facts)
    # Where the card has more, near has gone back to an earlier commit.
    whole = here.difference(beyond.more)
    return _Opened(near, mover, epochs, whole, lost, left.notice or beyond.notice)


def _take_up(spool: Spool, opened: _Opened, started: Moment) -> None:
    """End what was left open, and go on with what is held."""
    near, mover, epochs = opened.near, opened.mover, opened.epochs
    end_left_open(epochs, opened.whole, started, opened.lost)
    over = [each for each in epochs if each.is_over]
    if mover is None:
        for each in over:
            epochs.forget(each)
    # With a card, near keeps those that are over until they are gone from there.
    near.put_epochs(epochs, over if mover is None else ())
    if not spool.plan.is_durable:
        spool.intake.resume(ages(near, epochs, started))
    spool.lost = opened.notice


async def _finish_move(spool: Spool) -> None:
    """Move again what a crash has left in both tiers: copied, and not let go of."""
    if spool.mover and spool.mover.is_half_done():
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_WITHIN_S):
                await spool.move()


async def _abandon(near: Tier, card: Card | None) -> None:
    if card is not None:
        await card.close(_ABANDON_WITHIN_S)
    near.close()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what a failure of the tier at `path` means; all others are checked whole, or the card's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if is_damage(error):
            set_aside(path)  # deep in a large file; the next start begins anew
        raise SpoolError(
            f"{path}: the spool cannot be used: {error}. Is the disk full or read-only, or does "
            "another agent use it?"
        ) from error
