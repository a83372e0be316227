"""collector.store.group: what the file refuses is rejected alone; what is wrong with it ends all."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collector.store import Revoked, Stored
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.group import GroupCommit, Request
from kit.stores import (
    MOMENT,
    OTHER_EPOCH,
    at_ns,
    batch,
    change,
    described,
    held,
    holding,
    read,
    rows,
)
from kit.wireworks import EPOCH
from wire.bodies import End, Gap, OpenDatagrams
from wire.receiver import Arrived

ROOT = Path(__file__).parents[2]
# The file refuses every row with one of these, as one does that another version has made: readings
# at this many seconds after boot.
POISON_S = 666
DETAIL = "the store cannot take it: poison"
SEQS = "SELECT first_seq, last_seq FROM batch ORDER BY id"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store that refuses some rows."""
    return refusing(tmp_path / FILE_NAME)


def refusing(file: Path, how: str = "ABORT") -> Path:
    """Make a store whose file refuses poison."""
    open_for_writing(file).close()
    change(
        file,
        f"CREATE TRIGGER poison BEFORE INSERT ON batch WHEN NEW.to_ns = {at_ns(POISON_S)}"
        f" BEGIN SELECT RAISE({how}, 'poison'); END",
    )
    return file


def poison(seq: int, epoch: bytes = EPOCH) -> Arrived:
    """A batch that the file refuses."""
    return batch(seq, read(POISON_S), epoch=epoch)


def storing(*batches: Arrived, device: str = "greenhouse") -> Request:
    """A request to store."""
    return Request(device, lambda group, part: group.store(device, part), batches)


def committed(file: Path, *group: Request) -> list[object]:
    """Commit a group; return the answers."""
    with closing(open_for_writing(file)) as database:
        return GroupCommit(database).commit(group)


def places(stored: Stored) -> list[tuple[bytes, int]]:
    """What was rejected."""
    return [(each.epoch, each.seq) for each in stored.rejected]


def test_refused_batch_is_rejected_alone(file: Path) -> None:
    """What is before it is stored, what is behind it waits for its GAP; the log names it."""
    with capture_logs() as logs:
        (stored,) = committed(file, storing(batch(1), batch(2), poison(3), batch(4), batch(5)))
    assert isinstance(stored, Stored)
    assert stored == Stored({EPOCH: 2}, None, [(EPOCH, 3, DETAIL)])
    assert rows(file, "SELECT mark, batches, readings FROM epoch") == [(2, 2, 2)]
    assert [(each["event"], each["device"], each["seq"]) for each in logs] == [
        ("batch_refused", "greenhouse", 3)
    ]


def test_other_epochs_and_requests_go_on(file: Path) -> None:
    """Of the same group everything else is stored and answered, in its place."""
    other = batch(1, epoch=OTHER_EPOCH), batch(2, epoch=OTHER_EPOCH)
    answers = committed(
        file,
        Request("greenhouse", lambda group, _: group.describe("greenhouse", described("a.b"))),
        storing(batch(1), device="cellar"),
        storing(other[0], poison(1), other[1], batch(2)),
        Request("cellar", lambda group, _: group.record_gap("cellar", Gap(EPOCH, 2, 3, "x"))),
        storing(batch(4), device="cellar"),
    )
    assert answers == [
        None,
        Stored({EPOCH: 1}),
        Stored({OTHER_EPOCH: 2}, None, [(EPOCH, 1, DETAIL)]),
        3,
        Stored({EPOCH: 4}),
    ]
    assert rows(file, "SELECT count(*) FROM gap") == rows(file, "SELECT count(*) FROM series")


def test_gap_in_the_place_of_a_refused_batch(file: Path) -> None:
    """That is how the device goes on."""
    committed(file, storing(batch(1), poison(2), batch(3)))
    gap = Request("greenhouse", lambda group, _: group.record_gap("greenhouse", Gap(EPOCH, 2, 2, "rejected", 1)))  # fmt: skip
    assert committed(file, gap, storing(batch(3))) == [2, Stored({EPOCH: 3})]


def test_refused_batch_that_is_known_already_does_no_harm(file: Path) -> None:
    """Below the mark no row is made of it."""
    committed(file, storing(batch(1)))
    assert committed(file, storing(poison(1), batch(2))) == [Stored({EPOCH: 2})]


def test_revoked_device_is_refused_within_the_transaction(file: Path) -> None:
    """It is asked for each request of each commit; others of the group are stored."""
    asked: list[str] = []

    def is_revoked(device: str) -> bool:
        asked.append(device)
        return device == "cellar"

    with closing(open_for_writing(file)) as database:
        group = [storing(batch(1)), storing(batch(1), device="cellar"), storing(batch(2))]
        answers = GroupCommit(database, is_revoked).commit(group)
    assert asked == ["greenhouse", "cellar", "greenhouse"]
    assert isinstance(answers[1], Revoked)
    assert [answers[0], answers[2]] == [Stored({EPOCH: 1}), Stored({EPOCH: 2})]
    assert rows(file, "SELECT name FROM device") == [("greenhouse",)]


def test_device_that_is_revoked_between_two_parts(file: Path) -> None:
    """Of a request that is committed in parts nothing more is stored from then on."""
    # Asked for the whole, for it again, for its first half, and for the first batch of that.
    answers = iter([False] * 4 + [True] * 9)
    with closing(open_for_writing(file)) as database, capture_logs():
        commits = GroupCommit(database, lambda _: next(answers))
        run = [batch(1), poison(2), batch(3), batch(4)]
        (answer,) = commits.commit([storing(*run)])
    assert isinstance(answer, Revoked)
    assert rows(file, "SELECT mark FROM epoch") == [(1,)]


def test_hole_is_answered_beside_what_was_rejected(file: Path) -> None:
    """Both are told, each of its epoch."""
    run = [batch(1), batch(3), batch(1, epoch=OTHER_EPOCH), poison(2, OTHER_EPOCH), batch(2)]
    (stored,) = committed(file, storing(*run))
    assert stored == Stored({EPOCH: 1, OTHER_EPOCH: 1}, EPOCH, [(OTHER_EPOCH, 2, DETAIL)])


@pytest.mark.parametrize("how", ["ABORT", "FAIL", "ROLLBACK"])
def test_however_the_file_refuses(tmp_path: Path, how: str) -> None:
    """Also where that undid the whole transaction already."""
    file = refusing(tmp_path / FILE_NAME, how)
    (stored,) = committed(file, storing(batch(1), poison(2)))
    assert stored == Stored({EPOCH: 1}, None, [(EPOCH, 2, DETAIL)])


def test_few_refused_batches_of_many_cost_few_commits(file: Path) -> None:
    """Parts are halved: one bad row among thousands is no attack on the disk."""
    with closing(open_for_writing(file)) as database:
        commits = GroupCommit(database)
        answers = commits.commit(
            [storing(batch(1), device=f"d-{number}") for number in range(300)]
            + [storing(*[batch(seq) for seq in range(1, 301)], poison(301))]
        )
        assert commits.commits < 40
        assert commits.busy_since_s is None
    assert answers[-1] == Stored({EPOCH: 300}, None, [(EPOCH, 301, DETAIL)])
    assert rows(file, "SELECT sum(readings) FROM batch") == [(600,)]


def test_refused_datagram_is_missing(file: Path) -> None:
    """It counts like one that never came; those behind it are stored."""

    def end(last_seq: int) -> Request:
        said = End(EPOCH, "stopped", last_seq, last_seq)
        return Request("greenhouse", lambda group, _: group.end("greenhouse", said))

    wish = OpenDatagrams(EPOCH, MOMENT, 0)
    opened = Request("greenhouse", lambda group, _: group.open_datagrams("greenhouse", wish))
    came = Request(
        "greenhouse",
        lambda group, part: group.store_datagrams("greenhouse", EPOCH, part),
        [batch(1), poison(2), batch(4), batch(3)],
        in_order=False,
    )
    _, stored, mark = committed(file, opened, came, end(4))
    assert isinstance(stored, Stored)
    assert (places(stored), mark) == ([(EPOCH, 2)], 4)
    assert rows(file, "SELECT first_seq, last_seq, readings, reason FROM gap") == [
        (1, 4, 1, "datagram_lost")
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([EPOCH, OTHER_EPOCH]), st.booleans()), min_size=1, max_size=12
    ),
    st.integers(1, 4),
)
def test_all_but_the_refused_is_stored(
    tmp_path_factory: pytest.TempPathFactory, run: Sequence[tuple[bytes, bool]], requests: int
) -> None:
    """Wherever poison stands, an epoch is stored up to it, and nobody else is harmed."""
    file = refusing(tmp_path_factory.mktemp("store") / FILE_NAME)
    seqs = {EPOCH: 0, OTHER_EPOCH: 0}
    ends: dict[bytes, int] = {}
    sent = []
    for epoch, is_poison in run:
        seqs[epoch] += 1
        sent.append(poison(seqs[epoch], epoch) if is_poison else batch(seqs[epoch], epoch=epoch))
        if is_poison:
            ends.setdefault(epoch, seqs[epoch])
    group = [storing(*sent[start::requests], device=f"d-{start}") for start in range(requests)]
    whole = storing(*sent, device="whole")
    stored = committed(file, *group, whole)[-1]
    assert isinstance(stored, Stored)
    assert dict(places(stored)) == ends
    for epoch, last_seq in seqs.items():
        assert stored.marks.get(epoch, 0) == ends.get(epoch, last_seq + 1) - 1
    marks = rows(
        file, "SELECT epoch, mark FROM epoch JOIN device ON device.id = device WHERE name = 'whole'"
    )
    assert {epoch: mark for epoch, mark in marks if mark} == stored.marks


def test_other_requests_that_are_refused_end_all(file: Path) -> None:
    """There is nobody to tell: that is a fault of ours, or of the file."""
    change(file, "CREATE TRIGGER no BEFORE INSERT ON gap BEGIN SELECT RAISE(ABORT, 'no gaps'); END")
    gap = Request("a", lambda group, _: group.record_gap("a", Gap(EPOCH, 1, 1, "spool_full")))
    with pytest.raises(sqlite3.IntegrityError, match="no gaps"):
        committed(file, storing(batch(1)), gap)


def test_error_of_the_file_is_raised_at_once(file: Path) -> None:
    """It is nobody's to reject, and nothing is tried again."""
    with closing(open_for_writing(file)) as database:
        commits = GroupCommit(database)
        change(file, "DROP TABLE batch")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            commits.commit([storing(batch(1)), storing(batch(2))])
        assert commits.commits == 0


CRASH = """
import sys
from pathlib import Path
from collector.store.database import open_for_writing
from collector.store.group import GroupCommit, Request
from kit.stores import batch

commits = GroupCommit(open_for_writing(Path(sys.argv[1])))
for seq in (1, 2):
    run = [batch(seq)]
    commits.commit([Request("a", lambda group, part: group.store("a", part), run)])
    print(seq, flush=True)
"""


@pytest.mark.parametrize(
    ("place", "mark"),
    [("store_after_insert", 1), ("store_before_commit", 1), ("store_after_commit", 2)],
)
def test_death_at_a_crash_point(tmp_path: Path, place: str, mark: int) -> None:
    """Before COMMIT nothing of a group is there, after it everything; told is only what is there."""
    file = tmp_path / FILE_NAME
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    died = subprocess.run(
        [sys.executable, "-c", CRASH, str(file)],
        env={"PYTHONPATH": path, "TELEGAUGE_CRASH_AT": f"{place}:2"},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    assert died.stdout == "1\n"
    (opened,) = committed(file, storing(batch(mark), device="a"))
    assert opened == Stored({EPOCH: mark})
    assert rows(file, "SELECT mark, batches FROM epoch") == [(mark, mark)]
    assert rows(file, SEQS) == [(seq, seq) for seq in range(1, mark + 1)]


def test_hold_is_one_transaction(file: Path) -> None:
    """Marks that were told stand in the file, with the tails that came of them."""
    holds = [
        Request("a", lambda group, _: group.hold("a", holding(held()))),
        Request("a", lambda group, _: group.hold("a", holding(held(OTHER_EPOCH, 60)))),
    ]
    assert committed(file, *holds) == [{EPOCH: 0}, {OTHER_EPOCH: 0}]
    assert rows(file, "SELECT first_seq, last_seq FROM gap") == [(1, None)]
