"""What is examined: what device.yaml and a join say of this device, as far as they can be read."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from config import ConfigError, chosen, load
from config.files import INSTALLED
from device import PROGRAM, credentials
from device.commands import hides_credentials
from device.commands.join import BOOT_FILES
from device.contact import Contact, contact_of
from device.credentials import Credentials
from device.doctor.finding import Finding, bad, good, warning
from device.doctor.place import Place
from device.errors import JoinError
from device.settings import DeviceSettings, SpoolSettings, problems
from service.folders import state_folder
from service.keyfile import KeyFileError

_CONFIG, _COLLECTOR = "config", "collector"
_HERE = Path("/")


class Patient(NamedTuple):
    """What is examined, beside the machine.

    `drivers`: name, driver and options of each sensor and output; `state`: the agent's folder;
    `trusted`: what it obeys; `tokens`: where one may have been left; `buses`: more of I2C to scan.
    """

    drivers: Sequence[tuple[str, str, Mapping[str, Any]]]
    contact: Contact | None
    state: Path
    spool_bytes: int
    trusted: Sequence[Path] = ()
    tokens: Sequence[Path] = BOOT_FILES
    buses: Sequence[int] = ()


def patient_of(
    place: Place, config: str | None, buses: Sequence[int] = ()
) -> tuple[Patient, list[Finding]]:
    """Read the YAML and what a join left; whatever is wrong with them is a finding."""
    found: list[Finding] = []
    state = state_folder(PROGRAM) if place.root == _HERE else Path("/var/lib", PROGRAM)
    joined, knows = _joined(place, state, found)
    file = chosen(config, "device.yaml", place.path(INSTALLED))
    settings = _settings(file, joined, found)
    contact = contact_of(settings, joined, socket.gethostname()) if settings and knows else None
    spool = settings.spool if settings else SpoolSettings()
    return (
        Patient(
            tuple(_drivers(settings)) if settings else (),
            contact,
            state,
            0 if spool.policy == "memory" else spool.max_bytes,
            (INSTALLED, INSTALLED / "device.yaml", INSTALLED / "sensors.d"),
            buses=buses,
        ),
        found,
    )


def _settings(
    file: Path, joined: Credentials | None, found: list[Finding]
) -> DeviceSettings | None:
    """Return what the YAML says; where only its rules are broken, still what it says."""
    check = partial(problems, joined_as=joined.device if joined else None)
    try:
        settings = load(file, DeviceSettings, check)
    except ConfigError as error:
        found.append(bad(_CONFIG, error.in_short, f"sudo telegauge-device check -c {file}"))
    else:
        found.append(good(_CONFIG, f"{file} is right: {', '.join(settings.sensors)}"))
        return settings
    try:
        return load(file, DeviceSettings)
    except ConfigError:
        return None


def _joined(place: Place, state: Path, found: list[Finding]) -> tuple[Credentials | None, bool]:
    """Return what a join gave, and whether that is known."""
    is_here = place.root == _HERE
    if is_here and hides_credentials():
        message = "whether and as whom this device joined is not for this user to see"
        found.append(warning(_COLLECTOR, message, f"sudo {PROGRAM} doctor"))
        return None, False
    try:
        return (
            credentials.load(state) if is_here else credentials.load(place.path(state), {})
        ), True
    except (JoinError, KeyFileError) as error:
        mend = f"on the collector: sudo telegauge-collector invite NAME\nhere: sudo {PROGRAM} join TOKEN"
        found.append(bad(_COLLECTOR, str(error), mend))
        return None, False


def _drivers(settings: DeviceSettings) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for each in (settings.sensors, settings.commands.outputs):
        for name, configured in each.items():
            yield name, configured.driver, configured.options
