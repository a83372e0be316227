"""telegauge-collector revoke: let a device in no more."""

import argparse

from collector.commands import ask_or_open, settings_of

HELP = "let a device in no more; once this returns nothing more of it is stored"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the device."""
    parser.add_argument("device", metavar="NAME", help="the device's name")


def run(options: argparse.Namespace) -> int:
    """Revoke it, and say so."""
    ask_or_open(settings_of(options), type(None), "revoke", device=options.device)
    print(
        f"{options.device} is revoked: nothing more of it is stored. What it sent stays, and the line "
        "that it joined by is of no more use to anybody. "
        f"To let it in again: telegauge-collector invite {options.device}"
    )
    return 0
