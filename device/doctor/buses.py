"""I2C and SPI: whether they are switched on, and can be used from programs."""

from typing import NamedTuple

from device.doctor.board import Board
from device.doctor.finding import Finding, as_needed, good
from device.doctor.needs import Needs
from device.doctor.place import Place
from device.sensors.aliases import HEADER_BUS

_I2C, _SPI = "i2c", "spi"
_LOAD = "sudo modprobe i2c-dev\necho i2c-dev | sudo tee /etc/modules-load.d/i2c-dev.conf >/dev/null"


class Buses(NamedTuple):
    """Numbers of the I2C buses that programs may use, and that the kernel has; names in /dev of SPI."""

    i2c: tuple[int, ...] = ()
    kernel_i2c: tuple[int, ...] = ()
    spi: tuple[str, ...] = ()


def look(place: Place) -> Buses:
    """Look what there is."""
    return Buses(
        _numbers(place, "/dev/i2c-*"),
        _numbers(place, "/sys/bus/i2c/devices/i2c-*"),
        tuple(each.name for each in place.named("/dev/spidev*")),
    )


def judge(buses: Buses, board: Board, needs: Needs) -> list[Finding]:
    """Say which are there, on a Pi or where they are needed."""
    wanted = sorted({*needs.i2c, *([HEADER_BUS] if board.is_pi else [])})
    found = [_of_i2c(number, buses, board, needs) for number in wanted]
    if board.is_pi or needs.spi:
        found.append(_of_spi(buses, board, needs))
    return found


def _of_i2c(number: int, buses: Buses, board: Board, needs: Needs) -> Finding:
    who = needs.i2c.get(number, ())
    name = f"/dev/i2c-{number}"
    if number in buses.i2c:
        return good(_I2C, f"{name} is there")
    if number in buses.kernel_i2c:
        return as_needed(who, _I2C, f"the kernel has bus {number}, but not {name}", _LOAD)
    mend = board.enable(_I2C, "dtparam=i2c_arm=on")
    if number != HEADER_BUS:
        mend = board.append(f"dtoverlay=i2c-gpio,bus={number}")
    if not board.is_pi:
        mend = f"{_LOAD}\nls /dev/i2c-*"
    return as_needed(who, _I2C, f"I2C is off: no {name}", mend)


def _of_spi(buses: Buses, board: Board, needs: Needs) -> Finding:
    if buses.spi:
        return good(_SPI, f"SPI is on: {', '.join(buses.spi)}")
    mend = (
        board.enable(_SPI, "dtparam=spi=on")
        if board.is_pi
        else "sudo modprobe spidev\nls /dev/spidev*"
    )
    if not needs.spi:
        return good(_SPI, "SPI is off, and no sensor needs it. To switch it on:", mend)
    return as_needed(needs.spi, _SPI, "SPI is off: no /dev/spidev*", mend)


def _numbers(place: Place, pattern: str) -> tuple[int, ...]:
    ends = (each.name.removeprefix("i2c-") for each in place.named(pattern))
    return tuple(sorted(int(end) for end in ends if end.isdigit()))
