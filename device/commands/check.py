"""telegauge-device check: is this YAML right?"""

import argparse
import socket

from device.commands import config_file, credentials, hides_credentials, settings_of

HELP = "say whether the YAML is right, and where it is not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Print what would run; problems end it with 2."""
    settings = settings_of(options)

    from device.contact import contact_of

    sensors = ", ".join(f"{name} ({each.driver})" for name, each in settings.sensors.items())
    print(f"{config_file(options)}: good")
    print(f"  {len(settings.sensors)} sensors: {sensors}")
    if hides_credentials():
        print("  whether and as whom it joined is not for this user to see: put sudo in front")
        return 0
    contact = contact_of(settings, credentials(), socket.gethostname())
    print(f"  readings go to {contact.addresses[0]}, as {contact.device}")
    if not contact.may_use(contact.addresses[0]):
        print("  but not yet: it is another machine, and this device has not joined it")
    return 0
