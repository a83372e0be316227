"""Asks each address of an I2C bus whether somebody answers, as i2cdetect does: nothing is written.

See Documentation/i2c/dev-interface.rst of the Linux kernel. Each ask is one SMBus transfer of its own,
which the kernel's lock of the bus keeps apart from those of a running agent.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from device.doctor.place import Place

_SLAVE, _FUNCTIONS, _SMBUS = 0x0703, 0x0705, 0x0720
_WRITE, _READ = 0, 1
_QUICK, _BYTE = 0, 1
_HAS_QUICK, _HAS_READ_BYTE = 0x00010000, 0x00020000
_TRANSFER = "BBIP"  # struct i2c_smbus_ioctl_data
_DATA_BYTES = 34
# What the standard leaves for chips.
ADDRESSES = range(0x08, 0x78)
# A quick write is no read to a chip, but may write to an EEPROM of old; a byte read disturbs no EEPROM, but may
# lock a chip that can only be written. So i2cdetect reads where EEPROMs are.
_READ_AT = (*range(0x30, 0x38), *range(0x50, 0x60))
# A bus that hangs lets each transfer time out, a second each.
_MOST_TIMEOUTS = 3

Ioctl = Callable[[int, int, Any], object]


class Scan(NamedTuple):
    """`answering` and `claimed` (a kernel driver's own) are addresses.

    `failure` says why the bus could not be asked; `hangs`: no transfer on it comes to an end.
    """

    bus: int
    answering: tuple[int, ...] = ()
    claimed: tuple[int, ...] = ()
    failure: str = ""
    hangs: bool = False


def scan(place: Place, bus: int, ioctl: Ioctl = fcntl.ioctl) -> Scan:
    """Ask every address of a bus."""
    path = place.path(f"/dev/i2c-{bus}")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return Scan(bus, failure=f"{_name(path)}: {error.strerror}")
    try:
        return _asked(bus, descriptor, ioctl)
    except OSError as error:
        return Scan(bus, failure=f"{_name(path)}: {error.strerror}")
    finally:
        os.close(descriptor)


def _asked(bus: int, descriptor: int, ioctl: Ioctl) -> Scan:
    functions = _functions(descriptor, ioctl)
    answering, claimed, timeouts = [], [], 0
    for address in ADDRESSES:
        try:
            ioctl(descriptor, _SLAVE, address)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            claimed.append(address)
            continue
        try:
            if _ask(descriptor, address, functions, ioctl):
                answering.append(address)
        except OSError as error:
            timeouts += error.errno == errno.ETIMEDOUT
            if timeouts >= _MOST_TIMEOUTS:
                return Scan(bus, tuple(answering), tuple(claimed), hangs=True)
    return Scan(bus, tuple(answering), tuple(claimed))


def _functions(descriptor: int, ioctl: Ioctl) -> int:
    """Return what the bus can do: I2C_FUNCS gives an unsigned long."""
    given = bytearray(struct.calcsize("L"))
    ioctl(descriptor, _FUNCTIONS, given)
    functions: int = struct.unpack("L", given)[0]
    return functions


def _ask(descriptor: int, address: int, functions: int, ioctl: Ioctl) -> bool:
    """Say whether a chip acknowledges; False where the bus has no way to ask for this address.

    Raises:
        OSError: it does not.
    """
    reads = address in _READ_AT or not functions & _HAS_QUICK
    if reads and not functions & _HAS_READ_BYTE:
        return False
    data = ctypes.create_string_buffer(_DATA_BYTES)
    kind = (_READ, 0, _BYTE) if reads else (_WRITE, 0, _QUICK)
    ioctl(descriptor, _SMBUS, struct.pack(_TRANSFER, *kind, ctypes.addressof(data)))
    return True


def _name(path: Path) -> str:
    return f"/dev/{path.name}"
