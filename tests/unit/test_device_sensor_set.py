"""device.sensor_set: what other settings make of running sensors, on real threads."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

import msgspec
from structlog.testing import capture_logs

from device import sensor_set
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensor_set import SensorChange, SensorFactory, close_sensors
from device.settings import DeviceSettings
from kit.adapters import Hang, ScriptedAdapter
from kit.waiting import WITHIN_S, until

AIR = {"driver": "synthetic:stuck", "options": {"value": 1}, "interval": 0.1}
DOOR = {"driver": "synthetic:counter", "interval": 0.1}


def settings_of(**sensors: dict[str, Any]) -> DeviceSettings:
    """Settings with these sensors; durations are in seconds."""
    return msgspec.convert({"sensors": sensors}, DeviceSettings)


class Rig:
    """A sampler with the sensors of settings; `count` says how often one was accepted."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.settings = settings
        self.accepted: list[str] = []
        self.factory = SensorFactory()
        self.sampler = Sampler(
            self.factory.build_all(settings), lambda: True, self._accept, lambda: None
        )

    @property
    def sensors(self) -> dict[str, Sensor]:
        """Those that there are now."""
        return self.sampler.sensors

    async def change(self, now: DeviceSettings) -> SensorChange:
        """Take up other settings, as a reload does."""
        change = SensorChange(self.factory, self.sampler, self.settings, now)
        self.settings = now
        await change.close_gone()
        change.finish()
        return change

    def count(self, name: str) -> int:
        """How many reads were accepted."""
        return self.accepted.count(name)

    def _accept(self, sensor: str, *_: object) -> bool:
        self.accepted.append(sensor)
        return True


def play(
    settings: DeviceSettings, scenario: Callable[[Rig], Coroutine[Any, Any, None]]
) -> list[Any]:
    """Run a scenario while it samples; return what was logged."""

    async def whole() -> None:
        rig = Rig(settings)
        task = asyncio.create_task(rig.sampler.run())
        async with asyncio.timeout(WITHIN_S):
            await scenario(rig)
        task.cancel()
        await asyncio.wait([task])
        assert close_sensors(rig.sensors.values()) == []

    with capture_logs() as entries:
        asyncio.run(whole())
    return list(entries)


def test_sensor_with_the_same_adapter_does_not_notice() -> None:
    """Its thread, its counts and what it counts go on, whatever becomes of the others."""

    async def scenario(rig: Rig) -> None:
        door, air = rig.sensors["door"], rig.sensors["air"]
        await until(lambda: rig.count("door") >= 2 and rig.count("air"))
        reads = door.reads
        other = AIR | {"options": {"value": 2}}
        await rig.change(settings_of(new=DOOR, door=DOOR | {"label": "Door"}, air=other))
        assert list(rig.sensors) == ["new", "door", "air"]
        assert rig.sensors["door"] is door
        assert door.description().label == "Door"
        assert rig.sensors["air"] is not air
        assert air.reader.join(0)
        await until(lambda: rig.count("new") and door.reads >= reads + 2)
        assert rig.sensors["air"].reads <= rig.count("air")

    play(settings_of(air=AIR, door=DOOR), scenario)


def test_interval_of_a_command_stays_until_the_yaml_says_another() -> None:
    """A label does not undo it."""

    async def scenario(rig: Rig) -> None:
        rig.sampler.set_interval("air", 30.0)
        await rig.change(settings_of(air=AIR | {"label": "Air", "timeout": 7.0}))
        assert (rig.sensors["air"].interval_s, rig.sensors["air"].timeout_s) == (30.0, 7.0)
        await rig.change(settings_of(air=AIR | {"interval": 0.2}))
        assert rig.sensors["air"].interval_s == 0.2

    play(settings_of(air=AIR), scenario)


def test_default_interval_is_for_those_that_say_none() -> None:
    """What is in force is compared, not where it stands."""

    async def scenario(rig: Rig) -> None:
        sensors = msgspec.structs.replace(rig.settings.sensors["air"], interval_s=None)
        other = msgspec.structs.replace(rig.settings, sensors={"air": sensors})
        await rig.change(other)
        assert rig.sensors["air"].interval_s == other.defaults.interval_s == 10.0

    play(settings_of(air=AIR), scenario)


def test_former_adapter_is_closed_before_the_next_is_opened() -> None:
    """They may want the same pin."""
    opened: list[str] = []

    class Pin(ScriptedAdapter):
        def open(self) -> None:
            assert opened == [] or opened[-1] == "closed"
            opened.append("open")

        def close(self) -> None:
            opened.append("closed")

    async def scenario(rig: Rig) -> None:
        await until(lambda: rig.count("air"))
        await rig.change(settings_of(air=AIR | {"options": {"value": 2}}))
        before = rig.count("air")
        await until(lambda: rig.count("air") >= before + 2)

    with patch.object(sensor_set, "make", lambda *_: Pin()):
        play(settings_of(air=AIR), scenario)
    assert opened == ["open", "closed"] * 2


def test_hung_driver_is_left_behind() -> None:
    """Nobody waits for it longer than for a stop, the others are read meanwhile, and the log says so."""
    hang = Hang()
    adapters = {"synthetic:stuck": ScriptedAdapter(hang), "synthetic:counter": ScriptedAdapter()}

    async def scenario(rig: Rig) -> None:
        await until(lambda: hang.begun.is_set() and rig.count("door"))
        before = rig.count("door")
        hung = rig.sensors["air"]
        await rig.change(settings_of(door=DOOR))
        assert rig.count("door") > before
        assert list(rig.sensors) == ["door"]
        hang.release()
        assert await asyncio.to_thread(hung.reader.join, WITHIN_S)

    with patch.object(sensor_set, "make", lambda driver, _: adapters[driver]):
        entries = play(settings_of(air=AIR, door=DOOR), scenario)
    (event,) = [each for each in entries if each["event"] == "sensors_not_closed"]
    assert event["sensors"] == ["air"]
