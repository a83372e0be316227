"""telegauge-device check: is this YAML right?"""

import argparse

from device.commands import config_file, settings_of

HELP = "say whether the YAML is right, and where it is not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Print what would run; problems end it with 2."""
    settings = settings_of(options)
    sensors = ", ".join(f"{name} ({each.driver})" for name, each in settings.sensors.items())
    print(f"{config_file(options)}: good")
    print(f"  {len(settings.sensors)} sensors: {sensors}")
    print(f"  readings go to {settings.collector.address}")
    return 0
