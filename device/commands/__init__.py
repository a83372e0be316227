"""The verbs of telegauge-device, one file each; here is what several of them need."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from device import PROGRAM
from service import folders

if TYPE_CHECKING:
    from device.credentials import Credentials
    from device.settings import DeviceSettings


def config_file(options: argparse.Namespace) -> Path:
    """Return the YAML in force: -c, else the one in /etc/telegauge, else the one shipped."""
    from config import chosen

    return chosen(options.config, "device.yaml")


def settings_of(options: argparse.Namespace) -> "DeviceSettings":
    """Load the YAML in force.

    Raises:
        ConfigError: with every problem of it.
        JoinError, KeyFileError: what a join gave cannot be used as it is.
    """
    found = credentials()
    return yaml_of(options, found.device if found else None)


def yaml_of(options: argparse.Namespace, joined_as: str | None = None) -> "DeviceSettings":
    """Load the YAML in force, whatever a join gave, or for the name that it gave.

    Raises:
        ConfigError: with every problem of it.
    """
    from functools import partial

    from config import load
    from device.settings import DeviceSettings, problems

    check = partial(problems, joined_as=joined_as)
    return load(config_file(options), DeviceSettings, check)


def credentials() -> "Credentials | None":
    """Return what a join gave this device; None where it never joined, or that is not for us to see.

    Raises:
        JoinError, KeyFileError: they cannot be used as they are.
    """
    from device.credentials import load

    # Whoever checks a YAML need not be the service.
    return None if hides_credentials() else load(folders.state_folder(PROGRAM))


def hides_credentials() -> bool:
    """Say whether the folder that they would be in is closed to us: it is the service's own."""
    from device.credentials import is_handed_over

    folder = folders.state_folder(PROGRAM)
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    except PermissionError:
        return not is_handed_over()
    return not (os.access(folder, os.X_OK) or is_handed_over())


def runtime_folder() -> Path:
    """Return where the running agent's control socket is."""
    return folders.runtime_folder(PROGRAM)
