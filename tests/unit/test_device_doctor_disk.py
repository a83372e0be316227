"""device.doctor.disk: room, errors and wear of what the spool is on."""

from pathlib import Path

import pytest

from device.doctor import disk
from device.doctor.disk import Disk
from device.doctor.finding import Level
from kit.recorded import Recorded

MIB = 2**20
SPOOL_BYTES = 256 * MIB


@pytest.mark.parametrize(
    ("found", "levels"),
    [
        (Disk("/var", 1000 * MIB), ["good"]),
        (Disk("/var", 200 * MIB), ["warning"]),
        (Disk("/var", 63 * MIB), ["bad"]),
        (Disk("/var", 1000 * MIB, is_read_only=True), ["bad", "good"]),
        (Disk("/var", 1000 * MIB, errors=(("mmcblk0p2", 3),)), ["good", "warning"]),
        (Disk("/var", 1000 * MIB, worn=(("mmcblk0", 70),)), ["good", "good"]),
        (Disk("/var", 1000 * MIB, worn=(("mmcblk0", 90),)), ["good", "warning"]),
        (Disk("/var", 1000 * MIB, worn=(("mmcblk0", 110),)), ["good", "bad"]),
    ],
)
def test_how_it_stands(found: Disk, levels: list[str]) -> None:
    """Bad is what keeps readings from being kept, or soon will."""
    assert [each.level.value for each in disk.judge(found, SPOOL_BYTES)] == levels


def test_a_spool_in_memory_needs_no_room() -> None:
    """`policy: memory` writes nothing there."""
    assert disk.judge(Disk("/var", 100 * MIB), 0)[0].level is Level.GOOD


def test_looking(tmp_path: Path) -> None:
    """The disk of a folder that is not there yet; counts of errors that are none are left out."""
    machine = Recorded(tmp_path)
    machine.put("sys/fs/ext4/mmcblk0p2/errors_count", "7\n")
    machine.put("sys/fs/ext4/sda1/errors_count", "0\n")
    machine.put("sys/block/mmcblk0/device/life_time", "0x02 0x0B\n")
    machine.put("sys/block/mmcblk1/device/life_time", "0x00 0x00\n")
    found = disk.look(machine.place, Path("/var/lib/telegauge-device"))
    assert found.errors == (("mmcblk0p2", 7),)
    assert found.worn == (("mmcblk0", 110),)
    assert found.folder == "/var/lib/telegauge-device"
    assert found.free_bytes > 0
    assert not found.is_read_only
