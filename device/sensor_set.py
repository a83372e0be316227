"""The sensors of this device as a whole: built from the YAML, changed by a reload, closed at the end."""

import asyncio
import time
from collections.abc import Iterable

import structlog

from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import make
from device.settings import DeviceSettings

_log = structlog.get_logger()

_CLOSE_WITHIN_S = 2.0


def build_sensors(settings: DeviceSettings) -> dict[str, Sensor]:
    """Build every configured sensor; nothing is opened yet."""
    return {name: _built(settings, name) for name in settings.sensors}


def close_sensors(sensors: Iterable[Sensor]) -> list[str]:
    """Close every adapter; return the names of those that hang and are left behind. Blocks."""
    closing = list(sensors)
    for sensor in closing:
        sensor.reader.stop()
    until_s = time.monotonic() + _CLOSE_WITHIN_S
    return [
        sensor.name
        for sensor in closing
        if not sensor.reader.join(max(0.0, until_s - time.monotonic()))
    ]


class SensorChange:
    """What other settings make of the sensors of a running agent.

    Those with the same driver and options keep their adapter, and all that is under way; the others
    are closed before what comes in their place is opened: it may want the same pin.
    """

    def __init__(self, sampler: Sampler, former: DeviceSettings, now: DeviceSettings) -> None:
        self._sampler = sampler
        self._former = former
        self._now = now
        present = sampler.sensors
        self._stay = {
            name: present[name]
            for name in now.sensors
            if name in present and _adapter(former, name) == _adapter(now, name)
        }
        self._gone = [sensor for name, sensor in present.items() if name not in self._stay]
        self._all = {name: self._stay.get(name) or _built(now, name) for name in now.sensors}

    async def close_gone(self) -> None:
        """Read on with those that stay, and close the others off the main loop."""
        self._sampler.use(self._stay)
        hung = await asyncio.to_thread(close_sensors, self._gone) if self._gone else []
        if hung:
            _log.warning("sensors_not_closed", sensors=hung, waited_s=_CLOSE_WITHIN_S)

    def finish(self) -> None:
        """Read all from now on, by what the YAML says of each.

        An interval that a command has set stays, unless the YAML's own is another now.
        """
        for name, sensor in self._stay.items():
            timing = self._now.sensor_timing(name)
            sensor.change(self._now.sensors[name], timing.timeout_s)
            if timing.interval_s != self._former.sensor_timing(name).interval_s:
                self._sampler.set_interval(name, timing.interval_s)
        self._sampler.use(self._all)


def _built(settings: DeviceSettings, name: str) -> Sensor:
    sensor = settings.sensors[name]
    adapter = make(sensor.driver, sensor.options)
    return Sensor(name, sensor, *settings.sensor_timing(name), adapter)


def _adapter(settings: DeviceSettings, name: str) -> tuple[object, ...]:
    sensor = settings.sensors[name]
    return sensor.driver, sensor.options
