"""device.doctor.scan: each address is asked once, as i2cdetect asks, and nothing is written."""

from pathlib import Path

import pytest

from device.doctor import scan as scanning
from device.doctor.place import Place
from device.doctor.scan import ADDRESSES, Scan, scan
from kit.smbus import QUICK, READ_BYTE, FakeBus


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A machine with one bus."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/i2c-1").touch()
    return Place(tmp_path)


def test_who_answers_and_who_is_the_kernels(place: Place) -> None:
    """EBUSY is a driver's; ENXIO is nobody."""
    bus = FakeBus(answering=[0x23, 0x50, 0x77], claimed=[0x48])
    assert scan(place, 1, bus.ioctl) == Scan(1, (0x23, 0x50, 0x77), (0x48,))


def test_each_address_is_asked_once_in_the_way_of_i2cdetect(place: Place) -> None:
    """Read where EEPROMs are, a quick write elsewhere; a kernel driver's address not at all."""
    bus = FakeBus(claimed=[0x76])
    scan(place, 1, bus.ioctl)
    reads = {*range(0x30, 0x38), *range(0x50, 0x60)}
    assert bus.asked == [
        (address, "read" if address in reads else "quick")
        for address in ADDRESSES
        if address != 0x76
    ]


def test_reserved_addresses_are_left_alone(place: Place) -> None:
    """The standard's own, at both ends."""
    assert (ADDRESSES[0], ADDRESSES[-1]) == (0x08, 0x77)


@pytest.mark.parametrize(
    ("functions", "ways"), [(READ_BYTE, {"read"}), (QUICK, {"quick"}), (0, set())]
)
def test_a_bus_that_can_do_less(place: Place, functions: int, ways: set[str]) -> None:
    """Asked only in a way that it has; without one for an address nobody is said to be there."""
    bus = FakeBus(answering=ADDRESSES, functions=functions)
    found = scan(place, 1, bus.ioctl)
    assert {how for _, how in bus.asked} == ways
    assert set(found.answering) == {address for address, _ in bus.asked}


def test_a_bus_that_hangs_is_left_after_three_transfers(place: Place) -> None:
    """Each would take a second."""
    bus = FakeBus(hangs=True)
    assert scan(place, 1, bus.ioctl).hangs
    assert len(bus.asked) == 3


def test_a_bus_that_is_not_there(place: Place) -> None:
    """Said with its name on the machine."""
    assert scan(place, 7).failure == "/dev/i2c-7: No such file or directory"


def test_a_file_that_is_no_bus(place: Place) -> None:
    """The kernel itself refuses the ioctl, and that is no crash."""
    found = scan(place, 1)
    assert (found.answering, found.failure) == ((), "/dev/i2c-1: Inappropriate ioctl for device")


def test_the_kernels_numbers() -> None:
    """As linux/i2c-dev.h and i2c.h have them; a struct of two bytes, an int and a pointer."""
    assert (scanning._SLAVE, scanning._FUNCTIONS, scanning._SMBUS) == (0x703, 0x705, 0x720)
