"""The sensors of this device as a whole: built from the YAML, changed by a reload, closed at the end."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from device.lanes import Lanes
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import Adapter, make
from device.settings import AGENT, DeviceSettings

_log = structlog.get_logger()

_CLOSE_WITHIN_S = 2.0


class SensorFactory:
    """Builds sensors as the YAML has them; nothing is opened yet.

    `own` makes what reads the agent itself; where there is none, as nobody runs, it has no sensor.
    """

    def __init__(self, own: Callable[[], Adapter] | None = None) -> None:
        self._lanes = Lanes()
        self._own = own

    def names(self, settings: DeviceSettings) -> list[str]:
        """Return the names of the sensors that there are with some settings."""
        return [
            name
            for name, sensor in settings.all_sensors.items()
            if sensor.driver != AGENT or self._own is not None
        ]

    def build(self, settings: DeviceSettings, name: str) -> Sensor:
        """Build one."""
        sensor = settings.all_sensors[name]
        rebuild: Callable[[], Adapter] = partial(make, sensor.driver, sensor.options)
        if sensor.driver == AGENT and self._own is not None:
            rebuild = self._own
        timing = settings.sensor_timing(name)
        return Sensor(name, sensor, *timing, rebuild(), self._lanes, rebuild)

    def build_all(self, settings: DeviceSettings) -> dict[str, Sensor]:
        """Build every sensor."""
        return {name: self.build(settings, name) for name in self.names(settings)}


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

    def __init__(
        self, factory: SensorFactory, sampler: Sampler, former: DeviceSettings, now: DeviceSettings
    ) -> None:
        self._sampler = sampler
        self._former = former
        self._now = now
        present = sampler.sensors
        names = factory.names(now)
        self._stay = {
            name: present[name]
            for name in names
            if name in present and _adapter(former, name) == _adapter(now, name)
        }
        self._gone = [sensor for name, sensor in present.items() if name not in self._stay]
        self._all = {name: self._stay.get(name) or factory.build(now, name) for name in names}

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
            sensor.change(self._now.all_sensors[name], timing.timeout_s)
            if timing.interval_s != self._former.sensor_timing(name).interval_s:
                self._sampler.set_interval(name, timing.interval_s)
        self._sampler.use(self._all)


def _adapter(settings: DeviceSettings, name: str) -> tuple[object, ...]:
    sensor = settings.all_sensors[name]
    return sensor.driver, sensor.options
