"""kit.oracle: it must see every fault there can be, or no test of exactly-once is worth anything."""

import time
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import oracle, stores
from kit.oracle import Verdict

MS = 10**6
STEP_NS = 100 * MS


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Case:
    """A sensor that has given 1 to `reads`, 100 ms apart, and a store that a test fills."""

    def __init__(self, folder: Path, reads: int = 20) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.first_ns = boottime_ns() - reads * STEP_NS
        self.ledger.write_text(
            "".join(f"{n} value {float(n)!r} {self.given_ns(n)}\n" for n in range(1, reads + 1))
        )
        self.seq = 0
        stores.commit(folder / FILE_NAME, "pi")

    def given_ns(self, n: int) -> int:
        """When a read was given."""
        return self.first_ns + n * STEP_NS

    def store(self, *values: float, quality: int = 0) -> None:
        """Store values, whether they were given or not."""
        reads = [
            stores.read(n, value, sensor="count", channel="value", quality=quality)
            for n, value in enumerate(values)
        ]
        self.seq += 1
        stores.commit(self.folder / FILE_NAME, "pi", stores.batch(self.seq, *reads))

    def gap(self, first: int | None, last: int | None) -> None:
        """Record a gap from one read to another; None: nobody knows."""
        offset_ns = time.time_ns() - boottime_ns()
        bounds = [
            None if n is None else self.given_ns(n) + offset_ns + around_ns
            for n, around_ns in ((first, -10 * MS), (last, 10 * MS))
        ]
        stores.change(
            self.folder / FILE_NAME,
            "INSERT INTO gap (device, from_ns, to_ns, reason, recorded_ns)"
            " SELECT id, ?, ?, 'power_cut', 0 FROM device",
            *bounds,
        )

    def judge(self, **more: bool) -> Verdict:
        """Ask, with an end behind the last read."""
        return oracle.judge(self.ledger, self.folder, "count", [self.given_ns(20)], **more)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_everything_stored_once(case: Case) -> None:
    """Nothing to complain of."""
    case.store(*range(1, 21))
    assert case.judge() == Verdict([], [], [], in_gap=0, unsure=0, given=20, stored=20)
    assert case.judge().clean


def test_a_reading_is_missing(case: Case) -> None:
    """Named by the number of its read."""
    case.store(*range(1, 8), *range(9, 21))
    assert case.judge().missing == [8]
    assert not case.judge().clean


def test_what_was_given_around_an_end_may_be_missing(case: Case) -> None:
    """Less than 300 ms before an end: 18, 19, 20. What was given at 300 ms must be there."""
    case.store(*range(1, 18))
    verdict = case.judge()
    assert (verdict.missing, verdict.unsure) == ([], 3)
    assert oracle.judge(case.ledger, case.folder, "count") == verdict, "left out: the ledger's end"


def test_many_ends(case: Case) -> None:
    """Each excuses what was given around it, and nothing else."""
    case.store(*range(1, 4), *range(9, 13), *range(16, 21))
    ends_ns = [case.given_ns(6), case.given_ns(14)]
    verdict = oracle.judge(case.ledger, case.folder, "count", ends_ns)
    assert verdict.clean, verdict
    assert verdict.unsure == 8
    verdict = oracle.judge(case.ledger, case.folder, "count", ends_ns[:1])
    assert verdict.missing == [13, 14, 15]
    assert oracle.judge(case.ledger, case.folder, "count", []).missing == [
        4,
        5,
        6,
        7,
        8,
        13,
        14,
        15,
    ]


def test_a_reading_is_stored_twice(case: Case) -> None:
    """In one batch or in two."""
    case.store(*range(1, 21), 4)
    case.store(9)
    assert case.judge().doubled == [4, 9]
    assert not case.judge().clean


def test_a_value_was_never_given(case: Case) -> None:
    """An altered one is missing and invented."""
    case.store(*range(1, 5), 5.5, *range(6, 21))
    assert (case.judge().invented, case.judge().missing) == ([5.5], [5])
    assert not case.judge().clean


def test_a_bad_reading_has_no_value(case: Case) -> None:
    """It is not what the sensor gave, nor does it take its place."""
    case.store(*range(1, 7), *range(8, 21))
    case.store(float("nan"), quality=130)
    assert (case.judge().invented, case.judge().missing) == ([], [7])


def test_a_gap_covers_its_time(case: Case) -> None:
    """What is missing there is counted; what is stored there counts as stored."""
    case.store(*range(1, 5), 6, *range(13, 21))
    case.gap(5, 10)
    verdict = case.judge()
    # The time of a reading lies up to 200 ms before it was given.
    assert (verdict.missing, verdict.in_gap) == ([], 7)
    case.gap(30, 40)
    assert case.judge() == verdict


def test_a_gap_covers_nothing_else(case: Case) -> None:
    """Neither before nor after."""
    case.store(*range(1, 4), *range(14, 21))
    case.gap(6, 9)
    assert case.judge().missing == [4, 5, 12, 13]


def test_a_gap_of_unknown_bounds(case: Case) -> None:
    """Covers nothing, unless the test says that it may."""
    case.store(*range(6, 21))
    case.gap(None, 5)
    assert case.judge().missing == [1, 2, 3, 4, 5]
    assert case.judge(unknown_covers=True).in_gap == 5
    assert [gap.from_ns for gap in oracle.gaps(case.folder)] == [None]


def test_a_value_that_came_twice_is_refused(case: Case) -> None:
    """The oracle could not tell one from the other."""
    with case.ledger.open("a") as ledger:
        ledger.write(f"21 value 3.0 {boottime_ns()}\n")
    with pytest.raises(AssertionError, match="a value came twice"):
        case.judge()


def test_a_torn_line_counts_as_not_given(case: Case) -> None:
    """Whoever was killed while writing it has told nobody."""
    with case.ledger.open("a") as ledger:
        ledger.write("21 value 21.0 12")
    case.store(*range(1, 21))
    assert case.judge().given == 20
    assert oracle.reads(case.ledger) == 20


def test_the_number_of_reads(tmp_path: Path) -> None:
    """From the last whole line, at little cost however long the ledger is."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    assert oracle.reads(ledger) == 0
    ledger.write_text("".join(f"{n} value {n}.0 5\n" for n in range(1, 2000)))
    assert oracle.reads(ledger) == 1999


def test_other_devices_do_not_count(case: Case) -> None:
    """Each device has a ledger of its own."""
    case.store(*range(1, 21))
    other = stores.read(1, 4.0, sensor="count", channel="value")
    stores.commit(case.folder / FILE_NAME, "other", stores.batch(1, other))
    assert case.judge().doubled == [4]
    assert oracle.judge(case.ledger, case.folder, "count", device="pi").clean
