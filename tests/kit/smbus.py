"""An I2C bus as i2c-dev gives it to ioctl(2): chips that answer, or belong to the kernel, or hang."""

import ctypes
import errno
import os
import struct
from collections.abc import Collection
from typing import Any

QUICK, READ_BYTE = 0x00010000, 0x00020000


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class FakeBus:
    """`asked`: each transfer, as (address, how), how being `quick` or `read`.

    Args:
        answering: addresses of chips.
        claimed: addresses that a kernel driver has.
        functions: what I2C_FUNCS says.
        hangs: every transfer times out.
    """

    def __init__(
        self,
        answering: Collection[int] = (),
        claimed: Collection[int] = (),
        functions: int = QUICK | READ_BYTE,
        hangs: bool = False,
    ) -> None:
        self.asked: list[tuple[int, str]] = []
        self._answering = answering
        self._claimed = claimed
        self._functions = functions
        self._hangs = hangs
        self._address = -1

    def ioctl(self, _descriptor: int, request: int, argument: Any) -> int:
        """Stand for fcntl.ioctl."""
        match request:
            case 0x0705:  # I2C_FUNCS
                struct.pack_into("L", argument, 0, self._functions)
            case 0x0703 if argument in self._claimed:
                raise _error(errno.EBUSY)
            case 0x0703:  # I2C_SLAVE
                self._address = argument
            case 0x0720:  # I2C_SMBUS
                self._transfer(*struct.unpack("BBIP", argument))
            case _:
                raise _error(errno.ENOTTY)
        return 0

    def _transfer(self, reads: int, command: int, size: int, data: int) -> None:
        assert (reads, command, size) in [(0, 0, 0), (1, 0, 1)]
        assert data
        self.asked.append((self._address, "read" if reads else "quick"))
        if self._hangs:
            raise _error(errno.ETIMEDOUT)
        if self._address not in self._answering:
            raise _error(errno.ENXIO)
        if reads:
            ctypes.memset(data, 0x5A, 1)
