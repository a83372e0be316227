"""collector.report: what the store alone says of each device, and how much room it has."""

import time
from pathlib import Path

import msgspec
import pytest

from collector.device_notes import ClockNote, DeviceNote, SessionNote, Trouble
from collector.report import (
    RECENT_S,
    Datagrams,
    DeviceStatus,
    Loss,
    Status,
    device_statuses,
    stored_status,
)
from collector.store.database import FILE_NAME, open_for_writing
from kit.losses import add_datagrams, add_gap
from kit.stores import batch, commit, described, open_reader, transaction

NOW_NS = 1_790_000_000 * 10**9
RECENT_NS = RECENT_S * 10**9


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def status_of(file: Path, min_free_bytes: int = 1) -> Status:
    """What is known without a collector."""
    with open_reader(file) as reader:
        return stored_status(reader, min_free_bytes, NOW_NS)


def test_store_alone_does_not_know_who_is_connected(file: Path) -> None:
    """Everything else it says, also of a device that has not sent anything yet."""
    commit(file, "greenhouse", batch(1), batch(2))
    with transaction(file) as group:
        group.describe("cellar", described("air.temperature"))
    status = status_of(file)
    assert (status.running, status.store, status.sessions) == (False, str(file), None)
    assert status.store_bytes >= file.stat().st_size
    cellar, greenhouse = status.devices
    assert cellar == DeviceStatus("cellar", "by the window", None, 0, None, interval_s=1.0)
    assert (greenhouse.device, greenhouse.readings) == ("greenhouse", 2)
    assert (greenhouse.loss, greenhouse.datagrams) == (Loss(), None)
    assert greenhouse.connected is None
    assert greenhouse.heard_ns is not None


def test_loss_is_what_all_gaps_come_to(file: Path) -> None:
    """In all and in the last 24 h, which a gap is in that reaches into them."""
    add_gap(file, "cellar", readings=100, from_ns=0, to_ns=NOW_NS - RECENT_NS - 1)
    add_gap(file, "cellar", "power_cut", from_ns=0, to_ns=NOW_NS - RECENT_NS)
    add_gap(file, "cellar", "rejected", readings=20, from_ns=NOW_NS - 5, to_ns=NOW_NS - 1)
    add_gap(file, "cellar", "spool_lost", recorded_ns=NOW_NS - 2)
    (cellar,) = status_of(file).devices
    assert cellar.loss == Loss(4, 2, 120, 3, 2, 20, NOW_NS - 1, "rejected")


def test_datagrams_that_came_and_did_not(file: Path) -> None:
    """Of a device that sends some."""
    add_datagrams(file, "cellar", bytes(16), highest_seq=10, came=7)
    (cellar,) = status_of(file).devices
    assert (cellar.datagrams, cellar.readings) == (Datagrams(7, 3), 7)


def test_running_collector_knows_who_is_connected(file: Path) -> None:
    """A device is connected or away, never unknown."""
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1))
    with open_reader(file) as reader:
        statuses = device_statuses(reader, ["greenhouse"])
    assert {each.device: each.connected for each in statuses} == {
        "greenhouse": True,
        "cellar": False,
    }
    assert not any(each.duplicate_identity for each in statuses)


def test_running_collector_knows_whose_name_is_used_twice(file: Path) -> None:
    """Those, and no others."""
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1))
    with open_reader(file) as reader:
        statuses = device_statuses(reader, [], {"cellar", "gone"})
    assert [each.device for each in statuses if each.duplicate_identity] == ["cellar"]


def test_running_collector_knows_what_cannot_be_sealed(file: Path) -> None:
    """By its row, as the writer does."""
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1))
    with open_reader(file) as reader:
        statuses = device_statuses(reader, [], unsealable={2})
    assert [each.device for each in statuses if each.sealing_failed] == ["cellar"]


def test_state_is_told_with_what_it_goes_by(file: Path) -> None:
    """What the device told of its interval goes before what is stored; without notes the store alone."""
    commit(file, "greenhouse", batch(1))
    session = SessionNote(1, "192.0.2.7:40000", "telegauge-device 1", over_tls=True)
    clock = ClockNote(1, 2, 3, synchronised=True)
    trouble = Trouble("silence", "it said nothing", 5)
    note = DeviceNote(session, clock, (trouble,), frozenset([bytes(16)]), 3600.0)
    with open_reader(file) as reader:
        (alone,) = device_statuses(reader, None)
        (draining,) = device_statuses(reader, ["greenhouse"], notes={"greenhouse": note})
        later_ns = time.time_ns() + 3000 * 10**9
        (silent,) = device_statuses(reader, None, now_ns=later_ns)
        (slow,) = device_statuses(reader, None, now_ns=later_ns, notes={"greenhouse": note})
    assert (alone.state, alone.session, alone.clock, alone.troubles) == ("live", None, None, ())
    assert (draining.state, draining.interval_s) == ("draining", 3600.0)
    assert (draining.session, draining.clock, draining.troubles) == (session, clock, (trouble,))
    assert (silent.state, slow.state) == ("silent", "live")


def test_last_24_hours_are_those_before_now(file: Path) -> None:
    """Where nobody says when that is, by this machine's clock."""
    add_gap(file, "cellar", readings=1, from_ns=0, to_ns=1)
    add_gap(file, "cellar", readings=1, from_ns=0, to_ns=2**62)
    with open_reader(file) as reader:
        (cellar,) = device_statuses(reader, None)
    assert (cellar.loss.gaps, cellar.loss.recent_gaps) == (2, 1)


@pytest.mark.parametrize(("min_free_bytes", "is_low"), [(1, False), (2**60, True)])
def test_room_is_told_without_a_collector(file: Path, min_free_bytes: int, is_low: bool) -> None:
    """What is free, what has to be, and whether it is enough."""
    open_for_writing(file).close()
    space = status_of(file, min_free_bytes).space
    assert space is not None
    assert space.free_bytes is not None
    assert space.free_bytes > 0
    assert (space.min_free_bytes, space.is_low) == (min_free_bytes, is_low)


def test_empty_store_has_no_devices(file: Path) -> None:
    """A collector that was never called."""
    open_for_writing(file).close()
    assert status_of(file).devices == []


def test_status_travels_as_json(file: Path) -> None:
    """With its losses and datagrams, and without anything that an older collector does not say."""
    add_gap(file, "cellar", readings=1, to_ns=NOW_NS)
    add_datagrams(file, "cellar", bytes(16), highest_seq=10, came=7)
    status = status_of(file)
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status
    old = b'{"running":true,"store":"x","store_bytes":1,"devices":[]}'
    assert msgspec.json.decode(old, type=Status).space is None
