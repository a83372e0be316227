"""collector.device_notes: what is remembered of each device beside what is stored."""

import pytest

from collector import device_notes
from collector.device_notes import ClockNote, DeviceNote, DeviceNotes, SessionNote, Trouble
from kit.stores import OTHER_EPOCH, THIRD_EPOCH, described, held
from kit.wireworks import EPOCH
from wire.bodies import ChannelDescription, Describe, SensorDescription

SESSION = SessionNote(1, "192.0.2.7:40000", "telegauge-device 1", over_tls=True)


@pytest.fixture
def notes() -> DeviceNotes:
    """Notes of a collector to which greenhouse has come."""
    made = DeviceNotes()
    made.began("greenhouse", SESSION)
    return made


def test_nothing_is_known_of_a_stranger() -> None:
    """And asking for one notes nothing."""
    notes = DeviceNotes()
    assert notes.of("nobody") == DeviceNote()
    notes.ended("nobody")
    assert notes.copy() == {}


def test_device_drains_until_its_old_epochs_are_over(notes: DeviceNotes) -> None:
    """Its present one, and datagrams, are no backlog."""
    datagrams = held(THIRD_EPOCH, datagrams=True)
    notes.holds("greenhouse", [held(EPOCH), held(OTHER_EPOCH), datagrams])
    assert notes.draining == {"greenhouse"}
    notes.sent_all("greenhouse", EPOCH)
    assert notes.draining == {"greenhouse"}
    notes.sent_all("greenhouse", OTHER_EPOCH)
    assert notes.draining == set()


def test_device_that_holds_nothing_old_is_not_draining(notes: DeviceNotes) -> None:
    """As a rule."""
    notes.holds("greenhouse", [held(EPOCH)])
    assert notes.draining == set()
    notes.holds("greenhouse", [])
    assert notes.draining == set()


def test_end_of_a_session_ends_what_belongs_to_it(notes: DeviceNotes) -> None:
    """Clock and troubles stay."""
    notes.holds("greenhouse", [held(EPOCH), held(OTHER_EPOCH)])
    notes.clock("greenhouse", ClockNote(1, 2, 3, synchronised=True))
    notes.trouble("greenhouse", "silence", "it said nothing", 5)
    notes.ended("greenhouse")
    note = notes.of("greenhouse")
    assert (note.session, note.backlog) == (None, frozenset())
    assert note.clock == ClockNote(1, 2, 3, synchronised=True)
    assert note.troubles == (Trouble("silence", "it said nothing", 5),)


def test_interval_is_the_shortest_that_was_told(notes: DeviceNotes) -> None:
    """With a deadband the longest pause; what comes when it likes to says nothing of it."""
    quick = ChannelDescription("level", max_interval_s=600.0)
    steady = ChannelDescription("flow")
    notes.describes(
        "greenhouse",
        Describe(
            [
                SensorDescription("tank", "d", 1.0, [quick]),
                SensorDescription("pipe", "d", 30.0, [steady]),
                SensorDescription("door", "d", 0.1, [steady], event_driven=True),
            ]
        ),
    )
    assert notes.of("greenhouse").interval_s == 30.0
    notes.describes("greenhouse", described("air.temperature", interval_s=10.0))
    assert notes.of("greenhouse").interval_s == 10.0, "a description comes in several frames"
    notes.began("greenhouse", SESSION)
    assert notes.of("greenhouse").interval_s is None


def test_of_each_kind_of_trouble_the_latest_is_kept(notes: DeviceNotes) -> None:
    """With how often: one that goes on hides no other."""
    notes.trouble("greenhouse", "connection_lost", "once", 1)
    for time_ns in range(2, 100):
        notes.trouble("greenhouse", "device_not_let_in", f"{time_ns}", time_ns)
    assert notes.of("greenhouse").troubles == (
        Trouble("device_not_let_in", "99", 99, 98),
        Trouble("connection_lost", "once", 1, 1),
    )


def test_notes_are_bounded(notes: DeviceNotes, monkeypatch: pytest.MonkeyPatch) -> None:
    """In kinds of trouble, and in devices: who was heard of longest ago is forgotten."""
    for number in range(20):
        notes.trouble("greenhouse", f"kind_{number}", "", number)
    assert len(notes.of("greenhouse").troubles) == device_notes.MAX_TROUBLES
    monkeypatch.setattr(device_notes, "MAX_DEVICES", 2)
    notes.began("cellar", SESSION)
    notes.clock("greenhouse", ClockNote(1, 2, 3, synchronised=True))
    notes.began("roof", SESSION)
    assert set(notes.copy()) == {"greenhouse", "roof"}
