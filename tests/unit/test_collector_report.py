"""collector.report: what the store alone says of each device."""

from pathlib import Path

from collector.report import DeviceStatus, device_statuses, stored_status
from collector.store.database import FILE_NAME, open_for_writing
from kit.stores import batch, commit, described, open_reader, transaction
from kit.wireworks import EPOCH
from wire.frames import Gap


def test_store_alone_does_not_know_who_is_connected(tmp_path: Path) -> None:
    """Everything else it says, also of a device that has not sent anything yet."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1), batch(2))
    with transaction(file) as group:
        group.record_gap("greenhouse", Gap(EPOCH, 3, 4, "spool_full"))
        group.describe("cellar", described("air.temperature"))
    with open_reader(file) as reader:
        status = stored_status(reader)
    assert (status.running, status.store, status.sessions) == (False, str(file), None)
    assert status.store_bytes >= file.stat().st_size
    cellar, greenhouse = status.devices
    assert cellar == DeviceStatus("cellar", "by the window", None, 0, None, 0)
    assert (greenhouse.device, greenhouse.readings, greenhouse.gaps) == ("greenhouse", 2, 1)
    assert greenhouse.connected is None
    assert greenhouse.heard_ns is not None


def test_running_collector_knows_who_is_connected(tmp_path: Path) -> None:
    """A device is connected or away, never unknown."""
    file = tmp_path / FILE_NAME
    commit(file, "greenhouse", batch(1))
    commit(file, "cellar", batch(1))
    with open_reader(file) as reader:
        statuses = device_statuses(reader, ["greenhouse"])
    assert {each.device: each.connected for each in statuses} == {
        "greenhouse": True,
        "cellar": False,
    }


def test_empty_store_has_no_devices(tmp_path: Path) -> None:
    """A collector that was never called."""
    open_for_writing(tmp_path / FILE_NAME).close()
    with open_reader(tmp_path / FILE_NAME) as reader:
        assert stored_status(reader).devices == []
