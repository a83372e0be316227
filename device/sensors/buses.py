"""The buses that CircuitPython drivers are handed: one object a bus, shared by all sensors on it.

I2C buses are the kernel's, by their number (/dev/i2c-1 is 1), through Blinka's class for any Linux; so
neither which board this is nor which of its pins are meant has to be known. Everything else is
Blinka's own, and imported when it is first needed: that takes seconds on a Pi Zero.
"""

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from device.sensors import SensorError
from device.sensors.libraries import INSTALL

# All calls come from one thread, but for one that was left behind: it hangs, or ends soon.
_LOCKED_S = 1.0
_IMPORT_S = 60.0
_importing = threading.Lock()


class I2c:
    """`busio.I2C` of a bus of the kernel's; https://docs.circuitpython.org/en/stable/shared-bindings/busio/.

    Drivers ask for the lock again and again until they have it; where it is not given back, because a
    call hangs that was left behind, that would take a whole core for ever.
    """

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self._lock = threading.Lock()
        self.readfrom_into = bus.readfrom_into
        self.writeto = bus.writeto
        self.writeto_then_readfrom = bus.writeto_then_readfrom
        self.scan = bus.scan

    def try_lock(self) -> bool:
        """Take the bus.

        Raises:
            TimeoutError: somebody has it, and does not give it back.
        """
        if not self._lock.acquire(timeout=_LOCKED_S):
            raise TimeoutError("the bus hangs in a call of another sensor")
        return True

    def unlock(self) -> None:
        """Give it back."""
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def deinit(self) -> None:
        """Close it."""
        close = getattr(getattr(self._bus, "_i2c_bus", None), "close", None)
        if close is not None:
            close()


def i2c(number: int) -> I2c:
    """Open an I2C bus of the kernel's.

    Raises:
        SensorError: Blinka is not installed, or there is no such bus.
    """
    try:
        I2C = imported("adafruit_blinka.microcontroller.generic_linux.i2c").I2C  # noqa: N806 - a class
    except ImportError as error:
        raise SensorError(f"Blinka is missing ({error}): `{INSTALL} adafruit-blinka`") from error
    try:
        return I2c(I2C(number))
    except (OSError, RuntimeError) as error:
        raise SensorError(
            f"no I2C bus {number} ({error}): `sudo raspi-config nonint do_i2c 0` enables bus 1, and the "
            "user who runs this must be in the group i2c"
        ) from error


def spi() -> Any:
    """Open the board's SPI.

    Raises:
        SensorError: Blinka is not installed, or knows no SPI here.
    """
    board = blinka("board")
    try:
        return blinka("busio").SPI(board.SCK, board.MOSI, board.MISO)
    except (AttributeError, OSError, ValueError, RuntimeError) as error:
        raise SensorError(f"no SPI ({error}): `sudo raspi-config nonint do_spi 0`") from error


def blinka(module: str) -> Any:
    """Import one of Blinka's modules.

    Raises:
        SensorError: it is not installed, or does not know this board.
    """
    try:
        return imported(module)
    except ImportError as error:
        raise SensorError(f"Blinka is missing ({error}): `{INSTALL} adafruit-blinka`") from error
    except (NotImplementedError, RuntimeError, AttributeError) as error:
        raise SensorError(f"Blinka does not know this board: {error}") from error


def imported(module: str) -> Any:
    """Import a library of CircuitPython's; what they print does not get among what we print.

    Raises:
        RuntimeError: the import of another one hangs.
        Exception: whatever the import raises.
    """
    with _quiet():
        return importlib.import_module(module)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # There is one stdout: two that put theirs in its place at once would not both put it back.
    if not _importing.acquire(timeout=_IMPORT_S):
        raise RuntimeError("the import of another library hangs")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _importing.release()


class Buses:
    """The buses that are open, by the lane of their sensors; each is closed by its last sensor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Any, int]] = {}

    def take(self, lane: str, made: Callable[[], Any]) -> Any:
        """Return the bus of a lane, opened by the first who takes it."""
        with self._lock:
            bus, users = self._open.get(lane) or (made(), 0)
            self._open[lane] = bus, users + 1
            return bus

    def give_back(self, lane: str, bus: Any, hangs: bool = False) -> None:
        """Give it back; where it `hangs` nobody else is to get it again."""
        with self._lock:
            present, users = self._open.get(lane, (None, 0))
            if present is not bus:
                return
            if users > 1 and not hangs:
                self._open[lane] = bus, users - 1
                return
            del self._open[lane]
            if not hangs:
                with contextlib.suppress(Exception):
                    bus.deinit()


BUSES = Buses()
