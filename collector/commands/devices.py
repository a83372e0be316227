"""telegauge-collector devices: who may send, and who may not."""

import argparse
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import ask_or_open, settings_of
from service import table
from service.cli import add_json, to_json

if TYPE_CHECKING:
    from collector.membership import MemberStatus

HELP = "list the devices: invited, joined, revoked, and those of this machine that need no key"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print how every device stands."""
    from collector.membership import MemberStatus
    from collector.times import zone_of

    settings = settings_of(options)
    devices = ask_or_open(settings, list[MemberStatus], "devices")
    if options.json:
        print(to_json(devices))
        return 0
    zone = zone_of(settings.time_zone)
    heads = ("DEVICE", "STANDING", "STATE", "JOINED", "LAST HEARD")
    print("\n".join(table.lines(heads, [_row(each, zone) for each in devices])))
    if not devices:
        print("none yet: telegauge-collector invite NAME lets one in")
    return 0


def _row(device: "MemberStatus", zone: tzinfo) -> tuple[str, ...]:
    from collector.times import told

    states = {None: "unknown", True: "connected", False: "away"}
    key = ", has a new key it has not used yet" if device.has_unused_key else ""
    return (
        device.device,
        device.standing + key,
        states[device.connected],
        told(device.joined_ns, zone) if device.joined_ns else "",
        told(device.heard_ns, zone) if device.heard_ns else "never",
    )
