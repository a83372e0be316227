"""telegauge-collector check: is this YAML right?"""

import argparse

from collector.commands import config_file, settings_of, store_file

HELP = "say whether the YAML is right, and where it is not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Print what would run; problems end it with 2."""
    settings = settings_of(options)
    print(f"{config_file(options)}: good")
    print(f"  listens on {settings.devices.listen}")
    if settings.web.enabled:
        print(f"  serves HTTP on {settings.web.listen}")
    print(f"  stores in {store_file(settings)}")
    return 0
