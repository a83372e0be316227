"""The store's files are cut short or have a bit flipped: what is left is right, or set aside.

Each damaged copy is opened as the collector opens it, asked as `query` asks it, and written to as a
session writes to it. Nothing wrong may be answered, and nothing may fail in a way that a restart
would only repeat.
"""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import pytest

from collector.commands import open_reader
from collector.errors import StoreError
from collector.settings import CollectorSettings, StoreSettings
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.requests import Holding
from collector.store.transaction import Transaction
from collector.times import END_OF_TIME_NS
from kit.feeder import DESCRIPTION, Feeder, batch
from kit.results import Results
from kit.stores import arrived
from kit.wireworks import CLOCK, MOMENT
from service.damage import is_damage
from wire.batches import open_header
from wire.bodies import Held

WAL_NAME = FILE_NAME + "-wal"
BATCHES = 14
SEQ_NS = 10**9  # from one batch of the feeder to its next
FEEDERS = [Feeder("pi-0"), Feeder("pi-1")]
# Where SQLite's header has the version of the store: one that a newer program made is left alone.
_USER_VERSION = range(60, 64)
_MEMORY = Path("/dev/shm")  # where nothing waits for a disk

Store: TypeAlias = dict[str, bytes]  # file name -> content
Expected: TypeAlias = dict[str, dict[int, float]]  # series -> UTC, ns -> value


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


class Outcome(NamedTuple):
    """What came of one damaged store."""

    opened: str  # as it was, set aside, or refused
    answered: str  # all, a part, some undecodable, or failed
    written: str  # yes, or damage found


@pytest.fixture(scope="module")
def killed() -> Store:
    """A store and its WAL, each with some of the batches, as a kill leaves them."""
    with TemporaryDirectory() as folder, _made(Path(folder) / FILE_NAME):
        return {name: (Path(folder) / name).read_bytes() for name in (FILE_NAME, WAL_NAME)}


@pytest.fixture(scope="module")
def stopped() -> Store:
    """A store as a stop leaves it: all in one file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        with _made(file):
            pass
        return {FILE_NAME: file.read_bytes()}


@contextmanager
def _made(file: Path) -> Iterator[None]:
    with closing(open_for_writing(file)) as database:
        _commit(database, 1, BATCHES // 2)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _commit(database, BATCHES // 2 + 1, BATCHES)
        yield


@pytest.fixture(scope="module")
def expected() -> Expected:
    """What was stored: series -> UTC -> value."""
    return {
        f"{feeder.name}/feed.value": {
            (seq * 1000 + number) * 10**6 + CLOCK.offset_ns: feeder.epoch[0] * 1e6
            + seq * 1000
            + number
            for seq in range(1, BATCHES + 1)
            for number in range(open_header(batch(feeder.epoch, seq)).readings)
        }
        for feeder in FEEDERS
    }


def _commit(database: sqlite3.Connection, first: int, last: int) -> None:
    """Store batches of each feeder, several of them in a commit."""
    transaction = Transaction(database)
    for start in range(first, last + 1, 3):
        transaction.begin(MOMENT.wall_ns)
        for feeder in FEEDERS:
            transaction.describe(feeder.name, DESCRIPTION)
            transaction.hold(feeder.name, Holding([Held(feeder.epoch, 1, MOMENT, 0)], None))
            seqs = range(start, min(start + 3, last + 1))
            transaction.store(feeder.name, [arrived(batch(feeder.epoch, seq)) for seq in seqs])
        transaction.commit()


class Examination:
    """One damaged store: opened, asked, written to."""

    def __init__(self, folder: Path, expected: Expected) -> None:
        self.file = folder / FILE_NAME
        self.expected = expected
        self.settings = CollectorSettings(store=StoreSettings(folder=str(folder)))

    def outcome(self) -> Outcome:
        """Say what came of it; everything that must not come fails."""
        try:
            database = open_for_writing(self.file)
        except StoreError:
            return Outcome("refused", "", "")
        is_aside = bool(list(self.file.parent.glob("*.damaged-*")))
        with closing(database):
            answered = self._asked(database)
            return Outcome("set aside" if is_aside else "as it was", answered, _written(database))

    def _asked(self, database: sqlite3.Connection) -> str:
        """Ask for everything: each reading must be one that was stored, where it was stored."""
        try:
            with open_reader(self.settings) as reader:
                answer = reader.range("*", 0, END_OF_TIME_NS)
        except StoreError:
            return "failed"
        for part in answer.parts:
            known = self.expected[part.series]
            times_ns = part.times_ns.tolist()
            assert part.unit == "m"
            assert not part.qualities.any()
            assert [known[time_ns] for time_ns in times_ns] == part.values.tolist()
            assert len(set(times_ns)) == len(times_ns)
        if answer.undecodable:
            return "some undecodable"
        found = {part.series: part.times_ns.tolist() for part in answer.parts}
        return self._compared(found, _marks(database))

    def _compared(self, found: dict[str, list[int]], marks: dict[str, int]) -> str:
        """Everything up to the mark must be there, where nothing was said to be undecodable."""
        for series, known in self.expected.items():
            mark = marks.get(series.partition("/")[0], 0)
            up_to_ns = (mark + 1) * SEQ_NS + CLOCK.offset_ns
            assert found.get(series, []) == [each for each in known if each < up_to_ns], mark
        if not found:
            return "nothing"
        return "all" if set(marks.values()) == {BATCHES} else "a prefix"


def _marks(database: sqlite3.Connection) -> dict[str, int]:
    """The marks that the epoch rows have."""
    names = {feeder.epoch: feeder.name for feeder in FEEDERS}
    return {names[epoch]: mark for epoch, mark in database.execute("SELECT epoch, mark FROM epoch")}


def _written(database: sqlite3.Connection) -> str:
    """Go on where the marks say; return how that went."""
    transaction = Transaction(database)
    try:
        transaction.begin(MOMENT.wall_ns)
        for feeder in FEEDERS:
            held = Held(feeder.epoch, 1, MOMENT, 0)
            mark = transaction.hold(feeder.name, Holding([held]))[feeder.epoch]
            assert 0 <= mark <= BATCHES
            transaction.store(feeder.name, [arrived(batch(feeder.epoch, mark + 1))])
        transaction.commit()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise  # the collector would fail at this again and again, and set nothing aside
        return "damage found"
    return "yes"


def examine(damages: Iterable[Damage], sound: Store, expected: Expected) -> Counter[Outcome]:
    """Examine damaged copies one after the other."""
    outcomes: Counter[Outcome] = Counter()
    for damage in damages:
        with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            for name, data in sound.items():
                changed = damage.apply(data) if name == damage.name else data
                (Path(folder) / name).write_bytes(changed)
            outcome = Examination(Path(folder), expected).outcome()
        if outcome.opened == "refused":
            assert damage.place in _USER_VERSION, damage
            assert damage.name == FILE_NAME
        outcomes[outcome] += 1
    return outcomes


def cuts(sound: Store) -> list[Damage]:
    """Every place where a file can be cut short."""
    return [Damage(name, place) for name, data in sound.items() for place in range(len(data))]


def flips(sound: Store, count: int, seed: int) -> list[Damage]:
    """So many bits, anywhere, with one in eight in the first page, which holds the schema."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        name = dice.choice(list(sound))
        size = len(sound[name]) if dice.random() < 7 / 8 else 4096
        found.append(Damage(name, dice.randrange(size), dice.randrange(8)))
    return found


@pytest.fixture(params=["killed", "stopped"])
def sound(request: pytest.FixtureRequest) -> Store:
    """Each of the sound stores."""
    store: Store = request.getfixturevalue(request.param)
    return store


def test_the_sound_stores_are_sound(sound: Store, expected: Expected) -> None:
    """Undamaged, they hold everything: what is seen below comes from the damage."""
    outcomes = examine([Damage(FILE_NAME, len(sound[FILE_NAME]))], sound, expected)
    assert outcomes == {Outcome("as it was", "all", "yes"): 1}


def test_cut_short(sound: Store, expected: Expected) -> None:
    """500 places: whole commits from the first on, or set aside; what is lost is never invented."""
    outcomes = examine(random.Random(1).sample(cuts(sound), 500), sound, expected)
    assert {outcome.written for outcome in outcomes} == {"yes"}
    assert any(outcome.opened == "set aside" for outcome in outcomes)
    prefixes = [outcome for outcome in outcomes if outcome.answered == "a prefix"]
    assert bool(prefixes) == (WAL_NAME in sound)


def test_flipped_bits(sound: Store, expected: Expected) -> None:
    """500 bits: right, counted as undecodable, set aside, or an error that says what to do."""
    outcomes = examine(flips(sound, 500, 1), sound, expected)
    assert len(outcomes) > 2, outcomes


@pytest.mark.full
def test_cut_short_everywhere(sound: Store, expected: Expected) -> None:
    """At every byte of both files."""
    _examine_all(f"cut_short_{len(sound)}", cuts(sound), sound, expected)


@pytest.mark.full
def test_20000_flipped_bits(sound: Store, expected: Expected) -> None:
    """10,000 in each of the stores."""
    _examine_all(f"flipped_bits_{len(sound)}", flips(sound, 10_000, 2), sound, expected)


def _examine_all(test: str, damages: Sequence[Damage], sound: Store, expected: Expected) -> None:
    results = Results(test)
    for first in range(0, len(damages), 1000):
        if not results.has(first):
            outcomes = examine(damages[first : first + 1000], sound, expected)
            results.add(first, **{", ".join(key).strip(", "): n for key, n in outcomes.items()})
