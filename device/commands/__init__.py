"""The verbs of telegauge-device, one file each; here is what several of them need."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from service import folders
from service.cli import UsageError

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
        UsageError: with every problem of it.
    """
    from config import ConfigError, load
    from device.settings import DeviceSettings, problems

    try:
        return load(config_file(options), DeviceSettings, problems)
    except ConfigError as error:
        raise UsageError(f"the configuration is wrong\n{error}") from None


def runtime_folder() -> Path:
    """Return where the running agent's control socket is."""
    return folders.runtime_folder(PROGRAM)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def to_json(answer: object) -> str:
    """Return an answer as indented JSON."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
