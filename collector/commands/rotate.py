"""telegauge-collector rotate: give a connected device a new key."""

import argparse
import sys

from collector.commands import control_socket, settings_of
from service import control

HELP = "give a connected device a new key; the former one dies when the new one is used"
_ANSWER_WITHIN_S = 20.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the device."""
    parser.add_argument("device", metavar="NAME", help="the device's name")


def run(options: argparse.Namespace) -> int:
    """Ask the running collector; 0 when the device has come back with its new key."""
    from collector.membership import Rotation

    settings_of(options)
    rotation = control.ask_for(
        Rotation, control_socket(), "rotate", _ANSWER_WITHIN_S, device=options.device
    )
    if rotation.is_used:
        print(f"{options.device} uses its new key; the former one is dead")
        return 0
    print(
        f"{options.device} was sent a new key and has not used it yet: both keys hold until it does. "
        "telegauge-collector devices shows when that is over",
        file=sys.stderr,
    )
    return 1
