"""device.doctor.patient: what YAML and join say, as far as they can be read."""

import json
from pathlib import Path

import pytest

from device import credentials
from device.credentials import Credentials
from device.doctor.finding import Level
from device.doctor.patient import patient_of
from device.doctor.place import Place, run_nothing
from kit.recorded import Recorded
from kit.users import not_root, open_folder

JOINED = Credentials("shed", bytes(32), bytes(32), ("10.0.0.9:8888",))
YAML = """
sensors:
  door: {driver: 'gpiozero:Button', options: {pin: 17}}
commands:
  outputs:
    fan: {driver: 'gpiozero:LED', options: {pin: 24}}
"""


@pytest.fixture
def machine(tmp_path: Path) -> Recorded:
    """A machine with a YAML."""
    machine = Recorded(tmp_path)
    machine.put("etc/telegauge/device.yaml", YAML)
    (tmp_path / "var/lib/telegauge-device").mkdir(parents=True)
    return machine


def test_a_device_that_is_right(machine: Recorded) -> None:
    """Its sensors and outputs, and a collector on the same machine."""
    patient, (found,) = patient_of(machine.place, None)
    assert [(name, driver) for name, driver, _ in patient.drivers] == [
        ("door", "gpiozero:Button"),
        ("fan", "gpiozero:LED"),
    ]
    assert patient.contact
    assert str(patient.contact.addresses[0]) == "127.0.0.1:8888"
    assert patient.spool_bytes == 256 * 2**20
    assert found.level is Level.GOOD


def test_a_device_that_has_joined(machine: Recorded) -> None:
    """As that, and where it joined."""
    credentials.store(machine.root / "var/lib/telegauge-device", JOINED)
    patient, _ = patient_of(machine.place, None)
    assert patient.contact
    assert (patient.contact.device, patient.contact.credentials) == ("shed", JOINED)


def test_a_yaml_whose_rules_are_broken(machine: Recorded) -> None:
    """Is bad, and what it says is looked at all the same."""
    machine.put("etc/telegauge/device.yaml", YAML.replace("17", "17, bounce: 1"))
    patient, (found,) = patient_of(machine.place, None)
    assert found.level is Level.BAD
    assert "bounce" in found.message
    assert found.mend.startswith("sudo telegauge-device check -c ")
    assert [name for name, _, _ in patient.drivers] == ["door", "fan"]


@pytest.mark.parametrize("text", ["sensors: 5\n", "", "{"])
def test_a_yaml_that_says_nothing(machine: Recorded, text: str) -> None:
    """Is bad; the machine can be looked at without."""
    machine.put("etc/telegauge/device.yaml", text)
    patient, (found,) = patient_of(machine.place, None)
    assert (found.level, patient.drivers, patient.contact) == (Level.BAD, (), None)


def test_a_join_that_cannot_be_used(machine: Recorded) -> None:
    """Is bad, and nobody is asked as if it had never joined."""
    machine.put("var/lib/telegauge-device/credentials", json.dumps({}), 0o600)
    patient, found = patient_of(machine.place, None)
    assert [each.level for each in found] == [Level.BAD, Level.GOOD]
    assert "invite" in found[0].mend
    assert patient.contact is None


def test_a_spool_in_memory(machine: Recorded) -> None:
    """Takes no room of the disk."""
    machine.put("etc/telegauge/device.yaml", YAML + "spool: {policy: memory}\n")
    assert patient_of(machine.place, None)[0].spool_bytes == 0


def test_a_machine_without_a_yaml_has_the_one_shipped(tmp_path: Path) -> None:
    """As the agent has it."""
    patient, _ = patient_of(Place(tmp_path, run_nothing), None)
    assert [name for name, _, _ in patient.drivers] == ["host"]


def test_another_yaml_is_named(machine: Recorded, tmp_path: Path) -> None:
    """By -c."""
    other = machine.put("other.yaml", YAML.replace("door", "gate"))
    patient, _ = patient_of(machine.place, str(other))
    assert patient.drivers[0][0] == "gate"


def test_a_join_that_one_may_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not the agent is told so, and no collector is asked in its place."""
    with open_folder() as root:
        (root / "state").mkdir()
        (root / "device.yaml").write_text(YAML)
        monkeypatch.setenv("STATE_DIRECTORY", str(root / "state"))
        patient_of(
            Place(), str(root / "device.yaml")
        )  # what is imported then is out of reach below
        (root / "state").chmod(0o000)
        with not_root():
            patient, found = patient_of(Place(), str(root / "device.yaml"))
    assert [each.level for each in found] == [Level.WARNING, Level.GOOD]
    assert found[0].mend == "sudo telegauge-device doctor"
    assert patient.contact is None
