"""device.doctor.groups: whose groups count, and which are missing."""

import os
from pathlib import Path

import pytest

from device.doctor import groups
from device.doctor.board import Board
from device.doctor.finding import Level
from device.doctor.groups import HARDWARE, Account
from device.doctor.needs import Needs
from kit.recorded import Recorded, recorded_pi

ALL = frozenset(HARDWARE)
BUTTON = Needs(pins=("door",))
PI, PC = Board("Raspberry Pi 4"), Board()


def test_the_services_user_is_meant_where_it_is_installed(tmp_path: Path) -> None:
    """Whoever looks; its groups are those of the file."""
    found = groups.look(recorded_pi(tmp_path).place)
    assert found[:4] == ("telegauge-device", 985, True, ALL)
    assert found.active is None
    (judged,) = groups.judge(found, PI, BUTTON)
    assert judged.message == "telegauge-device is in gpio, i2c, spi, dialout, video"


def test_else_who_looks_is_meant(tmp_path: Path) -> None:
    """Named by the machine's own list; a primary group counts as well."""
    machine = Recorded(tmp_path)
    machine.put("etc/passwd", f"ada:x:{os.geteuid()}:993::/home/ada:/bin/sh\n")
    machine.put("etc/group", "gpio:x:993:\ni2c:x:994:bob,ada\nspi:x:995:bob\n")
    found = groups.look(machine.place)
    assert found[:4] == ("ada", os.geteuid(), False, {"gpio", "i2c"})
    assert found.active is not None


@pytest.mark.parametrize(("needs", "level"), [(BUTTON, Level.BAD), (Needs(), Level.WARNING)])
def test_a_group_is_missing(needs: Needs, level: Level) -> None:
    """Bad where a sensor needs it; for a service a restart makes it count."""
    account = Account("telegauge-device", 985, True, ALL - {"gpio"}, ALL)
    (found,) = groups.judge(account, PI, needs)
    assert (found.level, found.mend) == (
        level,
        "sudo usermod -aG gpio telegauge-device\nsudo systemctl restart telegauge-device",
    )


def test_groups_on_a_machine_that_is_no_pi() -> None:
    """Count where a sensor needs one."""
    account = Account("ada", 1000, False, frozenset(), frozenset({"gpio", "dialout", "video"}))
    assert [each.level for each in groups.judge(account, PC, Needs())] == [Level.GOOD]
    (found,) = groups.judge(account, PC, Needs(ports={"/dev/ttyUSB0": ("gps",)}))
    assert found.level is Level.BAD
    assert "group dialout; needed by gps" in found.message


def test_the_unit_may_give_it(tmp_path: Path) -> None:
    """SupplementaryGroups= of a drop-in counts, for the service alone."""
    account = Account("telegauge-device", 985, True, ALL - {"gpio"}, ALL)
    given = frozenset({"gpio"})
    assert groups.judge(account, PI, BUTTON, given)[0].level is Level.GOOD
    other = account._replace(user="ada", is_service=False)
    assert groups.judge(other, PI, BUTTON, given)[0].level is Level.BAD


def test_a_group_that_counts_from_the_next_login(tmp_path: Path) -> None:
    """The classic: usermod was run, and nothing changed."""
    (found,) = groups.judge(Account("ada", 1000, False, ALL, ALL, ALL - {"gpio"}), PI, BUTTON)
    assert (found.level, found.mend) == (Level.BAD, "log out and in again")


def test_groups_that_the_machine_lacks_are_not_missed() -> None:
    """Debian on a PC has no gpio."""
    some = frozenset({"dialout", "video", "users"})
    (found,) = groups.judge(Account("ada", 1000, False, some, some, some), PI, Needs())
    assert (found.level, found.message) == (Level.GOOD, "ada is in dialout, video")
    (found,) = groups.judge(Account("ada", 1000, False), PI, Needs())
    assert found.level is Level.GOOD


def test_root_needs_none() -> None:
    """It may use everything."""
    (found,) = groups.judge(Account("root", 0, False, present=ALL), PI, BUTTON)
    assert found.level is Level.GOOD
