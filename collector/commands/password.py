"""telegauge-collector password: let browsers of other machines in."""

import argparse
import sys
from typing import TYPE_CHECKING

from collector.commands import ask_or_open, settings_of
from service.cli import UsageError

if TYPE_CHECKING:
    from collector.web.access import Password
    from collector.web.granting import Reached

HELP = "set the password by which browsers of other machines come in; who is in has to log in again"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --remove."""
    parser.description = (
        f"{HELP[0].upper()}{HELP[1:]}. It is asked for twice; where nobody types it is one line of "
        "the standard input."
    )
    parser.add_argument(
        "--remove", action="store_true", help="let no browser of another machine in any more"
    )


def run(options: argparse.Namespace) -> int:
    """Ask for it, keep what it is checked against, and say where browsers find the collector."""
    from collector.web.granting import PASSWORD, Reached

    settings = settings_of(options)
    password = None if options.remove else _asked()
    reached = ask_or_open(settings, Reached, PASSWORD, password=password)
    if options.remove:
        print("the password is gone: browsers of other machines are not let in")
    else:
        print("\n".join(_told(reached)))
    return 0


def _asked() -> "Password":
    from collector.web.access import new_password

    return new_password(_typed() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n"))


def _typed() -> str:
    from getpass import getpass

    text = getpass("Password: ")
    if getpass("The same again: ") != text:
        raise UsageError("these are two passwords: nothing was changed")
    return text


def _told(reached: "Reached") -> list[str]:
    lines = ["the password is set"]
    if reached.urls:
        lines.append(f"in a browser: {'  or  '.join(reached.urls)}")
    if reached.fingerprint:
        lines += [
            "it warns of a certificate that nobody else has signed. This is its SHA-256:",
            f"  {reached.fingerprint}",
        ]
    return [*lines, f"Note: {reached.note}"] if reached.note else lines
