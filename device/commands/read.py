"""telegauge-device read: every sensor once, now."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from device.commands import credentials, runtime_folder, settings_of
from service import control, table
from service.cli import UsageError, add_json, to_json
from wire.readings import in_words

if TYPE_CHECKING:
    from device.answers import ReadResult
    from device.settings import DeviceSettings

HELP = "read every sensor once, or the one named, and print what it gave"
_ANSWER_WITHIN_S = 3700.0  # a timeout may be set to an hour


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sensor's name and --json."""
    parser.add_argument("sensor", nargs="?", metavar="SENSOR", help="only this sensor")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Ask the running agent, which owns the pins; where none runs, read here. 1 if any is bad."""
    from device.answers import ReadResult

    socket = runtime_folder() / "control"
    try:
        results = control.ask_for(
            list[ReadResult], socket, "read", _ANSWER_WITHIN_S, **_wanted(options)
        )
    except control.Failed as error:
        if str(error).startswith("no sensor"):
            raise UsageError(str(error)) from None
        raise
    except control.NotRunning:
        results = _read_here(settings_of(options), options.sensor)
    else:
        if options.config is not None:
            print(f"the running agent was asked; {options.config} was not read", file=sys.stderr)
    if options.json:
        print(to_json(results))
    else:
        print("\n".join(_lines(results)))
    return 0 if all(result.quality == "good" for result in results) else 1


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    return {"sensor": options.sensor} if options.sensor else {}


def _read_here(settings: "DeviceSettings", name: str | None) -> "list[ReadResult]":
    import asyncio
    import socket

    from device.answers import read_now
    from device.contact import contact_of
    from device.events import Event, Events
    from device.sensor_set import SensorFactory, close_sensors
    from service import logs

    logs.configure(logs.LogSettings(level="error"))  # the table says what failed

    async def read() -> "list[ReadResult]":
        sensors = SensorFactory().build_all(settings)

        def heard(event: Event) -> None:
            sensors[event.sensor].event_points(event.time_ns, event.samples)

        events = Events(heard)
        events.start()
        for each in sensors.values():
            each.listen(events.emitter(each.name))
        device = contact_of(settings, credentials(), socket.gethostname()).device
        try:
            return await read_now(device, sensors, name)
        except LookupError as error:
            raise UsageError(str(error)) from None
        finally:
            events.stop()
            close_sensors(sensors.values())

    return asyncio.run(read())


def _lines(results: "list[ReadResult]") -> list[str]:
    return table.lines(
        ("SERIES", ">VALUE", "UNIT", "QUALITY", ">TOOK", "DETAIL"),
        [
            (
                result.series,
                "-" if result.value is None else f"{result.value:.12g}",
                result.unit,
                in_words(result.quality, result.reason),
                f"{result.took_s * 1000:.1f} ms",
                result.detail,
            )
            for result in results
        ],
    )
