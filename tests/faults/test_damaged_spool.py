"""The spool's files are cut short or have a bit flipped: what is left is right, and the rest is said.

Each damaged copy is opened as the agent opens it, read as the link reads it, and written to; then all
of that once more, as after a restart. Nothing wrong may come out, nothing may be missing without a word,
and nothing may fail in a way that a restart would only repeat.
"""

import asyncio
import copy
import functools
import random
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import pytest
from structlog.testing import capture_logs

from device.errors import SpoolError
from device.feed import Feed
from device.spool import CardError, EpochFacts, Row, Spool
from device.spool.tier import Tier
from kit.results import Results
from kit.spools import OWNER, FakeClock, Home, accept, committed
from wire.batches import open_body, open_header
from wire.bodies import End
from wire.sender import BACKLOG_BYTES

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where nothing waits for a disk
_WAL = "-wal"
_MANY_LOADS = 100

Reading: TypeAlias = tuple[int, float]  # CLOCK_BOOTTIME, value
Key: TypeAlias = tuple[bytes, int]  # epoch, first seq
Rows: TypeAlias = dict[int, Row]  # by first seq


class Sound(NamedTuple):
    """A sound spool.

    `how`: what has left it so. `files`: by name below the device's folder. `clock`: when it is found. `marks`: what the collector
    has of the epochs that it knows. `given`: all that was ever accepted. `rows`: what waits, the
    oldest epoch first; `near`: which of it is not on the card. `numbers`: of the epochs.
    """

    how: str
    files: Mapping[str, bytes]
    clock: FakeClock
    marks: Mapping[bytes, int]
    given: Mapping[bytes, set[Reading]]
    rows: Mapping[bytes, Rows]
    near: frozenset[Key]
    numbers: Sequence[int]


class Damage(NamedTuple):
    """Which file, which place, and what there: cut short, or the bit that is flipped."""

    name: str
    place: int
    bit: int | None = None

    def apply(self, data: bytes) -> bytes:
        """Do it."""
        if self.bit is None:
            return data[: self.place]
        changed = bytearray(data)
        changed[self.place] ^= 1 << self.bit
        return bytes(changed)


class Sent(NamedTuple):
    """What the link sends of an epoch; `end` is None while that is the present one."""

    number: int
    rows: list[Row]
    end: End | None


class Outcome(NamedTuple):
    """What came of one damaged spool.

    `came`: all that waited, a part, or nothing. `said`: by what the rest is said to be missing.
    `then`: whether it went on at once, or after a restart.
    """

    came: str
    said: str
    then: str


class Filled:
    """A spool that was filled over two boots and three runs; the last still runs."""

    def __init__(self, home: Home, policy: str) -> None:
        self.home = home
        self.policy = policy
        self.marks: dict[bytes, int] = {}
        self.given: dict[bytes, set[Reading]] = {}
        self._numbers = 0

    async def fill(self) -> Spool:
        """Do it: acknowledged in part, refused, moved, lost with the power, rolled, stopped, open."""
        spool = await self.home.open(self.policy)
        heard = present(spool)
        self._give(spool, batches=12, readings=3)
        await spool.held(OWNER)
        spool.acknowledge(heard, 2)
        await spool.reject(heard, 4, "not accepted")
        await spool.move()
        spool.acknowledge(heard, 3)  # its removal from the card is put off
        self.marks[heard.epoch] = 3
        await self.home.cut_power(spool)
        spool = await self.home.open(self.policy)  # from here on no collector answers
        self._give(spool, batches=6, readings=2)
        await spool.begin()
        self._give(spool, batches=6)
        await self.home.stop(spool)
        spool = await self.home.open(self.policy)
        self._give(spool, batches=3, readings=2)
        await spool.move()
        self._give(spool, batches=3, readings=2)
        await spool.reject(present(spool), 5, "not accepted")
        self._give(spool, readings=3)
        await committed(spool)
        return spool

    def _give(self, spool: Spool, batches: int = 0, readings: int = 1) -> None:
        """Accept so many readings each of so many batches; of none: leave them in the open one."""
        for _ in range(batches or 1):
            for _ in range(readings):
                self._numbers += 1
                self.home.clock.go_on(0.1)
                reading = (self.home.clock.boot_ns, float(self._numbers))
                assert accept(spool, reading[1], time_ns=reading[0])
                self.given.setdefault(present(spool).epoch, set()).add(reading)
            if batches:
                spool.close_batch()


async def write_back(spool: Spool) -> None:
    """Write the WALs back into their files, as SQLite does now and then."""

    def checkpoint(tier: Tier) -> None:
        tier._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    checkpoint(spool.near)
    if spool.mover:
        await spool.mover.card.do(checkpoint)


async def made(how: str) -> Sound:
    """Make a spool as a kill, a stop or a power cut leaves it, and find what is in it."""
    with TemporaryDirectory(dir=_MEMORY) as folder:
        home = Home(Path(folder) / "pi")
        filled = Filled(home, policy_of(how))
        spool = await filled.fill()
        if how in ("checkpointed", "strict"):
            await write_back(spool)
        if how == "stopped":
            await home.stop(spool)
        elif how == "cut":
            await home.cut_power(spool)
        else:
            await home.kill(spool)
        home.clock.go_on(5)
        files = {
            str(file.relative_to(home.folder)): file.read_bytes()
            for file in sorted(home.folder.glob("*/*"))
        }
        clock = copy.copy(home.clock)
        async with home.opened(policy_of(how)) as spool:
            sent = await all_sent(spool, filled.marks)
            assert not sent.pop(present(spool).epoch).rows
            ordered = sorted(sent.items(), key=lambda item: item[1].number)
            numbers = {each.number: epoch for epoch, each in ordered}
            near = {(numbers[row.number], row.seq) for row in spool.near.all_rows()}
    return Sound(
        how, files, clock, filled.marks, filled.given,
        {epoch: {row.first_seq: row for row in each.rows} for epoch, each in ordered},
        frozenset(near if spool.mover else ()),
        list(numbers),
    )  # fmt: skip


def policy_of(how: str) -> str:
    """The policy of all runs: where it is strict all is on the card."""
    return "strict" if how == "strict" else "frugal"


def present(spool: Spool) -> EpochFacts:
    """The epoch that takes what is read now."""
    assert spool.epochs.present is not None
    return spool.epochs.present


async def all_sent(spool: Spool, marks: Mapping[bytes, int]) -> dict[bytes, Sent]:
    """What the link sends, of each epoch, to a collector with these marks."""
    sent = {}
    for held in await spool.held(OWNER):
        facts = spool.epochs.find(held.epoch)
        assert facts is not None
        sent[held.epoch] = await sent_of(spool, facts, marks.get(held.epoch, 0))
    return sent


async def sent_of(spool: Spool, facts: EpochFacts, mark: int) -> Sent:
    """What the link sends of one epoch behind a mark."""
    assert mark <= facts.last_seq or not facts.is_end_known, "the link would end every session"
    feed, rows, loads = Feed(facts, mark), list[Row](), 0
    while (row := feed.next_row()) or feed.has_more():
        if row is None:
            feed.took(await loaded(spool, facts, feed.next_seq))
            loads += 1
            assert loads < _MANY_LOADS, "the link would ask for ever"
            continue
        assert row.first_seq <= feed.next_seq, "the collector would end every session"
        rows.append(row)
        feed.sent(row)
    feed.acknowledged(feed.next_seq - 1)
    end = feed.end()
    assert end is None or end.last_seq in (None, feed.mark), "it goes beyond its end"
    return Sent(facts.number, rows, end)


async def loaded(spool: Spool, facts: EpochFacts, seq: int) -> list[Row]:
    """The rows from `seq` on; a card that fails is asked again, once it was set aside."""
    rows = spool.near_rows(facts, seq, BACKLOG_BYTES)
    if rows is not None:
        return rows
    try:
        return await spool.rows(facts, seq, BACKLOG_BYTES)
    except CardError:
        return await spool.rows(facts, seq, BACKLOG_BYTES)


def readings_of(row: Row) -> frozenset[Reading]:
    """The readings in a batch; none where it is a gap."""
    return frozenset() if row.gap else _readings_in(row.sealed)


@functools.lru_cache
def _readings_in(sealed: bytes) -> frozenset[Reading]:
    found: set[Reading] = set()
    for block in open_body(sealed):
        times = [time_ns for (time_ns,) in struct.iter_unpack("<q", block.times)]
        for column in block.columns:
            assert (block.sensor, column.channel, column.unit) == ("air", "value_0", "degC")
            values = [value for (value,) in struct.iter_unpack("<d", column.values)]
            found |= set(zip(times, values, strict=True))
    return frozenset(found)


class Judge:
    """Holds what comes out of a damaged spool against `rows`, which wait in it."""

    def __init__(self, sound: Sound, damage: Damage) -> None:
        self.sound = sound
        self.damage = damage
        self.rows = dict(sound.rows)
        self.given = dict(sound.given)

    def judge(self, lost: str | None, sent: Mapping[bytes, Sent]) -> tuple[str, str]:
        """Say what came of what waits, and by what the rest is said to be missing."""
        for epoch, each in sent.items():
            self._check(epoch, each)
        words = {
            (epoch, seq): self._word(epoch, row, sent.get(epoch)) or ("notice" if lost else "")
            for epoch, rows in self.rows.items()
            for seq, row in rows.items()
        }
        self._check_silence(words)
        came = list(words.values()).count("came")
        share = "all" if came == len(words) else "a part" if came else "nothing"
        return share, ", ".join(sorted(set(words.values()) - {"came"}))

    def _check(self, epoch: bytes, sent: Sent) -> None:
        """Each reading was given, and comes once; what is counted is right."""
        known, came = self.rows.get(epoch, {}), Counter[Reading]()
        for row in sent.rows:
            was = known.get(row.first_seq)
            came.update(readings_of(row))
            if row.gap is not None:
                assert row.gap.readings is None or row == was
                continue
            place = open_header(row.sealed).place
            assert (place.epoch, place.seq) == (epoch, row.first_seq)
            if was is not None and was.gap is None:
                assert place == open_header(was.sealed).place
        assert came.keys() <= self.given.get(epoch, set())
        assert set(came.values()) <= {1}

    def _word(self, epoch: bytes, row: Row, sent: Sent | None) -> str:
        """Return what becomes of a row that waits; "": nothing, and nobody says so."""
        if sent is None:
            # The collector misses an epoch that it knows and that is not named any more.
            return "not named" if epoch in self.sound.marks else ""
        for each in sent.rows:
            if each.first_seq <= row.first_seq <= each.last_seq:
                # In the place of a gap may come what that had taken the place of.
                if each == row or (not each.gap and readings_of(each) >= readings_of(row)):
                    return "came"
                if each.gap:
                    return "gap"
        return "end" if sent.end and sent.end.last_seq is None else ""

    def _check_silence(self, words: Mapping[Key, str]) -> None:
        """Only a WAL may fall silent: it goes back to an earlier commit, and nobody can tell.

        Then nothing comes of that file which is newer than what is missing.
        """
        silent = [key for key, word in words.items() if not word]
        if not silent:
            return
        assert self.damage.name.endswith(_WAL), silent
        is_near = self.damage.name.startswith("run")
        keys = [(epoch, seq) for epoch, rows in self.sound.rows.items() for seq in rows]
        its = [key for key in keys if (key in self.sound.near) == is_near]
        assert set(silent) <= set(its), "of another file"
        assert "came" not in [words[key] for key in its[its.index(silent[0]) :]], "not a prefix"


class Examination:
    """One damaged spool: opened, read, written to; and again."""

    def __init__(self, home: Home, sound: Sound, damage: Damage) -> None:
        self.home = home
        self.sound = sound
        self.judge = Judge(sound, damage)
        home.clock = copy.copy(sound.clock)
        for name, data in sound.files.items():
            (home.folder / name).write_bytes(damage.apply(data) if name == damage.name else data)

    async def outcome(self) -> Outcome:
        """Say what came of it; everything that must not come fails."""
        try:
            first = await self._run()
        except (sqlite3.DatabaseError, SpoolError, CardError):
            first = None  # the agent dies of that, and is started again
        self.home.clock.go_on(1)
        again = await self._run()
        return Outcome(*first, "at once") if first else Outcome(*again, "after a restart")

    async def _run(self) -> tuple[str, str]:
        async with self.home.opened(policy_of(self.sound.how)) as spool:
            verdict = self.judge.judge(spool.lost, await all_sent(spool, self.sound.marks))
            await self._go_on(spool)
        return verdict

    async def _go_on(self, spool: Spool) -> None:
        """Accept one more reading, and take it as what waits from now on."""
        epoch, reading = present(spool).epoch, (self.home.clock.boot_ns, -1.0)
        accept(spool, reading[1], time_ns=reading[0])
        spool.close_batch()
        if spool.intake.failure:
            raise spool.intake.failure
        await spool.move()
        (row,) = (await sent_of(spool, present(spool), 0)).rows
        assert readings_of(row) == {reading}
        self.judge.rows[epoch], self.judge.given[epoch] = {1: row}, {reading}


async def examine(damages: Iterable[Damage], sound: Sound) -> Counter[Outcome]:
    """Examine damaged copies one after the other."""
    outcomes: Counter[Outcome] = Counter()
    for damage in damages:
        with TemporaryDirectory(dir=_MEMORY) as folder, capture_logs():
            try:
                outcomes[await Examination(Home(Path(folder)), sound, damage).outcome()] += 1
            except Exception as error:
                error.add_note(str(damage))
                raise
    return outcomes


def cuts(sound: Sound) -> list[Damage]:
    """Every place where a file can be cut short."""
    return [Damage(name, place) for name, data in sound.files.items() for place in range(len(data))]


def some_cuts(sound: Sound, count: int, seed: int) -> list[Damage]:
    """So many places where a file can be cut short, as many in each file."""
    dice = random.Random(seed)
    files = [(name, len(data)) for name, data in sound.files.items() if data]
    chosen = [dice.choice(files) for _ in range(count)]
    return [Damage(name, dice.randrange(size)) for name, size in chosen]


def some_flips(sound: Sound, count: int, seed: int) -> list[Damage]:
    """So many bits, as many in each file; most where something is written, as many in each KiB."""
    dice = random.Random(seed)
    places = {name: written(data) for name, data in sound.files.items() if data}
    found = []
    for _ in range(count):
        name = dice.choice(list(places))
        place = dice.choice(dice.choice(places[name]))
        if dice.random() < 1 / 8:
            place = dice.randrange(len(sound.files[name]))
        found.append(Damage(name, place, dice.randrange(8)))
    return found


def written(data: bytes) -> list[list[int]]:
    """The places that are not 0, KiB by KiB."""
    found = [
        [place for place, byte in enumerate(data[start : start + 1024], start) if byte]
        for start in range(0, len(data), 1024)
    ]
    return [places for places in found if places]


@pytest.fixture(scope="module", params=["killed", "checkpointed", "stopped", "cut", "strict"])
def sound(request: pytest.FixtureRequest) -> Sound:
    """Each of the sound spools."""
    return asyncio.run(made(request.param))


def test_the_sound_spools_are_sound(sound: Sound) -> None:
    """Undamaged, they hold all that was accepted, and not acknowledged, refused or lost with the power."""
    rows = [row for rows in sound.rows.values() for row in rows.values()]
    assert sum(map(len, map(readings_of, rows))) == (48 if sound.how == "cut" else 55)
    name, data = next(iter(sound.files.items()))
    outcomes = asyncio.run(examine([Damage(name, len(data))], sound))
    assert outcomes == {Outcome("all", "", "at once"): 1}


def test_cut_short(sound: Sound) -> None:
    """200 places: whole commits from the first on, or set aside, and said."""
    outcomes = asyncio.run(examine(some_cuts(sound, 200, 1), sound))
    assert any(outcome.said for outcome in outcomes)


def test_flipped_bits(sound: Sound) -> None:
    """200 bits: right, a gap in the place of what is not, or set aside, and said."""
    outcomes = asyncio.run(examine(some_flips(sound, 200, 2), sound))
    assert any(outcome.came == "all" for outcome in outcomes)
    assert any("gap" in outcome.said for outcome in outcomes)


def test_keys_out_of_order() -> None:
    """A file with a key that was moved is set aside: what is written there later may not be found."""
    sound = asyncio.run(made("strict"))
    (name,) = [name for name, data in sound.files.items() if data]
    *older, _ = sound.numbers
    keys = b"|".join(re.escape(number.to_bytes(8, "big")) for number in older)
    places = [found.start() for found in re.finditer(keys, sound.files[name])]
    outcomes = asyncio.run(examine([Damage(name, place, 1) for place in places], sound))
    # All comes where the place is one that is free again.
    assert "nothing" in {outcome.came for outcome in outcomes} <= {"nothing", "all"}


@pytest.mark.full
def test_cut_short_everywhere(sound: Sound) -> None:
    """At every byte of all files."""
    _examine_all("cut_short_spool", cuts(sound), sound)


@pytest.mark.full
def test_20000_flipped_bits(sound: Sound) -> None:
    """4,000 in each of the spools."""
    _examine_all("flipped_bits_spool", some_flips(sound, 4000, 3), sound)


def _examine_all(test: str, damages: Sequence[Damage], sound: Sound) -> None:
    results = Results(f"{test}_{sound.how}")
    for first in range(0, len(damages), 1000):
        if not results.has(first):
            outcomes = asyncio.run(examine(damages[first : first + 1000], sound))
            results.add(first, **{", ".join(filter(None, key)): n for key, n in outcomes.items()})
