"""The driver `host`: on a recorded Raspberry Pi, and on this very machine."""

import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.sensors import SensorError, make, problems

PI = {
    "proc/loadavg": "0.08 0.03 0.01 1/120 900\n",
    "proc/stat": "cpu  5000 10 2000 90000 300 0 40 0 0 0\ncpu0 1250 2 500 22500 75 0 10 0 0 0\n",
    "proc/meminfo": (
        "MemTotal:         995744 kB\nMemFree:          545864 kB\nMemAvailable:     796595 kB\n"
        "SwapTotal:        102396 kB\nSwapFree:         102396 kB\n"
    ),
    "proc/uptime": "25201.32 98000.11\n",
    "proc/net/dev": (
        "Inter-|   Receive                  |  Transmit\n face |bytes packets |bytes packets\n"
        "    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n"
        "  eth0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        " wlan0: 58213 400 0 0 0 0 0 12 93021 380 0 0 0 0 0 0\n"
    ),
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48312\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon0/temp1_input": "48312\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
}


@pytest.fixture
def pi(tmp_path):
    """A recorded Pi 3."""
    for path, text in PI.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def opened(root="/", **options):
    """Return the open sensor of a machine."""
    host = make("host", {"root": str(root), **options})
    host.open()
    return host


def values(host):
    """Return what a read gives, by channel."""
    return {sample.channel: sample.value for sample in host.read()}


def test_a_pi_offers_everything(pi):
    """All channels, in their units, rounded to the digits that tell something."""
    host = opened(pi)
    (pi / "proc/stat").write_text("cpu  5010 10 2000 90030 300 0 40 0 0 0\n")
    samples = [(sample.channel, sample.value, sample.unit) for sample in host.read()]
    assert samples[:12] == [
        ("cpu_temperature", 48.3, "degC"),
        ("load_1m", 0.08, ""),
        ("load_5m", 0.03, ""),
        ("load_15m", 0.01, ""),
        ("cpu_used", 25.0, "%"),
        ("memory_used", 20.0, "%"),
        ("memory_available", 815_713_280, "B"),
        ("swap_used", 0.0, "%"),
        ("network_received", 58_213, "B"),
        ("network_sent", 93_021, "B"),
        ("uptime", 25_201.32, "s"),
        ("under_voltage", 0, ""),
    ]
    assert [sample[0] for sample in samples[12:]] == ["disk_used", "disk_free"]


def test_quantities_are_home_assistants(pi):
    """So that a bridge need not guess."""
    quantities = {channel.name: channel.quantity for channel in opened(pi).channels}
    assert quantities["cpu_temperature"] == "temperature"
    assert quantities["uptime"] == "duration"
    assert quantities["disk_free"] == quantities["network_sent"] == "data_size"


def test_channels_are_what_the_machine_offers(pi):
    """No swap, no sensors: no channels; the rest as before."""
    (pi / "proc/meminfo").write_text(PI["proc/meminfo"].replace("102396", "0"))
    (pi / "sys/class/thermal/thermal_zone0/type").unlink()
    (pi / "sys/class/hwmon/hwmon0/name").unlink()
    (pi / "sys/class/hwmon/hwmon1/name").unlink()
    names = [channel.name for channel in opened(pi).channels]
    assert not {"swap_used", "cpu_temperature", "under_voltage"} & set(names)
    assert len(names) == 11


def test_one_figure_that_fails_is_nan_and_the_others_go_on(pi):
    """And comes back when its file does; the channels stay."""
    host = opened(pi)
    before = host.channels
    temperature = pi / "sys/class/thermal/thermal_zone0/temp"
    temperature.write_text("nonsense\n")
    (pi / "proc/uptime").unlink()
    read = values(host)
    assert [name for name, value in read.items() if math.isnan(value)] == [
        "cpu_temperature",
        "cpu_used",  # the recorded clock stands still
        "uptime",
    ]
    temperature.write_text("50000\n")
    assert values(host)["cpu_temperature"] == 50.0
    assert host.channels is before


def test_a_figure_that_fails_at_open_may_come_later(pi):
    """The file is there, so the channel is."""
    temperature = pi / "sys/class/thermal/thermal_zone0/temp"
    temperature.write_text("")
    host = opened(pi)
    assert math.isnan(values(host)["cpu_temperature"])
    temperature.write_text("50000\n")
    assert values(host)["cpu_temperature"] == 50.0


def test_a_read_in_which_all_fail_raises(pi):
    """No row of NaNs that looks like a read."""
    disk = pi / "disk"
    disk.mkdir()
    host = opened(pi, disk=str(disk))
    disk.rmdir()
    for path in PI:
        (pi / path).unlink()
    with pytest.raises(SensorError, match=r"every figure failed; the first: .*thermal_zone0/temp"):
        host.read()


def test_nothing_at_all_cannot_be_opened(tmp_path):
    """A disk alone, which is not below the root, does not make a machine."""
    host = make("host", {"root": str(tmp_path)})
    with pytest.raises(SensorError, match=f"neither {tmp_path}/proc nor {tmp_path}/sys"):
        host.open()
    host.close()


def test_disk_option(pi):
    """The figures are those of the disk that the path is on."""
    kernel = os.statvfs("/dev/shm")
    free = values(opened(pi, disk="/dev/shm"))["disk_free"]
    assert free == pytest.approx(kernel.f_bavail * kernel.f_frsize, rel=0.1)


def test_a_disk_that_is_not_there_is_nan(pi):
    """It was asked for, so its silence is shown."""
    read = values(opened(pi, disk=str(pi / "none")))
    assert math.isnan(read["disk_used"])
    assert math.isnan(read["disk_free"])


def test_interface_option(pi):
    """One interface; one that is not there yet is NaN, not left out."""
    assert values(opened(pi, interface="eth0"))["network_sent"] == 0
    assert math.isnan(values(opened(pi, interface="usb0"))["network_sent"])


def test_this_machine():
    """The real thing: figures that no Linux lacks, with values that can be."""
    host = opened()
    read = values(host)
    host.close()
    assert read["uptime"] == pytest.approx(
        float(Path("/proc/uptime").read_text().split()[0]), abs=5
    )
    assert 0 < read["memory_used"] < 100
    assert read["memory_available"] > 2**20
    assert 0 <= read["cpu_used"] <= 100  # open took long enough for a first read at once
    assert read["load_1m"] >= 0
    assert 0 <= read["disk_used"] <= 100
    assert read["network_received"] >= 0


def test_cpu_used_sees_work():
    """A core kept busy shows."""
    host = opened()
    until_s = time.process_time() + 0.3
    while time.process_time() < until_s:
        pass
    used = values(host)["cpu_used"]
    assert used > 50 / (os.cpu_count() or 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.sampled_from([path for path in PI if path.startswith("proc/")]), data=st.data())
def test_damaged_files_give_nan_or_numbers(pi, path, data):
    """Whatever a file says, a read gives every channel once, finite or NaN, and raises nothing."""
    host = _pi_host(pi)
    text = PI[path].encode()
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(st.binary(max_size=30) | st.sampled_from([b"inf", b"nan", b"9" * 400]))
    (pi / path).write_bytes(text[:at] + damage + text[at + data.draw(st.integers(0, 5)) :])
    read = host.read()
    (pi / path).write_text(PI[path])
    assert [sample.channel for sample in read] == [channel.name for channel in host.channels]
    assert not any(math.isinf(sample.value) for sample in read)


_hosts = {}


def _pi_host(pi):
    """Open once a tree: opening takes a tenth of a second."""
    if pi not in _hosts:
        _hosts[pi] = opened(pi)
    return _hosts[pi]


@pytest.mark.parametrize(
    ("driver", "options", "at_fault"),
    [
        ("host", {"dsk": "/"}, "dsk"),
        ("host", {"disk": 5}, "disk"),
        ("host", {"interface": ""}, "interface"),
        ("host:eth0", {}, None),
    ],
)
def test_wrong_options_are_found(driver, options, at_fault):
    """Options are closed, and there is nothing to name behind a colon."""
    assert [problem.option for problem in problems(driver, options)] == [at_fault]
