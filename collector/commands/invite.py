"""telegauge-collector invite: let a device in, by one line to paste there."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from collector.commands import ask_or_open, settings_of
from service.cli import UsageError, add_json, to_json

if TYPE_CHECKING:
    from collector.invitations import Invitation

HELP = "let a device in: print the line to paste there, and a QR code of it"
_MAX_SHOWN = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the name, for how long, and for how many."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="the device's name; with --count one with a number in it, such as 'pi-{:02}'. A device "
        "that is known gets a new key: its series go on, its former key dies",
    )
    parser.add_argument(
        "--valid", default="15m", metavar="DURATION", help="10s to 30d; left out: 15m"
    )
    parser.add_argument("--count", type=int, metavar="N", help="one line, good for N devices")
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="where the device finds this collector, in place of what this machine knows of itself",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Make an invitation; print what to do with it."""
    from collector.invitations import Invitation
    from collector.times import zone_of

    settings = settings_of(options)
    invitation = ask_or_open(settings, Invitation, "invite", **_wanted(options))
    if options.json:
        print(to_json(invitation))
        return 0
    print(_told(invitation, zone_of(settings.time_zone)))
    return 0


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    from collector.invitations import MAX_JOINS
    from config.addresses import parse_address
    from config.quantities import duration

    if options.count is not None and not 1 <= options.count <= MAX_JOINS:
        raise UsageError(f"--count: 1 to {MAX_JOINS} are accepted, not {options.count}")
    try:
        valid_s: float = duration("10s", "30d").read(options.valid)
    except ValueError as error:
        raise UsageError(f"--valid: {error}") from None
    try:
        address = parse_address(options.address) if options.address else None
    except ValueError as error:
        raise UsageError(f"--address: {error}") from None
    return {
        "name": options.name,
        "valid_s": valid_s,
        "count": options.count,
        "address": None if address is None else list(address),
    }


def _told(invitation: "Invitation", zone: Any) -> str:
    from collector.times import told

    names = invitation.names
    some = ", ".join(names) if len(names) <= _MAX_SHOWN else f"{names[0]} to {names[-1]}"
    each = f"on each of {len(names)} devices" if len(names) > 1 else "on the device"
    return "\n".join(
        (
            *(f"Note: {note}." for note in invitation.notes),
            f"For {some}, until {told(invitation.expires_ns, zone)}. Paste this {each}:",
            "",
            f"  {invitation.line}",
            "",
            _qr_code(invitation.line),
        )
    )


def _qr_code(line: str) -> str:
    """Draw the line for a camera; nothing where the terminal has no letters for that."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make_qr(line, error="l").terminal(drawn, compact=True, border=2)
    code = drawn.getvalue()
    try:
        code.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "(no QR code: this terminal does not show UTF-8)"
    return code
