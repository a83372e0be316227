"""telegauge-device schema: the JSON Schema of the YAML, for editors."""

import argparse

HELP = "print the JSON Schema of device.yaml"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(_options: argparse.Namespace) -> int:
    """Print the schema."""
    from config import schema
    from device.settings import DeviceSettings

    print(schema.text(DeviceSettings), end="")
    return 0
