"""Chips on an I2C bus, as far as real drivers ask: their registers and words, from the datasheets.

`Bus` stands where Blinka's class for the kernel's buses does, below everything that is ours.
"""

import errno
import os
from collections.abc import Sequence
from typing import Any, Protocol


class Chip(Protocol):
    """What answers at an address."""

    def write(self, data: bytes) -> None:
        """Take what is written to it."""

    def read(self, length: int) -> bytes:
        """Return what is read from it."""


class Bus:
    """A bus; `failures` calls fail first, as if a wire was loose.

    `claimed` are addresses that a driver of the kernel has.
    """

    def __init__(self, chips: dict[int, Chip]) -> None:
        self.chips = chips
        self.failures = 0
        self.claimed: set[int] = set()
        self.closed = 0
        self._i2c_bus = self

    def close(self) -> None:
        """Note that it was closed."""
        self.closed += 1

    def scan(self) -> list[int]:
        """Who answers."""
        return sorted(self.chips)

    def writeto(
        self, address: int, buffer: Any, *, start: int = 0, end: int | None = None, **_: Any
    ) -> None:
        """Write."""
        self._at(address).write(bytes(buffer)[start:end])

    def readfrom_into(
        self, address: int, buffer: Any, *, start: int = 0, end: int | None = None, **_: Any
    ) -> None:
        """Read."""
        end = len(buffer) if end is None else end
        buffer[start:end] = self._at(address).read(end - start)

    def writeto_then_readfrom(
        self, address: int, buffer_out: Any, buffer_in: Any, *, out_start: int = 0,
        out_end: int | None = None, in_start: int = 0, in_end: int | None = None, **_: Any,
    ) -> None:  # fmt: skip
        """Write and read in one go."""
        self.writeto(address, buffer_out, start=out_start, end=out_end)
        self.readfrom_into(address, buffer_in, start=in_start, end=in_end)

    def _at(self, address: int) -> Chip:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        if address in self.claimed:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if address not in self.chips:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        return self.chips[address]


class Registers:
    """A chip of byte registers, which a first byte written selects."""

    def __init__(self, **registers: bytes) -> None:
        self.memory = bytearray(256)
        for name, data in registers.items():
            at = int(name.removeprefix("at_"), 16)
            self.memory[at : at + len(data)] = data
        self._at = 0

    def write(self, data: bytes) -> None:
        """Select a register, and set it where more bytes follow."""
        if data:
            self._at = data[0]
            self.memory[self._at : self._at + len(data) - 1] = data[1:]

    def read(self, length: int) -> bytes:
        """Read on from the one that was selected."""
        return bytes(self.memory[self._at : self._at + length])


def _words(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFF).to_bytes(2, "little") for number in numbers)


def bme280() -> Registers:
    """BME280 with the calibration and the raw values of the datasheet's example: 25.08 degC, 1006.53 hPa."""
    adc_pressure, adc_temperature, adc_humidity = 415148, 519888, 30000
    return Registers(
        at_d0=b"\x60",
        at_88=_words(
            27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000
        ),
        at_a1=b"\x4b",
        at_e1=_words(362) + bytes([0, 0x13, 0x2A, 0x03, 0x1E]),
        at_f7=(adc_pressure << 4).to_bytes(3, "big")
        + (adc_temperature << 4).to_bytes(3, "big")
        + adc_humidity.to_bytes(2, "big"),
    )  # fmt: skip


class Words:
    """A chip of 16-bit registers, the high byte first; `values` by number."""

    def __init__(self, values: dict[int, int]) -> None:
        self.values = values
        self._at = 0

    def write(self, data: bytes) -> None:
        """Select a register, and set it where a word follows."""
        if data:
            self._at = data[0]
            if len(data) == 3:
                self.values[self._at] = int.from_bytes(data[1:], "big")

    def read(self, length: int) -> bytes:
        """Read the one that was selected."""
        return (self.value(self._at) & 0xFFFF).to_bytes(2, "big")[:length]

    def value(self, at: int) -> int:
        """What a register holds."""
        return self.values.get(at, 0)


def ina219() -> Words:
    """INA219 at 5.012 V and 312 mA, by the driver's usual calibration of 0.1 mA and 2 mW a bit."""
    return Words({1: 100, 2: (5012 // 4) << 3 | 2, 3: 782, 4: 3120})


class Ads1115(Words):
    """ADS1115: `codes` of its four inputs; the multiplexer is in the bits 12 to 14 of register 1."""

    codes = (1000, 8000, -3, 26400)

    def value(self, at: int) -> int:
        """The code of the input that was chosen; a conversion is always over."""
        config = self.values.get(1, 0)
        if at == 0:
            return self.codes[(config >> 12 & 7) - 4]
        return config | 0x8000


class Sensirion:
    """A chip that takes commands of two bytes and answers in words with a checksum each."""

    def __init__(self, answers: dict[int, Sequence[int]], otherwise: Sequence[int] = ()) -> None:
        self.commands: list[int] = []
        self._answers = answers
        self._otherwise = otherwise

    def write(self, data: bytes) -> None:
        """Take a command."""
        if len(data) >= 2:
            self.commands.append(int.from_bytes(data[:2], "big"))

    def read(self, length: int) -> bytes:
        """Answer the last command."""
        words = self._answers.get(self.commands[-1] if self.commands else 0, self._otherwise)
        answer = b"".join(word.to_bytes(2, "big") + bytes([_crc(word)]) for word in words)
        return answer[:length].ljust(length, b"\0")


def _crc(word: int) -> int:
    """CRC-8, polynomial 0x31, as all Sensirion chips have it."""
    crc = 0xFF
    for byte in word.to_bytes(2, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def sht31() -> Sensirion:
    """SHT31 at 21.5 degC and 45 %."""
    measured = (round((21.5 + 45) / 175 * 65535), round(45 / 100 * 65535))
    return Sensirion({0xF32D: (0x8010,)}, measured)


def scd41() -> Sensirion:
    """SCD41 at 612 ppm, 24 degC and 45 %, with data ready."""
    measured = (612, round((24 + 45) / 175 * 65536), round(45 / 100 * 65536))
    return Sensirion({0xE4B8: (0x8006,), 0xEC05: measured})


class Bh1750:
    """BH1750 at 510 lx, in its mode of 2.4 counts a lux."""

    def write(self, data: bytes) -> None:
        """Any mode will do."""

    def read(self, length: int) -> bytes:
        """The count."""
        return round(510 * 2.4).to_bytes(2, "big")[:length]
