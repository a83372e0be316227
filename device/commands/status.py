"""telegauge-device status: how the running agent is doing."""

import argparse
from typing import TYPE_CHECKING

from device.commands import runtime_folder
from service import control, table
from service.cli import add_json, to_json
from wire.readings import in_words

if TYPE_CHECKING:
    from device.answers import SensorStatus, Status

HELP = "say how the running agent is doing"
_ANSWER_WITHIN_S = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the status; 1 where no agent runs."""
    from device.answers import Status

    status = control.ask_for(Status, runtime_folder() / "control", "status", _ANSWER_WITHIN_S)
    print(to_json(status) if options.json else "\n".join(_lines(status)))
    return 0


def _lines(status: "Status") -> list[str]:
    why = f" ({status.last_end})" if status.last_end else ""
    soon = f", next try in {status.next_try_s:.0f} s" if status.next_try_s is not None else ""
    full = ["sampling stands still: the spool is full"] if status.spool_full else []
    return [
        f"{status.device}: running for {status.uptime_s:.0f} s",
        f"link {status.link} to {status.collector}{why}{soon}",
        *full,
        f"readings: {status.accepted_readings} accepted, {status.acknowledged_readings} "
        f"acknowledged, {status.held_readings} waiting "
        f"({status.held_bytes} of {status.max_bytes} bytes), {status.skipped_reads} reads skipped",
        "",
        *table.lines(
            ("SENSOR", ">INTERVAL", ">READS", ">FAILED", "LAST", ">TOOK", "DETAIL"),
            map(_row, status.sensors),
        ),
    ]


def _row(sensor: "SensorStatus") -> tuple[str, ...]:
    return (
        sensor.sensor,
        f"{sensor.interval_s:g} s",
        str(sensor.reads),
        str(sensor.failures),
        in_words(sensor.quality, sensor.reason),
        "-" if sensor.took_s is None else f"{sensor.took_s * 1000:.1f} ms",
        sensor.detail,
    )
