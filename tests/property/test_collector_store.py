"""The store against a model, whatever order batches, gaps, commits and crashes come in."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from collector.store.database import FILE_NAME, open_for_writing
from collector.store.transaction import Transaction
from kit.stores import OTHER_EPOCH, batch, read, rows
from kit.wireworks import EPOCH
from wire import batches
from wire.frames import Gap

HIGHEST_SEQ = 12
Line = tuple[str, bytes]

devices = st.sampled_from(["greenhouse", "cellar"])
epochs = st.sampled_from([EPOCH, OTHER_EPOCH])
seqs = st.integers(1, HIGHEST_SEQ)
# What a device sends after a cut: mostly on from somewhere, with repetitions and left-overs.
runs = st.one_of(
    st.builds(lambda first, count: list(range(first, first + count)), seqs, st.integers(1, 5)),
    st.lists(seqs, min_size=1, max_size=5),
)


class Kept(NamedTuple):
    """What the model holds of one epoch: what became of each seq up to the mark."""

    fates: tuple[str, ...] = ()

    @property
    def mark(self) -> int:
        """The highest seq that is settled."""
        return len(self.fates)

    def with_gap(self, last_seq: int) -> "Kept":
        """The epoch after a gap up to `last_seq`."""
        return Kept(self.fates + ("gap",) * (last_seq - self.mark))

    def with_batch(self) -> "Kept":
        """The epoch after its next batch."""
        return Kept((*self.fates, "stored"))


class StoreMachine(RuleBasedStateMachine):
    """Groups of requests, committed or lost; the model is a tuple of fates an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / FILE_NAME
        self.committed: dict[Line, Kept] = {}
        self.model: dict[Line, Kept] = {}
        self._open()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(device=devices, epoch=epochs, run=runs)
    def send(self, device: str, epoch: bytes, run: list[int]) -> None:
        """Batches come: the next is stored, older ones are known, the rest ends at a hole."""
        kept, expected, hole = self._kept(device, epoch), {}, False
        for seq in run:
            if seq > kept.mark + 1:
                hole = True
                break
            kept = kept.with_batch() if seq == kept.mark + 1 else kept
            expected[epoch] = kept.mark
        sent = [batch(seq, read(seq), epoch=epoch) for seq in run]
        assert self.group.store(device, sent) == (expected, hole)
        self.model[device, epoch] = kept

    @rule(device=devices, run=st.lists(st.tuples(epochs, seqs), min_size=2, max_size=6))
    def send_interleaved(self, device: str, run: list[tuple[bytes, int]]) -> None:
        """Two epochs of a device come in one piece; neither touches the other."""
        for epoch, seq in run:
            kept = self._kept(device, epoch)
            if seq > kept.mark + 1:
                break
            if seq == kept.mark + 1:
                self.model[device, epoch] = kept.with_batch()
        self.group.store(device, [batch(seq, read(seq), epoch=epoch) for epoch, seq in run])

    @rule(device=devices, epoch=epochs, first=seqs, more=st.integers(0, 4))
    def gap(self, device: str, epoch: bytes, first: int, more: int) -> None:
        """A gap comes: what is above the mark will not come any more."""
        kept, last = self._kept(device, epoch), first + more
        answer = self.group.record_gap(device, Gap(epoch, first, last, "spool_full"))
        if first > kept.mark + 1:
            assert answer is None
        else:
            self.model[device, epoch] = kept.with_gap(last)
            assert answer == self._kept(device, epoch).mark

    @rule(device=devices)
    def marks(self, device: str) -> None:
        """A new session asks where to go on."""
        expected = {epoch: self._kept(device, epoch).mark for epoch in (EPOCH, OTHER_EPOCH)}
        assert self.group.marks(device, [EPOCH, OTHER_EPOCH]) == expected

    @rule()
    def commit(self) -> None:
        """The group ends, the next one begins."""
        self.group.commit()
        self.committed = dict(self.model)
        self.group.begin(1)

    @precondition(lambda self: self.model != self.committed)
    @rule()
    def crash(self) -> None:
        """What was not committed was never acknowledged, and is as if it had never come."""
        self.database.close()
        self.model = dict(self.committed)
        self._open()

    @rule()
    def restart(self) -> None:
        """A clean stop and a new start change nothing."""
        self.commit()
        self.database.close()
        self._open()

    @invariant()
    def everything_is_stored_exactly_once(self) -> None:
        """The file holds what was committed: each batch once, and gaps for the rest up to the mark."""
        stored: Counter[tuple[Line, int]] = Counter()
        for device, epoch, sealed, first_seq, last_seq, readings in rows(
            self.file,
            "SELECT name, epoch.epoch, sealed, first_seq, last_seq, batch.readings FROM batch"
            " JOIN epoch ON epoch.id = batch.epoch JOIN device ON device.id = batch.device",
        ):
            headers = [batches.open_header(each) for each in batches.split(sealed)]
            assert [header.place.seq for header in headers] == [*range(first_seq, last_seq + 1)]
            assert {header.place.epoch for header in headers} == {epoch}
            assert readings == len(headers)
            stored.update(((device, epoch), header.place.seq) for header in headers)
        gaps: Counter[tuple[Line, int]] = Counter()
        for device, epoch, first_seq, last_seq in rows(
            self.file,
            "SELECT name, epoch.epoch, first_seq, last_seq FROM gap"
            " JOIN epoch ON epoch.id = gap.epoch JOIN device ON device.id = gap.device",
        ):
            gaps.update(((device, epoch), seq) for seq in range(first_seq, last_seq + 1))
        assert stored == self._fated("stored")
        assert gaps == self._fated("gap")
        marks = {
            (device, epoch): (mark, readings)
            for device, epoch, mark, readings in rows(
                self.file,
                "SELECT name, epoch, mark, readings FROM epoch JOIN device ON device.id = device",
            )
        }
        for line, kept in self.committed.items():
            assert marks.get(line, (0, 0)) == (kept.mark, kept.fates.count("stored"))

    def _fated(self, wanted: str) -> Counter[tuple[Line, int]]:
        return Counter(
            (line, seq)
            for line, kept in self.committed.items()
            for seq, fate in enumerate(kept.fates, 1)
            if fate == wanted
        )

    def _kept(self, device: str, epoch: bytes) -> Kept:
        return self.model.get((device, epoch), Kept())

    def _open(self) -> None:
        self.database = open_for_writing(self.file)
        self.group = Transaction(self.database)
        self.group.begin(1)


TestStore = StoreMachine.TestCase
TestStore.__doc__ = "Stored exactly once, marks right, holes refused, whatever comes."
TestStore.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
