"""device.doctor.examination: a whole machine, recorded, in one go."""

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.addresses import Address
from device.contact import Contact
from device.doctor.examination import examine
from device.doctor.finding import Finding, Level
from device.doctor.patient import Patient
from kit.recorded import Recorded, recorded_pi

STATE = Path("/var/lib/telegauge-device")
DRIVERS = (
    ("air", "iio:bme280", {}),
    ("probe", "w1:*", {}),
    ("door", "gpiozero:Button", {"pin": 17}),
    ("battery", "gpiozero:MCP3008", {"channel": 0}),
    ("host", "host", {}),
)


@pytest.fixture(autouse=True)
def _real_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)


@pytest.fixture
def contact() -> Iterator[Contact]:
    """A collector on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Contact("shed", (Address(*listening.getsockname()),))


@pytest.fixture
def pi(tmp_path: Path) -> Recorded:
    """A Pi whose state folder is the service's own; lgpio is whole."""
    pi = recorded_pi(tmp_path)
    pi.said[sys.executable] = "whole\n"
    pi.put("etc/passwd", f"telegauge-device:x:{os.geteuid()}:985::/:/bin/false\n")
    (tmp_path / str(STATE)[1:]).mkdir(parents=True, mode=0o700)
    return pi


def found(machine: Recorded, patient: Patient) -> list[Finding]:
    """Everything that is said of it."""
    return list(examine(machine.place, patient))


def test_a_pi_that_is_well(pi: Recorded, contact: Contact) -> None:
    """Every subject has its line; nothing is bad, and whatever is not good says what mends it."""
    findings = found(pi, Patient(DRIVERS, contact, STATE, 1))
    assert {each.subject for each in findings} == {
        "board", "gpio", "i2c", "spi", "kernel", "groups", "unit", "clock", "power", "disk", "keys",
        "collector",
    }  # fmt: skip
    # The clock is this machine's, and a recorded file is no bus.
    others = [each for each in findings if each.subject not in ("clock", "i2c")]
    assert {each.level for each in others} == {Level.GOOD}
    assert [each for each in findings if each.level is Level.BAD] == []
    assert all(each.mend for each in findings if each.level is not Level.GOOD)


def test_a_pi_as_it_comes_out_of_the_box(tmp_path: Path) -> None:
    """Nothing switched on, nobody in a group, lgpio empty: all of it bad for who needs it."""
    machine = Recorded(tmp_path)
    machine.put_all(
        {
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "dev/gpiochip0": "",
            "etc/passwd": "telegauge-device:x:985:985::/:/bin/false\n",
            "etc/group": "gpio:x:993:ada\nspi:x:995:ada\n",
        }
    )
    machine.said[sys.executable] = "empty\n"
    machine.said["systemctl"] = "LoadState=loaded\nActiveState=active\nDevicePolicy=closed\n"
    drivers = (*DRIVERS, ("co2", "circuitpython:no_such_library.SCD4X", {"address": 0x62}))
    findings = found(machine, Patient(drivers, None, STATE, 1))
    wrong = Counter(each.subject for each in findings if each.level is Level.BAD)
    assert wrong == {
        "gpio": 1, "i2c": 1, "spi": 1, "libraries": 1, "kernel": 2, "groups": 2, "unit": 3
    }  # fmt: skip
    assert all(each.mend for each in findings if each.level is not Level.GOOD)


def test_a_machine_that_is_no_pi(tmp_path: Path) -> None:
    """Says so once; pins and buses that nobody needs are no subject, and lgpio is not even tried."""
    machine = Recorded(tmp_path)
    findings = found(machine, Patient((("host", "host", {}),), None, STATE, 1))
    assert {each.subject for each in findings} <= {
        "board", "groups", "unit", "clock", "disk", "keys"
    }  # fmt: skip
    assert [each for each in findings if each.level is Level.BAD] == []
    assert not any("python" in each for each in machine.asked)


def test_a_machine_that_is_no_pi_with_a_sensor_that_needs_one(tmp_path: Path) -> None:
    """Then missing pins are bad."""
    machine = Recorded(tmp_path)
    findings = found(machine, Patient((("door", "gpiozero:Button", {"pin": 17}),), None, STATE, 1))
    assert {each.subject for each in findings if each.level is Level.BAD} == {"gpio"}


def test_buses_of_a_display_are_left_alone(pi: Recorded) -> None:
    """A Pi has some that go to its HDMI sockets; they are scanned where somebody asks for them."""

    def scanned(*buses: int) -> list[str]:
        findings = found(pi, Patient((), None, STATE, 1, buses=buses))
        return [each.message[:6] for each in findings if "could not be asked" in each.message]

    assert scanned() == ["bus 1 "]
    assert scanned(20, 7) == ["bus 1 ", "bus 20"]
