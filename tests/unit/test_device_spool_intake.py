"""device.spool.intake: accepted is committed, batches close by themselves, and room is made or refused."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from device.spool import Spool, intake
from kit.disks import sized_tmpfs
from kit.links import play
from kit.spoolfaults import aside, error_of, raising
from kit.spools import (
    OWNER,
    Home,
    accept,
    committed,
    fill,
    gaps,
    held_values,
    left_open,
    row_by_row,
    values_of,
)
from kit.waiting import until
from wire.batches import MAX_BODY_BYTES, MAX_READINGS, open_header
from wire.blocks import Point

KIB = 1024
POLICIES = ["frugal", "strict", "memory"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


@pytest.fixture
def short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room, sampling stands still for a moment that a test can wait for."""
    monkeypatch.setattr(intake, "_FULL_S", 0.05)


@asynccontextmanager
async def in_small_memory(home: Home, policy: str = "frugal") -> AsyncIterator[tuple[Spool, Path]]:
    """A spool on a memory file system, or a card, without any room; and the file to take away for some."""
    folder = home.state if policy == "strict" else home.runtime
    with sized_tmpfs(folder, 512 * KIB):
        async with home.opened(policy) as spool:
            filler = folder / "filler"
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))
            yield spool, filler


def fill_to_the_brim(spool: Spool) -> None:
    """Accept reads until one is refused."""
    for number in range(100_000):
        if not accept(spool, float(number)):
            return
    pytest.fail("there was always room")


async def present_rows(spool: Spool) -> list[list[float]]:
    """The values of each batch of the present epoch."""
    present = spool.epochs.present
    assert present is not None
    return [values_of(row) for row in await row_by_row(spool, present)]


# --- accepted is committed


@pytest.mark.parametrize("policy", POLICIES)
def test_accepted_is_committed(home: Home, policy: str) -> None:
    """kill -9 the moment after: the next start has every read, as the last batch of its epoch."""

    async def scenario() -> None:
        spool = await home.open(policy)
        for number in range(5):
            assert accept(spool, float(number), float(-number))
        await committed(spool)
        assert (spool.intake.accepted, spool.intake.open_readings) == (10, 10)
        await home.kill(spool)
        async with home.opened(policy) as spool:
            (facts,) = left_open(spool)
            assert (facts.last_seq, facts.readings) == (1, 10)
            assert await held_values(spool) == sorted([0.0, *range(5), *range(-4, 0)])

    play(scenario())


def test_reads_of_a_tick_share_a_commit(home: Home) -> None:
    """On the card each commit costs: under `strict` reads wait for their neighbours, half a tick."""

    async def scenario() -> None:
        async with home.opened("strict") as spool:
            with patch.object(spool.near, "accept", wraps=spool.near.accept) as commit:
                for number in range(4):
                    accept(spool, float(number))
                assert spool.near.reads() == ({}, 0)
                await committed(spool)
                assert commit.call_count == 1
            (reads,) = spool.near.reads()[0].values()
            assert [read.points[0].value for read in reads] == [0.0, 1.0, 2.0, 3.0]

    play(scenario())


def test_closing_does_not_wait_for_the_shared_commit(home: Home) -> None:
    """A batch that is closed at once is whole, and leaves nothing to commit behind it."""

    async def scenario() -> None:
        async with home.opened("strict") as spool:
            accept(spool, 1.0)
            assert spool.intake.close_batch()
            accept(spool, 2.0)
            await committed(spool)
            assert await present_rows(spool) == [[1.0]]
            assert [len(reads) for reads in spool.near.reads()[0].values()] == [1]

    play(scenario())


# --- batches close by themselves


def test_batch_closes_when_no_further_read_fits(home: Home) -> None:
    """At 1000 readings; a read is never torn apart for that."""

    async def scenario() -> None:
        async with home.opened() as spool:
            for number in range(4):
                accept(spool, *[float(number)] * 400)
            spool.close_batch()
            assert [len(values) for values in await present_rows(spool)] == [800, 800]

    play(scenario())


def test_batch_is_never_larger_than_the_wire_takes(home: Home) -> None:
    """Long names and units close it before 1000 readings do."""

    async def scenario() -> None:
        async with home.opened() as spool:
            for number in range(30):
                points = [Point(f"{'c' * 55}_{number}_{n}", "u" * 16, 1.0, 0) for n in range(100)]
                assert spool.accept("s" * 63, 0, points)
            spool.close_batch()
            present = spool.epochs.present
            assert present is not None
            sizes = [len(row.sealed) for row in await row_by_row(spool, present)]
            assert len(sizes) > 1
            assert max(sizes) <= MAX_BODY_BYTES
            assert present.readings == 3000

    play(scenario())


def test_read_that_no_batch_holds_is_split(home: Home) -> None:
    """Every channel of it is kept once, in order, under the time of the read."""

    async def scenario() -> None:
        async with home.opened() as spool:
            values = [float(number) for number in range(2500)]
            assert accept(spool, *values, time_ns=77)
            spool.close_batch()
            rows = await present_rows(spool)
            assert [value for row in rows for value in row] == values
            assert max(map(len, rows)) <= MAX_READINGS
            present = spool.epochs.present
            assert present is not None
            headers = [open_header(row.sealed) for row in await row_by_row(spool, present)]
            assert {(each.first_ns, each.last_ns) for each in headers} == {(77, 77)}

    play(scenario())


def test_nothing_is_no_batch(home: Home) -> None:
    """Closing what holds nothing takes no seq; a read without a point neither."""

    async def scenario() -> None:
        async with home.opened() as spool:
            assert spool.intake.close_batch()
            assert accept(spool)
            assert spool.intake.close_batch()
            present = spool.epochs.present
            assert present is not None
            assert (present.last_seq, spool.intake.accepted) == (0, 0)
            assert spool.intake.oldest_ns() is None

    play(scenario())


def test_lengths_are_counted(home: Home) -> None:
    """From what all batches of a run took come the rate, and whether much waits."""

    async def scenario() -> None:
        async with home.opened() as spool:
            assert spool.intake.mean_bytes == 0.0
            fill(spool, 4, readings=3)
            present = spool.epochs.present
            assert present is not None
            sizes = [len(row.sealed) for row in await row_by_row(spool, present)]
            spool.acknowledge(present, 4)
            assert (spool.intake.closed_bytes, spool.intake.mean_bytes) == (
                sum(sizes),
                sum(sizes) / 4,
            )

    play(scenario())


# --- what a power cut would take


@pytest.mark.parametrize("policy", POLICIES)
def test_oldest_at_risk(home: Home, policy: str) -> None:
    """The first reading that is in memory only, closed or not, whatever order the reads came in."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            found = []
            for time_ns in (50, 30, 40):
                accept(spool, 1.0, time_ns=time_ns)
                found.append(spool.intake.oldest_ns())
            spool.close_batch()
            accept(spool, 1.0, time_ns=20)
            found.append(spool.intake.oldest_ns())
            present = spool.epochs.present
            assert present is not None
            spool.close_batch()
            spool.acknowledge(present, 1)
            found.append(spool.intake.oldest_ns())
            spool.acknowledge(present, 2)
            found.append(spool.intake.oldest_ns())
            expected = [50, 30, 30, 20, 20, None]
            assert found == ([None] * 6 if policy == "strict" else expected)

    play(scenario())


# --- no room


@pytest.mark.parametrize("policy", ["frugal", "strict"])
def test_full_tier_lets_the_oldest_go(home: Home, policy: str) -> None:
    """A gap stands for exactly what went, in time and number; nothing is refused."""

    async def scenario() -> None:
        dice = random.Random(0)
        async with home.opened(policy, near_bytes=128 * KIB, max_bytes=128 * KIB) as spool:
            for number in range(120):
                assert accept(spool, *(dice.random() for _ in range(100)), time_ns=number)
                spool.close_batch()
            present = spool.epochs.present
            assert present is not None
            rows = await row_by_row(spool, present)
            dropped = spool.dropped_readings
            assert 0 < dropped < 12_000
            assert gaps(rows) == [(1, dropped // 100, "spool_full", dropped)]
            assert rows[0].gap is not None
            assert (rows[0].gap.first_ns, rows[0].gap.last_ns) == (0, dropped // 100 - 1)
            assert spool.held_readings == 12_000 - dropped == sum(row.readings for row in rows)
            assert (spool.intake.accepted, spool.intake.refused) == (12_000, 0)
            if policy == "frugal":
                assert spool.intake.oldest_ns() == dropped // 100, "what went is at risk no more"

    play(scenario())


@pytest.mark.usefixtures("short_rest")
def test_read_is_refused_where_nothing_can_go(home: Home) -> None:
    """A full disk and no batch to let go: refused and counted; sampling rests, and goes on with room."""

    async def scenario() -> None:
        async with in_small_memory(home) as (spool, filler):
            fill_to_the_brim(spool)
            accepted = spool.intake.accepted
            assert (spool.intake.refused, spool.intake.is_full) == (1, True)
            assert not accept(spool, 1.0, 2.0)
            assert (spool.intake.refused, spool.intake.accepted) == (3, accepted)
            filler.unlink()
            assert accept(spool, 4.0), "taken, though sampling still rests"
            await until(lambda: not spool.intake.is_full)
            assert spool.intake.failure is None
            spool.close_batch()
            assert len(await held_values(spool)) == accepted + 1

    play(scenario())


@pytest.mark.usefixtures("short_rest")
def test_reads_of_a_tick_wait_for_room(home: Home) -> None:
    """Under `strict`, with a full disk: they are tried again, and then are on the card."""

    async def scenario() -> None:
        async with in_small_memory(home, "strict") as (spool, filler):
            accept(spool, 1.0)
            await until(lambda: spool.intake.is_full)
            filler.unlink()
            await committed(spool)
            assert len(spool.near.reads()[0]) == 1
            await until(lambda: not spool.intake.is_full)

    play(scenario())


@pytest.mark.usefixtures("short_rest")
@pytest.mark.parametrize("policy", ["frugal", "strict"])
def test_batch_that_cannot_be_closed_at_the_end(home: Home, policy: str) -> None:
    """It stays in its epoch, and is closed by whoever asks next once there is room."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            accept(spool, 1.0)
            present = spool.epochs.present
            with patch.object(spool.near, "close_batch", raising("full")):
                spool.end()
                await committed(spool)
                assert not spool.intake.close_batch()
            assert (spool.epochs.present, present and present.end) == (None, None)
            assert not spool.is_drained(OWNER)
            spool.close_batch()
            assert await held_values(spool) == [1.0]

    play(scenario())


# --- a file that fails


@pytest.mark.parametrize("kind", ["io", "readonly"])
@pytest.mark.parametrize("policy", POLICIES)
def test_failing_file_is_the_end(home: Home, policy: str, kind: str) -> None:
    """An error of the file is not tried again: nothing is read any more, and why is kept."""

    async def scenario() -> None:
        async with home.opened(policy) as spool:
            with patch.object(spool.near, "accept", raising(kind)):
                accept(spool, 1.0)
                await asyncio.wait_for(spool.intake.failed.wait(), 5)
            # That it seems to work again means nothing: what failed to be synced may be lost.
            assert not accept(spool, 2.0, 3.0)
            assert not spool.intake.close_batch() or not spool.intake.open_readings
            assert spool.near.reads() == ({}, 0)
            assert spool.intake.is_full
            assert str(spool.intake.failure) == str(error_of(kind))
            assert aside(spool.near.path) == []
            assert spool.intake.refused == (2 if policy == "strict" else 3)

    play(scenario())


def test_damaged_file_is_set_aside_once(home: Home) -> None:
    """Whatever fails on it afterwards: the next start finds that something was there."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 100, readings=10)
            with patch.object(spool.near, "accept", raising("damage")):
                assert not accept(spool, 1.0)
                assert not accept(spool, 2.0)
            assert spool.intake.refused == 2
            assert len(aside(home.near_file)) == 1
            assert home.near_file.stat().st_size == 0

    entries = play(scenario())
    assert [entry["event"] for entry in entries].count("spool_set_aside") == 1
