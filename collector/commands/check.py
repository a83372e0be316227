"""telegauge-collector check: is this YAML right?"""

import argparse
import sys

from collector.commands import config_file, settings_of, store_file

HELP = "say whether the YAML is right, and where it is not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Print what would run; problems end it with 2."""
    from collector.alerts.notifiers import problems_of

    settings = settings_of(options)
    print(f"{config_file(options)}: good")
    print(f"  listens on {settings.devices.listen}")
    if settings.web.enabled:
        print(f"  serves HTTP on {settings.web.listen}")
    print(f"  stores in {store_file(settings)}")
    found = [
        problem
        for name, notifier in settings.alerts.notify.items()
        for problem in problems_of(name, notifier)
    ]
    for problem in found:
        print(f"problem: {problem}", file=sys.stderr)
    return 2 if found else 0
