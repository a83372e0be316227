"""telegauge-collector status: how the collector and each device are doing."""

import argparse
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import PROGRAM, open_reader, settings_of
from service import control, folders, table
from service.cli import add_json, to_json

if TYPE_CHECKING:
    from collector.report import DeviceStatus, Status

HELP = "say how the collector and each device are doing"
_ANSWER_WITHIN_S = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Ask the running collector; where none runs, say so and ask the store. 1 in that case."""
    from collector.report import Status, stored_status
    from collector.times import zone_of

    settings = settings_of(options)
    try:
        socket = folders.runtime_folder(PROGRAM) / "control"
        status = control.ask_for(Status, socket, "status", _ANSWER_WITHIN_S)
    except control.NotRunning:
        with open_reader(settings) as reader:
            status = stored_status(reader)
    if options.json:
        print(to_json(status))
    else:
        print("\n".join(_lines(status, zone_of(settings.time_zone))))
    return 0 if status.running else 1


def _lines(status: "Status", zone: tzinfo) -> list[str]:
    size = f"store {status.store}, {status.store_bytes / 2**20:.1f} MiB"
    if status.running:
        first = f"running for {status.uptime_s:.0f} s, listening on {status.listen}"
        second = f"{status.sessions} sessions, {status.pending_bytes} bytes wait for the store"
    else:
        first, second = "the collector is not running", "what follows is from the store"
    heads = ("DEVICE", "STATE", ">READINGS", ">GAPS", "LAST HEARD", "LABEL")
    rows = [_row(device, zone) for device in status.devices]
    return [first, second, size, "", *table.lines(heads, rows)]


def _row(device: "DeviceStatus", zone: tzinfo) -> tuple[str, ...]:
    from collector.times import told

    states = {None: "unknown", True: "connected", False: "away"}
    return (
        device.device,
        states[device.connected],
        str(device.readings),
        str(device.gaps),
        told(device.heard_ns, zone) if device.heard_ns else "never",
        device.label or "",
    )
