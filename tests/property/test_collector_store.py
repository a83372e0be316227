"""The store against a model, whatever order holds, batches, gaps, ends, commits and crashes come in.

What a device sends here is what one may: with repetitions, with left-overs of sessions that died,
with copies of a card, to a collector that dies between two commits or goes back to a backup.
"""

import copy
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from collector.store import Stored
from collector.store.database import FILE_NAME, open_for_writing
from collector.store.stamp import stamp
from collector.store.transaction import Transaction
from kit.stores import (
    MOMENT,
    OTHER_EPOCH,
    SECOND_NS,
    THIRD_EPOCH,
    at_ns,
    batch,
    held,
    holding,
    moment,
    read,
    rows,
    transaction,
)
from kit.wireworks import EPOCH
from wire import batches
from wire.bodies import End, Gap, GapReason, OpenDatagrams
from wire.receiver import Arrived

HIGHEST_SEQ = 12
# All epochs began here, after whatever was read: so times agree, and tails say why by reason alone.
BEGAN_S, UNTIL_S = 50, 60
DEVICES = ("greenhouse", "cellar")
EPOCHS = (EPOCH, OTHER_EPOCH, THIRD_EPOCH)

devices = st.sampled_from(DEVICES)
epochs = st.sampled_from(EPOCHS)
seqs = st.integers(1, HIGHEST_SEQ)
reasons = st.sampled_from([GapReason.POWER_CUT, GapReason.SPOOL_UNREADABLE])


def size(seq: int) -> int:
    """How many readings the batch of a seq has."""
    return seq % 3 + 1


def readings(first_seq: int, last_seq: int) -> int:
    """How many readings the batches have together."""
    return sum(size(seq) for seq in range(first_seq, last_seq + 1))


def sent(seq: int, epoch: bytes) -> Arrived:
    """A batch as the device made it, once and for all."""
    reads = [read(seq, number) for number in range(size(seq))]
    return batch(seq, *reads, epoch=epoch, before=readings(1, seq - 1))


@dataclass
class Line:
    """One epoch in the model: what became of each seq up to the mark, and what is said of the rest."""

    fates: list[str] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    ended: bool = False
    tail: tuple[int, str] | None = None
    is_loss_recorded: bool = False

    @property
    def mark(self) -> int:
        """The highest seq that is settled."""
        return len(self.fates)

    def store(self) -> None:
        """The next batch comes."""
        self.fates.append("stored")
        self._went_on()

    def lose(self, last_seq: int) -> None:
        """Up to here nothing will come."""
        self.gaps.append((self.mark + 1, last_seq))
        self.fates += ["gap"] * (last_seq - self.mark)
        self._went_on()

    def _went_on(self) -> None:
        if self.tail is not None:
            self.tail = (self.mark + 1, self.tail[1]) if self.ended else None


@dataclass
class Model:
    """All epochs, in the order in which each device's were first heard of; and spans of rollbacks."""

    lines: dict[str, dict[bytes, Line]] = field(default_factory=dict)
    rollbacks: Counter[str] = field(default_factory=Counter)

    def line(self, device: str, epoch: bytes) -> Line:
        """An epoch, which is heard of from now on."""
        return self.lines.setdefault(device, {}).setdefault(epoch, Line())

    def hold(self, device: str, named: list[bytes], lost: str | None) -> dict[bytes, int]:
        """What a device does not name, and has not ended, is lost behind its mark."""
        marks = {epoch: self.line(device, epoch).mark for epoch in named}
        its = self.lines[device]
        for epoch, line in its.items():
            if epoch not in named and not line.ended and line.tail is None:
                line.tail = (line.mark + 1, lost or GapReason.SPOOL_LOST)
        if lost and next(iter(its)) != named[0]:
            is_told = any(line.tail and line.tail[1] == lost for line in its.values())
            its[named[0]].is_loss_recorded |= not is_told
        return marks

    def store(self, device: str, run: list[tuple[bytes, int]]) -> Stored:
        """The next is stored, older ones are known, an epoch ends where it has a hole."""
        torn: list[bytes] = []
        marks: dict[bytes, int] = {}
        for epoch, seq in run:
            line = self.line(device, epoch)
            if seq > line.mark + 1 or epoch in torn:
                torn.append(epoch)
                continue
            if seq == line.mark + 1:
                line.store()
            marks[epoch] = line.mark
        return Stored(marks, torn[0] if torn else None)

    def gap(self, device: str, epoch: bytes, first_seq: int, last_seq: int) -> int | None:
        """What is above the mark is lost."""
        line = self.line(device, epoch)
        if first_seq > line.mark + 1:
            return None
        if last_seq > line.mark:
            line.lose(last_seq)
        return line.mark

    def end(self, device: str, epoch: bytes, last_seq: int | None, reason: str) -> int:
        """Behind the last nothing comes; where that is not known, nobody knows what is missing."""
        line = self.line(device, epoch)
        if line.ended:
            return line.mark
        if last_seq is None:
            line.tail = (line.tail[0] if line.tail else line.mark + 1, reason)
        else:
            line.tail = None
            if last_seq > line.mark:
                line.lose(last_seq)
        line.ended = True
        return line.mark

    def each(self) -> Iterator[tuple[str, bytes, Line]]:
        """All epochs."""
        for device, its in self.lines.items():
            for epoch, line in its.items():
                yield device, epoch, line


class StoreMachine(RuleBasedStateMachine):
    """Groups of requests, committed or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / FILE_NAME
        self.model = Model()
        self.committed = Model()
        self.backup: Model | None = None
        self._open()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(device=devices, named=st.permutations(EPOCHS), count=st.integers(1, 3), lost=reasons)
    def hold_and_lost(self, device: str, named: list[bytes], count: int, lost: str) -> None:
        """A device comes, and knows why it no longer holds the rest."""
        self._hold(device, named[:count], lost)

    @rule(device=devices, named=st.permutations(EPOCHS), count=st.integers(1, 3))
    def hold(self, device: str, named: list[bytes], count: int) -> None:
        """A device comes, and names what it holds."""
        self._hold(device, named[:count], None)

    @rule(device=devices, epoch=epochs, back=st.integers(-1, 3), count=st.integers(1, 5))
    def send(self, device: str, epoch: bytes, back: int, count: int) -> None:
        """A device goes on after a cut, mostly with what it sent before."""
        first = max(1, self.model.line(device, epoch).mark + 1 - back)
        self._send(device, [(epoch, seq) for seq in range(first, first + count)])

    @rule(device=devices, run=st.lists(st.tuples(epochs, seqs), min_size=2, max_size=6))
    def send_interleaved(self, device: str, run: list[tuple[bytes, int]]) -> None:
        """Epochs of a device come in one piece; none touches another."""
        self._send(device, run)

    @rule(device=devices, epoch=epochs, back=st.integers(-1, 2), more=st.integers(0, 4),
          is_counted=st.booleans())  # fmt: skip
    def gap(self, device: str, epoch: bytes, back: int, more: int, is_counted: bool) -> None:
        """A gap comes: what is above the mark will not come any more."""
        first = max(1, self.model.line(device, epoch).mark + 1 - back)
        last = first + more
        known = readings(first, last) if is_counted else None
        answer = self.group.record_gap(device, Gap(epoch, first, last, "spool_full", known))
        assert answer == self.model.gap(device, epoch, first, last)

    @rule(device=devices, epoch=epochs, more=st.integers(-2, 3), is_counted=st.booleans())
    def end(self, device: str, epoch: bytes, more: int, is_counted: bool) -> None:
        """An epoch ends at a seq that is known, mostly beyond the mark."""
        last = max(0, self.model.line(device, epoch).mark + more)
        said = End(epoch, "restarted", last, readings(1, last) if is_counted else None)
        assert self.group.end(device, said) == self.model.end(device, epoch, last, "")

    @rule(device=devices, epoch=epochs, reason=reasons)
    def end_anywhere(self, device: str, epoch: bytes, reason: str) -> None:
        """An epoch ended, and nobody knows where."""
        said = End(epoch, reason, until=moment(UNTIL_S))
        assert self.group.end(device, said) == self.model.end(device, epoch, None, reason)

    @rule()
    def commit(self) -> None:
        """The group ends, the next one begins."""
        self.group.commit()
        self.committed = copy.deepcopy(self.model)
        self.group.begin(1)

    @precondition(lambda self: self.model != self.committed)
    @rule()
    def crash(self) -> None:
        """What was not committed was never acknowledged, and is as if it had never come."""
        self.database.close()
        self._go_back_to(self.committed)

    @precondition(lambda self: self.model != self.committed)
    @rule()
    def roll_back(self) -> None:
        """A group that the file refused is undone, by a writer that lives on."""
        self.group.rollback()
        self.model = copy.deepcopy(self.committed)
        self.group.begin(1)

    @rule()
    def restart(self) -> None:
        """A clean stop and a new start change nothing."""
        self.commit()
        self.database.close()
        self._open()

    @rule()
    def back_up(self) -> None:
        """Somebody keeps a copy."""
        self.commit()
        self.database.close()
        shutil.copy(self.file, self.folder / "copy")
        stamp(self.folder / "copy", 1)
        self.backup = copy.deepcopy(self.committed)
        self._open()

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        """Somebody goes back to it: of every device in it the time since is lost."""
        assert self.backup is not None
        self.database.close()
        for each in self.folder.glob(f"{FILE_NAME}*"):
            each.unlink()
        shutil.copy(self.folder / "copy", self.file)
        restored = copy.deepcopy(self.backup)
        restored.rollbacks.update(restored.lines.keys())
        self._go_back_to(restored)

    @invariant()
    def everything_is_stored_once_or_in_a_gap(self) -> None:
        """The file holds each batch once, and gaps for the rest up to the mark; never both."""
        stored: Counter[tuple[str, bytes, int]] = Counter()
        for device, epoch, sealed, first_seq, last_seq, count in rows(
            self.file,
            "SELECT name, epoch.epoch, sealed, first_seq, last_seq, batch.readings FROM batch"
            " JOIN epoch ON epoch.id = batch.epoch JOIN device ON device.id = batch.device",
        ):
            headers = [batches.open_header(each) for each in batches.split(sealed)]
            assert [header.place.seq for header in headers] == [*range(first_seq, last_seq + 1)]
            assert {header.place.epoch for header in headers} == {epoch}
            assert count == readings(first_seq, last_seq)
            stored.update((device, epoch, header.place.seq) for header in headers)
        missing = Counter(
            (device, epoch, seq)
            for device, epoch, first, last, _ in self._gaps("first_seq > 0 AND last_seq > 0")
            for seq in range(first, last + 1)
        )
        expected: dict[str, Counter[tuple[str, bytes, int]]] = {
            "stored": Counter(),
            "gap": Counter(),
        }
        for device, epoch, line in self.committed.each():
            for seq, fate in enumerate(line.fates, 1):
                expected[fate][device, epoch, seq] += 1
        assert stored == expected["stored"]
        assert missing == expected["gap"]

    @invariant()
    def epochs_say_what_is_stored(self) -> None:
        """Marks, ends and counts; what is counted is exact."""
        found = {
            (device, epoch): facts
            for device, epoch, *facts in rows(
                self.file,
                "SELECT name, epoch, mark, batches, readings, ended IS NOT NULL, counted"
                " FROM epoch JOIN device ON device.id = device",
            )
        }
        assert set(found) >= {(device, epoch) for device, epoch, _ in self.committed.each()}
        for device, epoch, line in self.committed.each():
            *facts, counted = found[device, epoch]
            kept = [seq for seq, fate in enumerate(line.fates, 1) if fate == "stored"]
            assert facts == [line.mark, len(kept), sum(map(size, kept)), line.ended]
            assert counted in (None, readings(1, line.mark))
            if line.fates and line.fates[-1] == "stored":
                assert counted is not None

    @invariant()
    def gaps_are_counted_where_they_can_be(self) -> None:
        """No count is wrong; between two batches, one gap is always counted."""
        found = self._gaps("first_seq > 0 AND last_seq > 0")
        assert Counter(gap[:4] for gap in found) == Counter(
            (device, epoch, first, last)
            for device, epoch, line in self.committed.each()
            for first, last in line.gaps
        )
        for device, epoch, first, last, count in found:
            assert count in (None, readings(first, last))
            fates = ["stored", *self.committed.lines[device][epoch].fates, "end"]
            if fates[first - 1] == fates[last + 1] == "stored":
                assert count is not None

    @invariant()
    def tails_and_losses_are_as_told(self) -> None:
        """At most one tail an epoch, for the right reason; what was lost as a whole, once."""
        tails = {gap[:3]: gap[4] for gap in self._gaps("last_seq IS NULL", "reason")}
        assert tails == {
            (device, epoch, line.tail[0]): line.tail[1]
            for device, epoch, line in self.committed.each()
            if line.tail is not None
        }
        assert len(self._gaps("last_seq IS NULL")) == len(tails)
        assert sorted(gap[:2] for gap in self._gaps("first_seq = 0")) == sorted(
            (device, epoch)
            for device, epoch, line in self.committed.each()
            if line.is_loss_recorded
        )
        spans = rows(
            self.file,
            "SELECT name, count(*) FROM gap JOIN device ON device.id = device"
            " WHERE epoch IS NULL GROUP BY name",
        )
        assert dict(spans) == {
            name: count for name, count in self.committed.rollbacks.items() if count
        }

    def _gaps(self, which: str, what: str = "gap.readings") -> list[tuple[object, ...]]:
        return rows(
            self.file,
            f"SELECT name, epoch.epoch, first_seq, last_seq, {what} FROM gap"
            f" JOIN epoch ON epoch.id = gap.epoch JOIN device ON device.id = gap.device WHERE {which}",
        )

    def _hold(self, device: str, named: list[bytes], lost: str | None) -> None:
        told = holding(*[held(epoch, BEGAN_S) for epoch in named], lost=lost)
        assert self.group.hold(device, told) == self.model.hold(device, named, lost)

    def _send(self, device: str, run: list[tuple[bytes, int]]) -> None:
        answer = self.group.store(device, [sent(seq, epoch) for epoch, seq in run])
        assert answer == self.model.store(device, run)

    def _go_back_to(self, model: Model) -> None:
        self.committed = model
        self.model = copy.deepcopy(model)
        self._open()

    def _open(self) -> None:
        self.database = open_for_writing(self.file)
        self.group = Transaction(self.database)
        self.group.begin(1)


TestStore = StoreMachine.TestCase
TestStore.__doc__ = "Stored exactly once or in a gap, whatever comes."
TestStore.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


class TestStoreAtLength(StoreMachine.TestCase):  # type: ignore[misc,name-defined]
    """The same, for longer."""

    pytestmark = pytest.mark.full
    settings = settings(max_examples=600, stateful_step_count=60, deadline=None)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), highest=st.integers(0, 10), is_known=st.booleans())
def test_datagrams_are_stored_or_counted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, highest: int, is_known: bool
) -> None:
    """Whatever came, in whatever order, before END or behind it: with what is lost it is all."""
    file = tmp_path_factory.mktemp("store") / FILE_NAME
    came = data.draw(st.lists(st.integers(1, highest or 1), unique=True)) if highest else []
    split = data.draw(st.lists(st.integers(0, len(came)), max_size=3).map(sorted))
    groups = [came[a:b] for a, b in zip([0, *split], [*split, len(came)], strict=True)]
    end_after = data.draw(st.integers(0, len(groups)))
    end = (
        End(EPOCH, "stopped", highest, readings(1, highest))
        if is_known
        else End(EPOCH, "power_cut", until=moment(UNTIL_S))
    )
    with transaction(file) as group:
        group.open_datagrams("greenhouse", OpenDatagrams(EPOCH, MOMENT, SECOND_NS))
    for number, part in enumerate(groups):
        with transaction(file) as group:
            if number == end_after:
                group.end("greenhouse", end)
            group.store_datagrams("greenhouse", EPOCH, [sent(seq, EPOCH) for seq in part])
    with transaction(file) as group:
        mark = group.end("greenhouse", end)
    known = highest if is_known else max(came, default=0)
    received = sum(map(size, came))
    assert mark == known
    assert rows(file, "SELECT mark, batches, readings FROM epoch") == [(known, len(came), received)]
    missing = [(1, known, readings(1, known) - received, at_ns(1))] if len(came) < known else []
    assert (
        rows(
            file,
            "SELECT first_seq, last_seq, readings, from_ns FROM gap WHERE last_seq IS NOT NULL",
        )
        == missing
    )
    tail = [] if is_known else [(known + 1,)]
    assert rows(file, "SELECT first_seq FROM gap WHERE last_seq IS NULL") == tail
