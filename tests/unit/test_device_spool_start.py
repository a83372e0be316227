"""device.spool.start: whatever an earlier run has left, under whatever policy, is found and ended."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from device.errors import SpoolError
from device.spool import Spool, left, mover, start
from device.spool.records import Row
from device.spool.tier import Tier
from kit.links import play
from kit.spoolfaults import aside, card_of, failing_at, raising, spoil
from kit.spools import (
    MIB,
    OWNER,
    Home,
    accept,
    at_rest,
    fill,
    gaps,
    held_values,
    left_open,
    removing_at_once,
    row_by_row,
)
from kit.waiting import WITHIN_S, until

POLICIES = ["frugal", "strict", "memory"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Whatever a start fails with, no thread of it goes on."""
    before = threading.enumerate()
    yield
    assert [each for each in threading.enumerate() if each not in before] == []


def newer(file: Path) -> None:
    """Make a tier that a newer program has made."""
    database = sqlite3.connect(file)
    database.executescript(
        "PRAGMA journal_mode = WAL; CREATE TABLE another (x); PRAGMA user_version = 9;"
    )
    database.close()


async def rows_of_all(spool: Spool) -> list[Row]:
    """Every row of earlier epochs."""
    return [row for facts in left_open(spool) for row in await row_by_row(spool, facts)]


# --- the first start


@pytest.mark.parametrize(
    ("policy", "files", "lost"),
    [
        ("frugal", ["run", "state"], None),
        ("strict", ["state"], None),
        ("memory", ["run"], "power_cut"),
    ],
)
def test_first_start(home: Home, policy: str, files: list[str], lost: str | None) -> None:
    """The files of the policy and no others; an epoch; and what `memory` cannot know is told."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            found = sorted({file.parent.name for file in home.folder.glob("*/*")})
            assert (found, spool.lost) == (files, lost)
            assert [each.is_durable for each in spool.epochs] == [policy == "strict"]
            assert spool.epochs.present in spool.near.epochs()
            if policy == "frugal":
                assert await card_of(spool).do(Tier.epochs) == list(spool.epochs)
            assert (spool.held_readings, spool.is_drained(OWNER)) == (0, True)

    play(scenario())


def test_memory_is_bounded_by_what_a_pi_has(home: Home) -> None:
    """`max_size` is meant for a card; what `memory` may take is less."""

    async def scenario() -> None:
        for max_bytes, expected in ((MIB, MIB), (256 * MIB, start.MEMORY_BYTES)):
            async with home.opened("memory", max_bytes=max_bytes) as spool:
                assert spool.plan.max_bytes == spool.near.max_bytes == expected
        async with home.opened("frugal", max_bytes=256 * MIB) as spool:
            assert (spool.plan.max_bytes, spool.near.max_bytes) == (256 * MIB, start.NEAR_BYTES)

    play(scenario())


# --- after kill -9, a power cut, a loss


@pytest.mark.parametrize("policy", POLICIES)
def test_kill_loses_nothing(home: Home, policy: str) -> None:
    """Closed or open, moved or not: every reading is held, and the epoch has a whole end."""

    async def scenario() -> None:
        spool = await home.open(policy)
        fill(spool, 3)
        await spool.move()
        fill(spool, 2, first=3)
        accept(spool, 5.0)
        await until(lambda: not spool.intake._group)
        await home.kill(spool)
        async with home.opened(policy) as spool:
            (facts,) = left_open(spool)
            assert (facts.end, facts.is_end_known) == ("restarted", True)
            assert (facts.last_seq, facts.readings) == (6, 6)
            assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
            assert spool.lost == ("power_cut" if policy == "memory" else None)

    play(scenario())


@pytest.mark.parametrize(
    ("policy", "kept", "end", "lost"),
    [
        ("frugal", 3, "power_cut", None),
        ("strict", 6, "restarted", None),
        ("memory", 0, None, "power_cut"),
    ],
)
def test_power_cut(home: Home, policy: str, kept: int, end: str | None, lost: str | None) -> None:
    """It takes what was not on the card; how much that was nobody knows, and until when is said."""

    async def scenario() -> None:
        spool = await home.open(policy)
        fill(spool, 3)
        await spool.move()
        fill(spool, 2, first=3)
        accept(spool, 5.0)
        await until(lambda: not spool.intake._group)
        await home.cut_power(spool)
        async with home.opened(policy) as spool:
            assert await held_values(spool) == [float(number) for number in range(kept)]
            assert gaps(await rows_of_all(spool)) == []
            assert spool.lost == lost
            known, until_when = policy == "strict", home.clock()
            assert [(each.end, each.is_end_known, each.until) for each in left_open(spool)] == (
                [(end, known, None if known else until_when)] if end else []
            )

    play(scenario())


@pytest.mark.parametrize(
    ("is_damaged", "reason"), [(False, "spool_lost"), (True, "spool_unreadable")]
)
def test_memory_tier_lost_in_the_same_boot(home: Home, is_damaged: bool, reason: str) -> None:
    """The card's rows are there; the epoch ends nobody knows where, and why is said."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        assert await spool.move()
        fill(spool, 2, first=3)
        await home.kill(spool)
        spoil(home.near_file) if is_damaged else home.near_file.unlink()
        async with home.opened() as spool:
            (facts,) = left_open(spool)
            assert (facts.end, facts.is_end_known) == (reason, False)
            assert facts.until == home.clock()
            assert await held_values(spool) == [0.0, 1.0, 2.0]
            assert spool.lost == ("spool_unreadable" if is_damaged else None)

    play(scenario())


def test_memory_that_outlasts_a_power_cut_says_nothing(home: Home) -> None:
    """A runtime folder on a disk: it was not synced, so it is as if it were gone."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        await home.kill(spool)
        home.clock.reboot()
        async with home.opened() as spool:
            assert [each.end for each in left_open(spool)] == ["power_cut"]
            assert spool.held_readings == 0

    play(scenario())


@pytest.mark.parametrize("damaged", [["card"], ["near"], ["card", "near"]])
def test_notice_is_kept_until_told(home: Home, damaged: list[str]) -> None:
    """A damaged tier is set aside, once; that it was is known to each start until one has told it."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 3)
        await home.kill(spool)
        files = {"card": home.card_file, "near": home.near_file}
        for each in damaged:
            spoil(files[each])
        for _ in range(2):
            spool = await home.open()
            assert spool.lost == "spool_unreadable"
            await home.kill(spool)
        async with home.opened() as spool:
            await spool.told_loss()
            assert spool.lost is None
        async with home.opened() as spool:
            assert spool.lost is None

    entries = play(scenario())
    assert [each["event"] for each in entries].count("spool_set_aside") == len(damaged)


# --- another policy


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("later", POLICIES)
@pytest.mark.parametrize("earlier", POLICIES)
def test_policy_that_changes(home: Home, earlier: str, later: str, how: str) -> None:
    """It strands nothing and repeats nothing; once all is acknowledged, no file holds any of it."""

    async def scenario() -> None:
        spool = await home.open(earlier)
        fill(spool, 2)
        await spool.move()
        fill(spool, 2, first=2)
        accept(spool, 4.0)
        await until(lambda: not spool.intake._group)
        await (home.kill(spool) if how == "kill" else home.stop(spool))
        spool = await home.open(later)
        accept(spool, 5.0)
        assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0]
        spool.close_batch()
        assert await held_values(spool) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert spool.held_readings == 6
        with removing_at_once():
            for facts in spool.epochs:
                spool.acknowledge(facts, facts.last_seq, ended=facts.end is not None)
            await until(lambda: spool.held_readings == 0)
        assert spool.acknowledged == 6
        spool.end()
        (*_, last) = spool.epochs
        spool.acknowledge(last, 1, ended=True)
        assert await spool.close(WITHIN_S)
        for policy in (later, earlier, "frugal"):
            async with home.opened(policy) as spool:
                assert (spool.held_readings, left_open(spool)) == (0, [])

    play(scenario())


@pytest.mark.parametrize(
    "policies", [("frugal", "strict"), ("strict", "memory"), ("memory", "frugal")]
)
def test_policy_that_changes_twice_in_a_hurry(home: Home, policies: tuple[str, str]) -> None:
    """Killed at once, under each: what was read first is held, once."""

    async def scenario() -> None:
        spool = await home.open(policies[0])
        fill(spool, 3)
        await home.kill(spool)
        for policy in policies * 2:
            spool = await home.open(policy)
            await home.kill(spool)
        async with home.opened(policies[1]) as spool:
            assert await held_values(spool) == [0.0, 1.0, 2.0]
            assert spool.held_readings == 3
            assert len(left_open(spool)) == 1

    play(scenario())


# --- what leaves no trace


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("policy", POLICIES)
def test_epoch_in_which_nothing_happened(home: Home, policy: str, how: str) -> None:
    """Nothing accepted and nobody told: after many quick restarts no row of it is left, anywhere."""

    async def scenario() -> None:
        for _ in range(4):
            spool = await home.open(policy)
            await (home.kill(spool) if how == "kill" else home.stop(spool))
        async with home.opened(policy) as spool:
            await at_rest(spool)
            assert list(spool.epochs) == spool.near.epochs() == [spool.epochs.present]
            if policy == "frugal":
                assert await card_of(spool).do(Tier.epochs) == spool.near.epochs()

    play(scenario())


def test_epoch_that_was_offered_is_ended(home: Home) -> None:
    """The collector knows it: nothing accepted or not, END is due."""

    async def scenario() -> None:
        for _ in range(2):
            spool = await home.open()
            await spool.held(OWNER)
            await home.kill(spool)
        async with home.opened() as spool:
            assert [(each.end, each.last_seq) for each in left_open(spool)] == [
                ("restarted", 0)
            ] * 2

    play(scenario())


def test_numbers_go_up_whatever_the_clock_does(home: Home) -> None:
    """A clock that was set back does not put a new epoch before an old one."""

    async def scenario() -> None:
        numbers = []
        for _ in range(3):
            spool = await home.open()
            assert spool.epochs.present is not None
            numbers.append(spool.epochs.present.number)
            fill(spool, 1)
            await home.kill(spool)
            home.clock.wall_ns -= 10**15
        assert numbers == sorted(set(numbers))

    play(scenario())


# --- a card that fails just now


@pytest.mark.parametrize("kind", ["io", "readonly", "os", "full"])
def test_start_without_a_card(home: Home, kind: str) -> None:
    """It is sampled without it; once it works it gets what waits, its epoch too."""

    async def scenario() -> None:
        with failing_at("open", kind):
            spool = await home.open()
            fill(spool, 2)
            assert not await spool.move()
            assert card_of(spool).error
        assert await spool.move()
        await home.cut_power(spool)
        async with home.opened() as spool:
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


@pytest.mark.parametrize("step", ["look", "begin"])
def test_start_with_a_card_that_hangs(
    home: Home, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampling begins all the same; what the card holds is sent when it goes on."""
    monkeypatch.setattr(left, "_CARD_WITHIN_S", 0.05 if step == "look" else WITHIN_S)
    monkeypatch.setattr(mover, "_ANSWER_WITHIN_S", 0.05)

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        assert await home.stop(spool)
        go_on = threading.Event()
        place, name = (left, "look") if step == "look" else (Tier, "remove")
        real = getattr(place, name)

        def on_card(*what: object) -> object:
            if threading.current_thread().name == "spool-card":
                go_on.wait(WITHIN_S)
            return real(*what)

        with patch.object(place, name, on_card):
            spool = await asyncio.wait_for(home.open(), WITHIN_S / 2)
            fill(spool, 1, first=2)
            go_on.set()
            await at_rest(spool)
        assert await held_values(spool) == [0.0, 1.0, 2.0]
        await home.kill(spool)

    play(scenario())


# --- no start


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("policy", POLICIES)
def test_tier_that_cannot_be_used_ends_the_start(home: Home, policy: str) -> None:
    """The message names the file, says why, and what to look at."""
    file = home.card_file if policy == "strict" else home.near_file
    file.mkdir()

    async def scenario() -> None:
        with pytest.raises(SpoolError) as failed:
            await home.open(policy)
        assert str(failed.value).startswith(f"{file}: the spool cannot be used: ")
        assert "disk full or read-only" in str(failed.value)

    play(scenario())


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize(
    ("policy", "tier"), [("frugal", "near"), ("frugal", "card"), ("strict", "card"),
                         ("strict", "near"), ("memory", "near"), ("memory", "card")]
)  # fmt: skip
def test_tier_of_a_newer_program_ends_the_start(home: Home, policy: str, tier: str) -> None:
    """Whichever it is, and whatever the policy: what it holds would be lost. It stays as it is."""
    file = home.near_file if tier == "near" else home.card_file
    newer(file)
    before = file.read_bytes()

    async def scenario() -> None:
        with pytest.raises(SpoolError, match="newer telegauge-device"):
            await home.open(policy)
        assert aside(file) == []

    play(scenario())
    assert file.read_bytes() == before


@pytest.mark.usefixtures("no_thread_is_left")
@pytest.mark.parametrize("step", ["accept", "put_epochs"])
def test_start_that_fails_leaves_all_as_it_was(home: Home, step: str) -> None:
    """Memory without room for the next epoch: an error, the files closed; the next start has it all."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 2)
        await home.kill(spool)
        if step == "put_epochs":
            with patch.object(Tier, "put_epochs", raising("full")), pytest.raises(SpoolError):
                await home.open()
        else:
            with patch.object(Spool, "begin", raising("io")), pytest.raises(SpoolError):
                await home.open()
        async with home.opened() as spool:
            assert await held_values(spool) == [0.0, 1.0]

    play(scenario())


@pytest.mark.parametrize("policy", POLICIES)
def test_one_folder_for_both_is_refused(home: Home, policy: str) -> None:
    """One tier would be the other; also where a link hides that."""
    home.state.rmdir()
    home.state.symlink_to(home.runtime)

    async def scenario() -> None:
        with pytest.raises(SpoolError, match="RUNTIME_DIRECTORY or STATE_DIRECTORY"):
            await home.open(policy)

    play(scenario())


@pytest.mark.parametrize("policy", ["frugal", "strict"])
def test_damage_deep_in_a_tier_costs_one_start(home: Home, policy: str) -> None:
    """What only a later read meets: the start says so, and the next one begins anew and tells."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            fill(spool, 3)
            file = spool.near.path
        with patch.object(Tier, "put_epochs", raising("damage")), pytest.raises(SpoolError):
            await home.open(policy)
        assert len(aside(file)) == 1
        async with home.opened(policy) as spool:
            assert spool.lost == "spool_unreadable"

    play(scenario())
