"""The verbs of telegauge-device, one file each; here is what several of them need."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from service import folders

if TYPE_CHECKING:
    from device.settings import DeviceSettings

PROGRAM = "telegauge-device"


def config_file(options: argparse.Namespace) -> Path:
    """Return the YAML in force: -c, else the one in /etc/telegauge, else the one shipped."""
    from config import chosen

    return chosen(options.config, "device.yaml")


def settings_of(options: argparse.Namespace) -> "DeviceSettings":
    """Load the YAML in force.

    Raises:
        ConfigError: with every problem of it.
    """
    from config import load
    from device.settings import DeviceSettings, problems

    return load(config_file(options), DeviceSettings, problems)


def runtime_folder() -> Path:
    """Return where the running agent's control socket is."""
    return folders.runtime_folder(PROGRAM)
