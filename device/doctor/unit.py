"""The unit: installed, running, and its sandbox letting the configured sensors through.

What it is made of is read as systemd has it, drop-ins included: systemd.exec(5), systemd.resource-control(5).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from device import PROGRAM
from device.doctor.finding import Finding, bad, good, warning
from device.doctor.needs import Needs
from device.doctor.place import Place

_SUBJECT = "unit"
_PROPERTIES = (
    "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload", "Result", "User",
    "DevicePolicy", "DeviceAllow", "PrivateDevices", "SupplementaryGroups", "ProtectHome",
)  # fmt: skip
_SHOW = ("systemctl", "show", f"{PROGRAM}.service", *(f"--property={name}" for name in _PROPERTIES))
_UNMASK = f"sudo systemctl unmask {PROGRAM}\nsudo systemctl enable --now {PROGRAM}"
_HOMES = ("/home/", "/root/", "/run/user/")
_INSTALL = "see docs/install.md; by hand it runs with: telegauge-device run"


class Unit(NamedTuple):
    """What systemd says of the unit. `allowed`: DeviceAllow=, each as it stands there."""

    load: str
    active: str
    at_boot: str
    result: str = "success"
    is_stale: bool = False
    device_policy: str = "auto"
    allowed: tuple[str, ...] = ()
    has_private_devices: bool = False
    groups: frozenset[str] = frozenset()
    hides_home: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether systemd found the file."""
        return self.load == "loaded"


def look(place: Place) -> Unit | None:
    """Ask systemd; None where there is none."""
    said = place.run(_SHOW)
    return None if said is None else read(said)


def read(said: str) -> Unit | None:
    """Return what `systemctl show` says; None where that is nothing. A property may come twice."""
    values: dict[str, list[str]] = {}
    for line in said.splitlines():
        name, equals, value = line.partition("=")
        if equals and value:
            values.setdefault(name, []).append(value)
    if "LoadState" not in values:
        return None
    one: Mapping[str, str] = {name: given[-1] for name, given in values.items()}
    return Unit(
        one["LoadState"],
        one.get("ActiveState", "inactive"),
        one.get("UnitFileState", ""),
        one.get("Result", "success"),
        one.get("NeedDaemonReload") == "yes",
        one.get("DevicePolicy", "auto"),
        tuple(values.get("DeviceAllow", ())),
        one.get("PrivateDevices") == "yes",
        frozenset(" ".join(values.get("SupplementaryGroups", ())).split()),
        one.get("ProtectHome", "no") in ("yes", "tmpfs"),
    )


def judge(
    unit: Unit | None, needs: Needs, ports: Mapping[str, str], groups: frozenset[str]
) -> list[Finding]:
    """Say how it stands.

    Args:
        ports: what a configured serial port is a link to, such as /dev/ttyACM0, by its path.
        groups: all that this machine has.
    """
    if unit is None:
        return [good(_SUBJECT, "no systemd here: nothing restarts the agent", _INSTALL)]
    if unit.load == "masked":
        return [warning(_SUBJECT, "it is masked: nothing starts it", _UNMASK)]
    if not unit.is_installed:
        return [warning(_SUBJECT, "not installed as a service", _INSTALL)]
    return [
        *_standing(unit),
        *_groups(unit, groups),
        *_homes(unit, needs),
        *_sandbox(unit, needs, ports),
    ]


def _standing(unit: Unit) -> Iterator[Finding]:
    if unit.is_stale:
        message = "its files have changed since systemd read them"
        mend = f"sudo systemctl daemon-reload\nsudo systemctl restart {PROGRAM}"
        yield warning(_SUBJECT, message, mend)
    if unit.active == "active":
        yield good(_SUBJECT, f"{PROGRAM} runs")
    elif unit.active in ("activating", "reloading", "deactivating") and unit.result == "success":
        yield good(_SUBJECT, f"{PROGRAM} is {unit.active}")
    elif unit.active == "inactive" and unit.result == "success":
        yield warning(_SUBJECT, "it does not run", f"sudo systemctl start {PROGRAM}")
    else:
        mend = f"systemctl status {PROGRAM}\nsudo systemctl restart {PROGRAM}"
        yield bad(_SUBJECT, f"it has failed ({unit.result})", mend)
    if unit.at_boot == "disabled":
        message = "it does not start at boot"
        yield warning(_SUBJECT, message, f"sudo systemctl enable {PROGRAM}")


def _groups(unit: Unit, groups: frozenset[str]) -> Iterator[Finding]:
    if missing := sorted(unit.groups - groups):
        message = f"SupplementaryGroups= names {', '.join(missing)}, which this machine lacks: it cannot start"
        yield bad(_SUBJECT, message, f"sudo systemctl edit {PROGRAM}, and leave them out")


def _homes(unit: Unit, needs: Needs) -> Iterator[Finding]:
    """Say what a sensor runs or reads that its sandbox hides."""
    for path, who in needs.files.items():
        if unit.hides_home and path.startswith(_HOMES):
            message = f"its sandbox hides {path} (ProtectHome=); needed by {', '.join(who)}"
            mend = f"put it elsewhere, as in /usr/local/bin or /srv, or: {_edit('ProtectHome=read-only')}"
            yield bad(_SUBJECT, message, mend)


def _sandbox(unit: Unit, needs: Needs, ports: Mapping[str, str]) -> list[Finding]:
    wanted = list(_wanted(needs, ports))
    if unit.has_private_devices and wanted:
        who = tuple(dict.fromkeys(each for _, names in wanted for each in names))
        message = f"PrivateDevices=yes hides all hardware; needed by {', '.join(who)}"
        return [bad(_SUBJECT, message, _edit("PrivateDevices=no"))]
    if unit.device_policy == "auto" and not unit.allowed:
        return [good(_SUBJECT, "its sandbox hides no device")]
    found = [
        bad(
            _SUBJECT,
            f"its sandbox does not allow {device}; needed by {', '.join(who)}",
            _edit(f"DeviceAllow={device} rw"),
        )
        for device, who in wanted
        if not _is_allowed(device, unit.allowed)
    ]
    return found or [good(_SUBJECT, "its sandbox lets through what the sensors need")]


def _wanted(needs: Needs, ports: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return what has to be allowed, as DeviceAllow= writes it, and for whom."""
    if needs.pins:
        yield "char-gpiochip", needs.pins
    if needs.any_i2c:
        yield "char-i2c", needs.any_i2c
    if needs.spi:
        yield "char-spi", needs.spi
    for path, who in needs.ports.items():
        yield ports.get(path, path), who


def _is_allowed(device: str, allowed: tuple[str, ...]) -> bool:
    """Say whether one of the lines gives a device to be read and written; none stands for `rwm`."""
    for line in allowed:
        what, _, access = line.partition(" ")
        if access and not {"r", "w"} <= set(access):
            continue
        if what == device or _names_class_of(what, device):
            return True
    return False


def _names_class_of(what: str, device: str) -> bool:
    """Say whether `char-ttyUSB` is written for `/dev/ttyUSB0`."""
    name = device.removeprefix("/dev/").rstrip("0123456789")
    return device.startswith("/dev/") and what in (f"char-{name}", "char-*")


def _edit(line: str) -> str:
    return f"sudo systemctl edit {PROGRAM}, and write\n[Service]\n{line}\nsudo systemctl restart {PROGRAM}"
