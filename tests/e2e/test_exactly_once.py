"""The promise, end to end: real processes over real sockets, judged by an oracle.

Nothing missing and nothing twice, whatever happens to the collector or the link in between.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.store.database import FILE_NAME
from kit import oracle, programs
from kit.programs import Program
from kit.proxy import FrameProxy
from kit.waiting import wait_until

SENSORS = """
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {{channels: 3, ledger: {ledger}}}
"""
# The frames that are cut, both directions counted together: five of the greeting, then batches and
# their ACKs. In this order, since a session that saw an ACK shortens the wait before the next.
CUTS = [1, 8, 2, 9, 3, 10, 4, 11, 5, 12, 6, 13, 7, 14]


class Rig:
    """One collector, one agent, and the ledger of the agent's sensor."""

    def __init__(self, folder: Path) -> None:
        self.port = programs.free_port()
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.folder = folder
        self.collector = programs.collector(folder / "collector", self.port)
        self.device = self._device(self.port)

    def send_through(self, port: int) -> None:
        """Let the agent connect to another port than the collector's."""
        self.device = self._device(port)

    def reads(self) -> int:
        """How many reads the sensor has given."""
        return oracle.reads(self.ledger)

    def wait_for_reads(self, more: int) -> None:
        """Wait until the sensor has given some more."""
        wanted = self.reads() + more
        wait_until(lambda: self.reads() >= wanted, 60)

    def acknowledged(self) -> int:
        """How many readings the agent has seen acknowledged."""
        return int(self.device.ask("status")["acknowledged_readings"])

    def wait_for_acknowledgement(self) -> None:
        """Wait until everything given by now is acknowledged."""
        wanted = 3 * self.reads()
        wait_until(lambda: self.acknowledged() >= wanted, 90)

    def stop(self) -> None:
        """Stop both as systemd would: cleanly, and without giving anything up."""
        assert self.device.stop() == 0, self.device.said()
        assert self.collector.stop() == 0, self.collector.said()
        assert "readings_given_up" not in self.device.said()

    def verdict(self) -> oracle.Verdict:
        """Ask the oracle."""
        return oracle.judge(self.ledger, self.collector.state, "count")

    def _device(self, port: int) -> Program:
        return programs.device(self.folder / "device", port, SENSORS.format(ledger=self.ledger))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig that leaves no process behind."""
    rig = Rig(tmp_path)
    yield rig
    rig.device.end()
    rig.collector.end()


def test_clean_run(rig: Rig) -> None:
    """Everything the sensor gave is stored once; the value, the time and the order are right."""
    rig.collector.start()
    rig.device.start()
    rig.wait_for_reads(30)
    rig.stop()
    verdict = rig.verdict()
    assert verdict.clean, verdict
    assert verdict.stored >= 3 * 27
    for values in oracle.stored(rig.collector.state, "count").values():
        assert values == sorted(values)


def test_collector_comes_later(rig: Rig) -> None:
    """An agent that finds no collector reads on, and hands everything over when one comes."""
    rig.device.start()
    rig.wait_for_reads(20)
    rig.collector.start()
    rig.wait_for_acknowledgement()
    rig.stop()
    verdict = rig.verdict()
    assert verdict.clean, verdict
    assert verdict.given - verdict.stored <= 9


def test_collector_restarts(rig: Rig) -> None:
    """A collector that stops and starts twice loses nothing and stores nothing twice."""
    rig.collector.start()
    rig.device.start()
    for _ in range(2):
        rig.wait_for_reads(15)
        assert rig.collector.stop() == 0
        rig.wait_for_reads(5)
        rig.collector.start()
        rig.wait_for_acknowledgement()
    rig.stop()
    assert rig.verdict().clean, rig.verdict()


def test_link_is_cut_in_every_frame(rig: Rig) -> None:
    """The link breaks in the middle of each frame of a session in turn, in both directions."""
    with FrameProxy(rig.port, lambda session: dict(enumerate(CUTS, 1)).get(session, 0)) as proxy:
        rig.send_through(proxy.port)
        rig.collector.start()
        rig.device.start()
        wait_until(lambda: proxy.sessions > len(CUTS), 150)
        rig.wait_for_acknowledgement()
        rig.stop()
        assert proxy.cuts == len(CUTS)
    assert rig.verdict().clean, rig.verdict()


def test_store_that_was_replaced_leaves_a_gap_and_goes_on(rig: Rig) -> None:
    """A damaged store is set aside; what it had acknowledged becomes a gap, the rest is stored."""
    rig.collector.start()
    rig.device.start()
    rig.wait_for_reads(20)
    rig.wait_for_acknowledgement()
    rig.collector.kill()
    for file in rig.collector.state.glob(f"{FILE_NAME}*"):
        file.write_bytes(b"not a database any more " * 500)
    rig.collector.start()
    rig.wait_for_acknowledgement()
    rig.stop()
    assert "store_set_aside" in rig.collector.said()
    assert list(rig.collector.state.glob("*.damaged-*"))
    with closing(sqlite3.connect(rig.collector.state / FILE_NAME)) as store:
        gaps = store.execute("SELECT first_seq, last_seq, reason FROM gap").fetchall()
        (first_stored,) = store.execute("SELECT min(first_seq) FROM batch").fetchone()
    assert gaps == [(1, first_stored - 1, "collector_rollback")]
    verdict = rig.verdict()
    assert verdict.missing == list(range(1, len(verdict.missing) + 1))
    assert not verdict.doubled
    assert not verdict.invented
