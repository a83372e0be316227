"""telegauge-collector status: how the collector and each device are doing."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import control_socket, open_reader, settings_of
from service import control, table
from service.cli import add_json, to_json
from service.spoken import duration, size

if TYPE_CHECKING:
    from collector.report import DeviceStatus, Growth, Space, Status, WebStatus

HELP = "say how the collector and each device are doing, and what is missing"
_ANSWER_WITHIN_S = 10.0
_DUPLICATE = (
    "duplicate!: two devices take turns under this name, perhaps by a copied card: let one\n"
    "of them join under another name: telegauge-collector invite NAME"
)
_UNSEALED = (
    "what comes of {} is stored and can be asked, but is not compressed any more, by a fault:\n"
    "journalctl -u telegauge-collector -g sealing_failed says which; the next start tries again"
)
_AT_LEAST = "+: at least; of some gaps nobody knows how many readings they had"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Ask the running collector; where none runs, say so and ask the store. 1 in that case."""
    from collector.report import Status, stored_status
    from collector.times import zone_of

    settings = settings_of(options)
    try:
        socket = control_socket()
        status = control.ask_for(Status, socket, "status", _ANSWER_WITHIN_S)
    except control.NotRunning:
        with open_reader(settings) as reader:
            status = stored_status(reader, settings.store.min_free_bytes)
    if options.json:
        print(to_json(status))
    else:
        print("\n".join(_lines(status, zone_of(settings.time_zone))))
    return 0 if status.running else 1


def _lines(status: "Status", zone: tzinfo) -> Iterator[str]:
    if status.running:
        yield f"running for {status.uptime_s:.0f} s, listening on {status.listen}"
        yield f"{status.sessions} sessions, {status.pending_bytes} bytes wait for the store"
        if status.turned_away:
            yield f"{status.turned_away} connections of strangers were turned away at the door"
        if status.dropped_datagrams:
            drops = status.dropped_datagrams.items()
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(drops))
            yield f"datagrams dropped: {reasons}"
        if status.kernel_drops:
            yield f"{status.kernel_drops} datagrams dropped by the kernel: it had no room for them"
        if status.web is not None:
            yield from _web(status.web)
        if status.configuration is not None:
            yield from (f"! {trouble}" for trouble in status.configuration.troubles())
    else:
        yield from ("the collector is not running", "what follows is from the store")
    yield f"store {status.store}, {size(status.store_bytes)}"
    if status.space is not None:
        yield _space(status.space)
    if status.growth is not None:
        yield _growth(status.growth)
    if status.holds is not None and status.holds.count:
        yield f"sealing held the writer for {status.holds.longest_ms:g} ms at the longest"
    yield ""
    yield from _devices(status.devices, zone)
    yield from _missing([each for each in status.devices if each.loss.gaps], zone)
    yield from _datagrams(status.devices)


def _web(web: "WebStatus") -> Iterator[str]:
    yield f"HTTP on {web.listen}: {web.connections} connections, {web.listeners} listen live"
    yield from (f"! {trouble}" for trouble in web.troubles)


def _space(space: "Space") -> str:
    from config.quantities import format_size

    floor = format_size(space.min_free_bytes)
    if space.free_bytes is None:
        return f"free space not known, {floor} wanted (store.min_free)"
    free = f"{size(space.free_bytes)} free, {floor} wanted (store.min_free)"
    return f"{free}: TOO LITTLE, nothing is accepted" if space.is_low else free


def _growth(growth: "Growth") -> str:
    parts = [f"{growth.readings} readings"]
    if growth.bytes_a_reading is not None:
        parts.append(f"{growth.bytes_a_reading:.2f} bytes each")
    if growth.unsealed_readings:
        parts.append(f"{growth.unsealed_readings} not compressed yet")
    if growth.bytes_a_day is not None:
        parts.append(f"grows {size(max(0, round(growth.bytes_a_day)))} a day")
    if growth.full_in_days is not None:
        parts.append(f"room for {duration(growth.full_in_days * 86_400)}")
    return ", ".join(parts)


def _devices(devices: "Sequence[DeviceStatus]", zone: tzinfo) -> list[str]:
    heads = ("DEVICE", "STATE", ">READINGS", ">LOST", ">GAPS", "LAST HEARD", "LABEL")
    lines = table.lines(heads, [_device(each, zone) for each in devices])
    if any(each.duplicate_identity for each in devices):
        lines.append(_DUPLICATE)
    unsealed = ", ".join(each.device for each in devices if each.sealing_failed)
    return [*lines, _UNSEALED.format(unsealed)] if unsealed else lines


def _device(device: "DeviceStatus", zone: tzinfo) -> tuple[str, ...]:
    from collector.times import told

    states = {None: "unknown", True: "connected", False: "away"}
    return (
        device.device,
        "duplicate!" if device.duplicate_identity else states[device.connected],
        str(device.readings),
        _lost(device.loss.lost_readings, device.loss.uncounted_gaps),
        str(device.loss.gaps),
        told(device.heard_ns, zone) if device.heard_ns else "never",
        device.label or "",
    )


def _missing(devices: "Sequence[DeviceStatus]", zone: tzinfo) -> Iterator[str]:
    """Say of the devices that lack something when that was, and why."""
    if not devices:
        return
    heads = ("MISSING OF", ">LOST IN 24 H", ">GAPS IN 24 H", "LATEST GAP", "REASON")
    yield ""
    yield from table.lines(heads, [_missing_of(each, zone) for each in devices])
    if any(each.loss.uncounted_gaps for each in devices):
        yield _AT_LEAST
    yield "telegauge-collector gaps shows each of them"


def _missing_of(device: "DeviceStatus", zone: tzinfo) -> tuple[str, ...]:
    from collector.times import told
    from config.problems import shown

    loss = device.loss
    return (
        device.device,
        _lost(loss.recent_lost_readings, loss.recent_uncounted_gaps),
        str(loss.recent_gaps),
        "unknown" if loss.latest_ns is None else told(loss.latest_ns, zone),
        shown(loss.latest_reason or ""),
    )


def _datagrams(devices: "Sequence[DeviceStatus]") -> Iterator[str]:
    some = [(each.device, each.datagrams) for each in devices if each.datagrams is not None]
    if not some:
        return
    rows = [(device, str(each.received), str(each.missing)) for device, each in some]
    yield ""
    yield from table.lines(("DATAGRAMS OF", ">RECEIVED", ">MISSING"), rows)


def _lost(readings: int, uncounted_gaps: int) -> str:
    return f"{readings}+" if uncounted_gaps else str(readings)
