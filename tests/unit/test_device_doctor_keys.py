"""device.doctor.keys: what others may read or write that they must not."""

import os
from pathlib import Path

import pytest

from device.doctor import keys
from device.doctor.finding import Level
from device.doctor.keys import File, Keys
from device.doctor.place import Place
from kit.recorded import Recorded
from kit.users import not_root, open_folder

STATE = Path("/var/lib/telegauge-device")
YAML = Path("/etc/telegauge/device.yaml")
TOKEN = Path("/boot/firmware/telegauge-join")


@pytest.fixture
def machine(tmp_path: Path) -> Recorded:
    """A device that has joined, and everything as it should be."""
    machine = Recorded(tmp_path)
    machine.put(f"{STATE}/credentials", "{}", 0o600)
    (tmp_path / str(STATE)[1:]).chmod(0o700)
    machine.put(str(YAML), "", 0o644)
    return machine


def looked(place: Place, uid: int | None = None) -> Keys:
    """What there is, of the one who runs this or another."""
    return keys.look(place, STATE, [YAML], [TOKEN], "agent", os.geteuid() if uid is None else uid)


def test_all_is_closed(machine: Recorded) -> None:
    """One good line."""
    assert [each.level for each in keys.judge(looked(machine.place))] == [Level.GOOD]


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    """A device that never joined has nothing to hide."""
    assert [each.level for each in keys.judge(looked(Place(tmp_path)))] == [Level.GOOD]


@pytest.mark.parametrize(
    ("name", "mode", "level", "mend"),
    [
        (STATE / "credentials", 0o640, Level.BAD, f"sudo chmod 600 {STATE}/credentials"),
        (STATE, 0o755, Level.WARNING, f"sudo chmod 700 {STATE}"),
        (YAML, 0o664, Level.WARNING, f"sudo chmod go-w {YAML}"),
    ],
)
def test_what_is_open_to_others(
    machine: Recorded, name: Path, mode: int, level: Level, mend: str
) -> None:
    """Each by its path on the machine, with what closes it."""
    machine.place.path(name).chmod(mode)
    (found,) = keys.judge(looked(machine.place))
    assert (found.level, found.mend) == (level, mend)


def test_what_belongs_to_another(machine: Recorded) -> None:
    """As after a restore as root: the agent could not read it."""
    found = keys.judge(looked(machine.place, uid=12345))
    wrong = {each.mend for each in found if each.level is Level.BAD}
    assert wrong == {f"sudo chown agent: {STATE}", f"sudo chown agent: {STATE}/credentials"}


@pytest.mark.parametrize(
    ("uid", "level"), [(0, Level.GOOD), (985, Level.GOOD), (1000, Level.WARNING)]
)
def test_who_may_own_what_the_agent_obeys(uid: int, level: Level) -> None:
    """Root, and the agent's own user."""
    file = File(str(YAML), 0o100644, uid)
    (found,) = keys.judge(Keys(trusted=(file,), user="agent", uid=985))
    assert found.level is level


def test_a_token_that_was_left(machine: Recorded) -> None:
    """Any computer can read the boot partition."""
    machine.put(str(TOKEN), "telegauge-...")
    (found,) = keys.judge(looked(machine.place))
    assert found.level is Level.WARNING
    assert f"sudo rm {TOKEN}" in found.mend


def test_what_one_may_not_see() -> None:
    """Said as that, not as if nothing were there."""
    with open_folder() as root:
        machine = Recorded(root)
        machine.put(f"{STATE}/credentials", "{}", 0o600)
        for folder in ("var", "var/lib"):
            (root / folder).chmod(0o755)
        (root / "var/lib/telegauge-device").chmod(0o000)
        with not_root():
            found = keys.judge(looked(machine.place))
        (root / "var/lib/telegauge-device").chmod(0o700)
    assert [each.mend for each in found if each.level is Level.WARNING] == [
        "sudo telegauge-device doctor"
    ]
