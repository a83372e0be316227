"""The groups that the files of hardware belong to, and whether the agent's user is in them."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from device import PROGRAM
from device.doctor.board import Board
from device.doctor.finding import Finding, as_needed, good
from device.doctor.needs import Needs
from device.doctor.place import Place

_SUBJECT = "groups"
HARDWARE = ("gpio", "i2c", "spi", "dialout", "video")


class Account(NamedTuple):
    """Who reads the sensors.

    `groups`: of the hardware's, the ones that this user is in; `present`: all that this machine has;
    `active`: the ones in force for the process that looks, None where another user is meant.
    """

    user: str
    uid: int
    is_service: bool
    groups: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    active: frozenset[str] | None = None


def look(place: Place) -> Account:
    """Look at the service's user where it is installed, else at who runs this."""
    users = {fields[0]: fields for fields in _lines(place, "/etc/passwd", 4)}
    uid = str(os.geteuid())
    name = next((user for user, fields in users.items() if fields[2] == uid), f"user id {uid}")
    is_service = PROGRAM in users
    user = PROGRAM if is_service else name
    primary = users[user][3] if user in users else str(os.getegid())
    known = {fields[0]: fields for fields in _lines(place, "/etc/group", 4)}
    hardware = {group: known[group] for group in HARDWARE if group in known}
    in_force = {*map(str, os.getgroups()), str(os.getegid())}
    return Account(
        user,
        int(users[user][2] if is_service else uid),
        is_service,
        frozenset(
            group
            for group, fields in hardware.items()
            if user in fields[3].split(",") or fields[2] == primary
        ),
        frozenset(known),
        None
        if is_service
        else frozenset(group for group, fields in hardware.items() if fields[2] in in_force),
    )


def judge(
    account: Account, board: Board, needs: Needs, of_unit: frozenset[str] = frozenset()
) -> list[Finding]:
    """Say which are missing; `of_unit` are those that the unit gives besides (SupplementaryGroups=)."""
    if account.user == "root":
        return [good(_SUBJECT, "root may use all hardware")]
    users = _users(needs)
    groups = account.groups | (of_unit if account.is_service else frozenset())
    wanted = {group for group in HARDWARE if board.is_pi or users[group]}
    missing = [group for group in HARDWARE if group in wanted & account.present - groups]
    asleep = [
        group
        for group in HARDWARE
        if account.active is not None and group in wanted & groups - account.active
    ]
    found = [_missing(group, account, users[group]) for group in missing]
    found += [_asleep(group, account, users[group]) for group in asleep]
    if found:
        return found
    theirs = [group for group in HARDWARE if group in groups]
    if not theirs:
        return [good(_SUBJECT, f"no sensor needs a group that {account.user} is not in")]
    return [good(_SUBJECT, f"{account.user} is in {', '.join(theirs)}")]


def _users(needs: Needs) -> Mapping[str, tuple[str, ...]]:
    return {
        "gpio": needs.pins,
        "i2c": needs.any_i2c,
        "spi": needs.spi,
        "dialout": needs.any_port,
        "video": (),
    }


def _missing(group: str, account: Account, who: tuple[str, ...]) -> Finding:
    then = f"sudo systemctl restart {PROGRAM}" if account.is_service else "log out and in again"
    return as_needed(
        who,
        _SUBJECT,
        f"{account.user} is not in the group {group}",
        f"sudo usermod -aG {group} {account.user}\n{then}",
    )


def _asleep(group: str, account: Account, who: tuple[str, ...]) -> Finding:
    message = f"{account.user} is in the group {group}, but was not yet at the last login"
    return as_needed(who, _SUBJECT, message, "log out and in again")


def _lines(place: Place, file: str, fields: int) -> list[list[str]]:
    lines = (line.split(":") for line in (place.text(file) or "").splitlines())
    return [line for line in lines if len(line) >= fields]
