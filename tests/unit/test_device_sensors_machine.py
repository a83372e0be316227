"""The figures of a machine, each against recorded files."""

import math
import os

import pytest

from device.sensors import machine
from device.sensors.machine import NotOfferedError, Place


@pytest.fixture
def put(tmp_path):
    """Write a file of a recorded machine."""

    def put(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return put


@pytest.fixture
def place(tmp_path):
    """The recorded machine."""
    return Place(tmp_path, "/", None)


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch):
    monkeypatch.setattr(machine, "_SETTLE_S", 0)


def test_cpu_temperature_prefers_the_cpu_zone(place, put):
    """Not the first zone, nor a chip's: the one that is the CPU's by name."""
    put("sys/class/thermal/thermal_zone0/type", "iwlwifi_1\n")
    put("sys/class/thermal/thermal_zone0/temp", "40000\n")
    put("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n")
    put("sys/class/thermal/thermal_zone1/temp", "47236\n")
    put("sys/class/hwmon/hwmon0/name", "coretemp\n")
    put("sys/class/hwmon/hwmon0/temp1_input", "51000\n")
    assert machine.cpu_temperature(place)() == 47.236


@pytest.mark.parametrize("chip", ["coretemp", "k10temp", "cpu_thermal"])
def test_cpu_temperature_of_a_chip(place, put, chip):
    """Where no zone is the CPU's, a hardware monitor's first input is."""
    put("sys/class/hwmon/hwmon0/name", "nvme\n")
    put("sys/class/hwmon/hwmon0/temp1_input", "33850\n")
    put("sys/class/hwmon/hwmon1/name", f"{chip}\n")
    put("sys/class/hwmon/hwmon1/temp1_input", "-5500\n")
    assert machine.cpu_temperature(place)() == -5.5


def test_no_cpu_temperature(place, put):
    """A virtual machine has none; a disk's temperature is not taken for it."""
    put("sys/class/hwmon/hwmon0/name", "nvme\n")
    put("sys/class/hwmon/hwmon0/temp1_input", "33850\n")
    with pytest.raises(NotOfferedError):
        machine.cpu_temperature(place)


def test_load(place, put):
    """Of one, five and fifteen minutes."""
    put("proc/loadavg", "0.52 0.58 1.59 1/257 4077\n")
    assert [machine.load(place, field)() for field in range(3)] == [0.52, 0.58, 1.59]


def test_cpu_used_is_what_was_not_idle_since_the_call_before(place, put):
    """Idle and waiting for I/O are idle; a guest's time is in user's already."""
    source = machine.cpu_used(place)
    put("proc/stat", "cpu  100 0 100 1000 100 0 0 0 50 0\ncpu0 1 2 3\n")
    assert math.isnan(source())
    put("proc/stat", "cpu  130 0 110 1050 110 0 0 0 80 0\ncpu0 1 2 3\n")
    assert source() == 40.0
    put("proc/stat", "cpu  130 0 110 1150 110 0 0 0 80 0\ncpu0 1 2 3\n")
    assert source() == 0.0


def test_cpu_used_without_time_between(place, put):
    """Two calls within one tick of the kernel have nothing to measure."""
    source = machine.cpu_used(place)
    put("proc/stat", "cpu  100 0 100 1000 100 0 0 0\n")
    source()
    assert math.isnan(source())


def test_cpu_used_stays_a_share(place, put):
    """The kernel may take back some I/O wait: never below 0 or above 100 %."""
    source = machine.cpu_used(place)
    put("proc/stat", "cpu  100 0 100 1000 100 0 0 0\n")
    source()
    put("proc/stat", "cpu  110 0 100 1000 95 0 0 0\n")
    assert source() == 100.0


@pytest.mark.parametrize("stat", ["", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2\n", "cpu a b c d e\n"])
def test_cpu_used_of_something_else(place, put, stat):
    """A first line that is not the sum of all cores fails."""
    put("proc/stat", stat)
    with pytest.raises(ValueError, match=r"."):
        machine.cpu_used(place)()


MEMINFO = (
    "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 750 kB\nSwapTotal: {} kB\nSwapFree: 150 kB\n"
)


def test_memory(place, put):
    """Used is what programs cannot have; kB of the kernel are 1024 bytes."""
    put("proc/meminfo", MEMINFO.format(200))
    assert machine.memory_used(place)() == 25.0
    assert machine.memory_available(place)() == 750 * 1024
    assert machine.swap_used(place)() == 25.0


def test_no_swap(place, put):
    """A machine without swap has no share of it in use."""
    put("proc/meminfo", MEMINFO.format(0))
    with pytest.raises(NotOfferedError):
        machine.swap_used(place)()


def test_a_field_the_kernel_does_not_have(place, put):
    """An old kernel has no MemAvailable."""
    put("proc/meminfo", "MemTotal: 1000 kB\n")
    with pytest.raises(NotOfferedError, match="MemAvailable"):
        machine.memory_used(place)()


NETWORK = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0
  eth0:     500       5    0    0    0     0          0         0       70       8    0    0    0
 wlan0:1000000007     5    0    0    0     0          0         0        4       8    0    0    0
"""


def test_network_is_the_sum_without_loopback(place, put):
    """Also where a long count leaves no space behind the colon."""
    put("proc/net/dev", NETWORK)
    assert machine.network_received(place)() == 1_000_000_507
    assert machine.network_sent(place)() == 74


def test_network_of_one_interface(tmp_path, put):
    """Only the one asked for."""
    put("proc/net/dev", NETWORK)
    assert machine.network_sent(Place(tmp_path, "/", "eth0"))() == 70


def test_an_interface_that_is_not_there_yet(tmp_path, put):
    """Fails, but may come: it was asked for."""
    put("proc/net/dev", NETWORK)
    with pytest.raises(LookupError):
        machine.network_sent(Place(tmp_path, "/", "usb0"))()


def test_uptime(place, put):
    """Seconds."""
    put("proc/uptime", "1632.35 3218.63\n")
    assert machine.uptime(place)() == 1632.35


def test_under_voltage(place, put):
    """The alarm of the Pi's own hardware monitor, whatever its number."""
    put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    put("sys/class/hwmon/hwmon3/name", "rpi_volt\n")
    put("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "0\n")
    source = machine.under_voltage(place)
    assert source() == 0
    put("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "1\n")
    assert source() == 1


def test_no_under_voltage(place):
    """Only a Pi watches its supply so."""
    with pytest.raises(NotOfferedError):
        machine.under_voltage(place)


def test_disk_agrees_with_the_kernel(tmp_path):
    """Free is what is free for us; used and free make up the whole that we could use."""
    place = Place(tmp_path, str(tmp_path), None)
    kernel = os.statvfs(tmp_path)
    free, used = machine.disk_free(place)(), machine.disk_used(place)()
    assert free == pytest.approx(kernel.f_bavail * kernel.f_frsize, rel=0.05)
    assert 0 <= used <= 100


def test_disk_of_something_without_blocks(tmp_path):
    """A pseudo file system has no share in use."""
    with pytest.raises(ZeroDivisionError):
        machine.disk_used(Place(tmp_path, "/proc", None))()


@pytest.mark.parametrize(
    "figure", [machine.cpu_used, machine.memory_used, machine.network_sent, machine.uptime]
)
def test_a_missing_file_means_not_offered(place, figure):
    """What has no file is not a failure that could pass."""
    with pytest.raises(NotOfferedError):
        figure(place)()
