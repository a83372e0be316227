"""telegauge-device status: how the running agent is doing."""

import argparse
from typing import TYPE_CHECKING

from device.commands import runtime_folder
from service import control, table
from service.cli import add_json, to_json
from service.spoken import duration, size
from wire.readings import in_words

if TYPE_CHECKING:
    from device.answers import DatagramStatus, SensorStatus, Status
    from device.spool_status import SpoolStatus

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
    how = " over TLS" if status.is_joined else ""
    why = f" ({status.last_end})" if status.last_end else ""
    soon = f", next try in {status.next_try_s:.0f} s" if status.next_try_s is not None else ""
    return [
        f"{status.device}: running for {duration(status.uptime_s)}",
        f"link {status.link} to {status.collector}{how}{why}{soon}",
        _readings(status),
        *_datagram_lines(status.datagrams),
        *_spool_lines(status.spool),
        *(f"! {trouble}" for trouble in status.configuration.troubles()),
        "",
        *table.lines(
            ("SENSOR", ">INTERVAL", ">READS", ">FAILED", "LAST", ">TOOK", "DETAIL"),
            map(_row, status.sensors),
        ),
    ]


def _readings(status: "Status") -> str:
    of_before = status.acknowledged_readings > status.accepted_readings
    return (
        f"readings: {status.accepted_readings} accepted, {status.acknowledged_readings} acknowledged"
        f"{' (some of earlier runs)' if of_before else ''}, {status.skipped_reads} reads skipped"
    )


def _datagram_lines(datagrams: "DatagramStatus | None") -> list[str]:
    if datagrams is None:
        return []
    said = (
        "the collector has not reported yet"
        if datagrams.received is None
        else f"in this session the collector has {datagrams.received} and misses {datagrams.missing}"
    )
    return [f"datagrams: {datagrams.sent} sent, {datagrams.failed} could not be sent; {said}"]


def _spool_lines(spool: "SpoolStatus") -> list[str]:
    room = (
        "" if spool.room_s is None else f", room for {duration(spool.room_s)} offline at this rate"
    )
    lines = [
        f"spool ({spool.policy}): {spool.held_readings} readings waiting, "
        f"{size(spool.held_bytes)} of {size(spool.max_bytes)}{room}",
        _risk(spool),
    ]
    if spool.written_bytes is not None:
        lines.append(f"written to disk since the start: {size(spool.written_bytes)}")
    return lines + _troubles(spool)


def _risk(spool: "SpoolStatus") -> str:
    if not spool.at_risk_readings:
        return "a power cut now would lose nothing"
    loss = f"a power cut now would lose {spool.at_risk_readings} readings"
    if spool.policy == "memory":
        return f"{loss}: this policy keeps nothing on the card"
    return f"{loss}, of the last {spool.at_risk_s:.1f} s (`at_risk` is {spool.at_risk_limit_s:g} s)"


def _troubles(spool: "SpoolStatus") -> list[str]:
    """What somebody should look at; nothing, most of the time."""
    lines = []
    if spool.dropped_readings:
        lines.append(
            f"! no room: {spool.dropped_readings} of the oldest readings were dropped; the collector "
            "is told which"
        )
    if spool.refused_readings:
        lines.append(f"! no room even so: {spool.refused_readings} new readings were not taken")
    if spool.full:
        lines.append("! nothing can be kept now: no sensor is read until there is room")
    if spool.card_error:
        lines.append(
            f"! the card does not work ({spool.card_error}): what is read is kept in memory only"
        )
    if spool.others_epochs:
        epochs = "1 epoch" if spool.others_epochs == 1 else f"{spool.others_epochs} epochs"
        lines.append(
            f"! readings of {epochs} were begun to be sent under another name or to another collector, "
            "and are kept for it. To send them: set `name` back to what it was, or join there again"
        )
    return lines


def _row(sensor: "SensorStatus") -> tuple[str, ...]:
    return (
        sensor.sensor,
        f"{sensor.interval_s:g} s",
        str(sensor.reads),
        str(sensor.failures),
        in_words(sensor.quality, sensor.reason),
        "-" if sensor.took_s is None else f"{sensor.took_s * 1000:.1f} ms",
        sensor.detail or sensor.note,
    )
