"""The figures of a machine, read from procfs and sysfs: one function a figure.

Each function looks once where its figure is to be found and returns a source, which reads it anew at
each call. A source fails by raising; it knows nothing of channels and of other figures.

See proc(5), and Documentation/ABI/testing/sysfs-class-thermal and -hwmon of the Linux kernel.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Source = Callable[[], float]

# Best first: Raspberry Pi, other ARM boards, PC.
_CPU_ZONES = ("cpu-thermal", "cpu_thermal", "bcm2835_thermal", "soc-thermal", "x86_pkg_temp")
_CPU_CHIPS = ("cpu_thermal", "coretemp", "k10temp")
_SETTLE_S = 0.1  # the kernel counts in ticks of 10 ms a core
_RECEIVED, _SENT = 0, 8  # columns of /proc/net/dev behind the name


class NotOfferedError(OSError):
    """This machine has no such figure: not a failure that could pass."""


@dataclass(frozen=True)
class Place:
    """Where to look: `root` holds proc/ and sys/; `disk` is any path on the disk meant.

    `interface` is one network interface, None for all but loopback. `texts`, where given, holds
    what was read of proc/ until its owner clears it: figures of one read then come from one look,
    and each file is opened once for all of them.
    """

    root: Path
    disk: str
    interface: str | None
    texts: dict[str, str] | None = None

    def proc(self, name: str) -> str:
        """Return what a file in proc/ says."""
        if self.texts is None:
            return self._read(name)
        if name not in self.texts:
            self.texts[name] = self._read(name)
        return self.texts[name]

    def _read(self, name: str) -> str:
        try:
            return (self.root / "proc" / name).read_text()
        except FileNotFoundError as error:
            raise NotOfferedError(str(error)) from None


def cpu_temperature(place: Place) -> Source:
    """Return the CPU's temperature in degC."""
    path = _cpu_temperature_file(place.root / "sys/class")
    return lambda: int(path.read_text()) / 1000


def load(place: Place, field: int) -> Source:
    """Return a load average; field 0, 1, 2: of one, five, fifteen minutes."""
    return lambda: float(place.proc("loadavg").split()[field])


def cpu_used(place: Place) -> Source:
    """Return the share of all cores' time used since the call before, in %.

    The first call gives NaN, and takes long enough for a second to have something to measure.
    """
    before: tuple[int, int] | None = None

    def source() -> float:
        nonlocal before
        former, before = before, _cpu_ticks(place)
        if former is None:
            time.sleep(_SETTLE_S)
            return math.nan
        return _share_used(former, before)

    return source


def memory_used(place: Place) -> Source:
    """Return the share of memory that programs could not have, in %."""
    return lambda: 100 * (1 - _memory(place, "MemAvailable") / _memory(place, "MemTotal"))


def memory_available(place: Place) -> Source:
    """Return the bytes that programs could have without swapping."""
    return lambda: _memory(place, "MemAvailable")


def swap_used(place: Place) -> Source:
    """Return the share of swap in use, in %."""

    def source() -> float:
        if not (total := _memory(place, "SwapTotal")):
            raise NotOfferedError("this machine has no swap")
        return 100 * (1 - _memory(place, "SwapFree") / total)

    return source


def disk_used(place: Place) -> Source:
    """Return the share of the disk in use, in %, as df(1) has it: root's reserve is no free space."""

    def source() -> float:
        disk = os.statvfs(place.disk)
        used = disk.f_blocks - disk.f_bfree
        return 100 * used / (used + disk.f_bavail)

    return source


def disk_free(place: Place) -> Source:
    """Return the bytes free on the disk for programs that are not root."""

    def source() -> float:
        disk = os.statvfs(place.disk)
        return disk.f_bavail * disk.f_frsize

    return source


def network_received(place: Place) -> Source:
    """Return the bytes received since boot."""
    return lambda: _network(place, _RECEIVED)


def network_sent(place: Place) -> Source:
    """Return the bytes sent since boot."""
    return lambda: _network(place, _SENT)


def uptime(place: Place) -> Source:
    """Return the seconds since boot."""
    return lambda: float(place.proc("uptime").split()[0])


def under_voltage(place: Place) -> Source:
    """Return 1 while a Raspberry Pi's supply is too weak (kernel driver raspberrypi-hwmon), else 0."""
    chips = _named(place.root / "sys/class/hwmon", "hwmon*", "name")
    if "rpi_volt" not in chips:
        raise NotOfferedError("this machine does not watch its supply")
    path = chips["rpi_volt"] / "in0_lcrit_alarm"
    return lambda: int(path.read_text())


# Bits of what a Raspberry Pi's firmware says of its supply and its heat now; 16 higher: since boot
# (raspberrypi.com/documentation/computers/os.html, get_throttled).
UNDER_VOLTAGE, CAPPED, THROTTLED, HOT = 1, 2, 4, 8
SINCE_BOOT = 16


def throttling(place: Place) -> Callable[[], int]:
    """Return those bits, as the kernel's firmware driver tells them."""
    path = place.root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    if not path.exists():
        raise NotOfferedError("this machine's firmware does not say whether it is slowed down")
    return lambda: int(path.read_text(), 16)


def throttled(place: Place) -> Source:
    """Return 1 while a Raspberry Pi's firmware slows it down, for its supply or its heat, else 0."""
    bits = throttling(place)
    return lambda: float(bool(bits() & (CAPPED | THROTTLED | HOT)))


def _cpu_temperature_file(classes: Path) -> Path:
    zones = _named(classes / "thermal", "thermal_zone*", "type")
    chips = _named(classes / "hwmon", "hwmon*", "name")
    places = [zones[name] / "temp" for name in _CPU_ZONES if name in zones]
    places += [chips[name] / "temp1_input" for name in _CPU_CHIPS if name in chips]
    for path in places:
        if path.exists():
            return path
    raise NotOfferedError("this machine does not measure its CPU's temperature")


def _named(folder: Path, pattern: str, file: str) -> dict[str, Path]:
    """Return the folders by the name that a file in each says; the first of several of one name."""
    found: dict[str, Path] = {}
    for entry in sorted(folder.glob(pattern)):
        with contextlib.suppress(OSError, ValueError):
            found.setdefault((entry / file).read_text().strip(), entry)
    return found


def _cpu_ticks(place: Place) -> tuple[int, int]:
    """Return all ticks and the idle ones. Guests' ticks, behind the eighth, are in user's already."""
    name, *fields = place.proc("stat").partition("\n")[0].split()
    ticks = [int(field) for field in fields[:8]]
    if name != "cpu" or len(ticks) < 5:
        raise ValueError("/proc/stat does not begin with the sum of all cores")
    return sum(ticks), ticks[3] + ticks[4]


def _share_used(before: tuple[int, int], now: tuple[int, int]) -> float:
    total, idle = now[0] - before[0], now[1] - before[1]
    if total <= 0:  # within one tick of the kernel there is nothing to measure
        return math.nan
    # A core taken offline and iowait can make a counter go back: proc(5).
    return min(max(100 * (total - idle) / total, 0.0), 100.0)


def _memory(place: Place, field: str) -> int:
    for line in place.proc("meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    raise NotOfferedError(f"/proc/meminfo has no {field}")


def _network(place: Place, column: int) -> int:
    counts = {}
    for line in place.proc("net/dev").splitlines()[2:]:
        name, _, fields = line.strip().partition(":")
        counts[name] = int(fields.split()[column])
    if place.interface is None:
        return sum(count for name, count in counts.items() if name != "lo")
    return counts[place.interface]  # one that is not there may come yet: no NotOfferedError
