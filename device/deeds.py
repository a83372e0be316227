"""Deeds: what each command does on this device.

Takes the arguments as they came and explains wrong ones. Who may ask, in which turn and within
which time is `device.remote`'s.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from config.problems import did_you_mean, shown
from config.quantities import format_duration
from device.answers import ReadResult, asked_for, read_now
from device.identify import Identify
from device.lights import LEDS, Light, OutputLight, activity_led
from device.outputs import Output
from device.sampler import Sampler
from device.sensor import Sensor
from device.settings import INTERVAL, OutputSettings
from device.worker import Worker
from wire.bodies import Command

USAGE = {
    "ping": "ping",
    "identify": "identify",
    "read_now": "read_now [SENSOR]",
    "set_interval": "set_interval SENSOR DURATION",
    "output": "output NAME on|off",
}
_IDENTIFY = "identify"
_STATE = {True: "on", False: "off"}


class RefusedError(Exception):
    """It is not done; the message says why, and what would be."""


class Reply(NamedTuple):
    """What came of a command; `detail` is for people, `values` what it gave."""

    ok: bool
    detail: str
    values: Mapping[str, float | None]


class _Read(NamedTuple):
    series: str
    value: float | None
    why: str


class Deeds:
    """Does what it is told, with the sensors and outputs of this device."""

    def __init__(
        self,
        device: str,
        outputs: Mapping[str, OutputSettings],
        sensors: Mapping[str, Sensor],
        sampler: Sampler,
        leds: Path = LEDS,
    ) -> None:
        self.device = device
        self._settings = dict(outputs)
        self._outputs = {name: _output(each) for name, each in outputs.items()}
        self._sensors = sensors
        self._sampler = sampler
        self._leds = leds
        self._worker = Worker("outputs")
        self._identifying = Identify(self._worker)

    async def do(self, command: Command, read_within_s: float) -> Reply:
        """Do one command; what is read is waited for no longer than `read_within_s`.

        Raises:
            RefusedError: wrong arguments, or nothing here to do it with.
            CallError: a driver failed.
        """
        match command.name, command.arguments:
            case "ping", []:
                return _yes("here")
            case "identify", []:
                return await self._identify()
            case "read_now", [] | [_]:
                return await self._read_now(command.arguments, read_within_s)
            case "set_interval", [sensor, interval]:
                return self._set_interval(sensor, interval)
            case "output", [name, "on" | "off" as state]:
                return await self._switch(name, state == "on")
        raise RefusedError(f"usage: {USAGE[command.name]}")

    async def use(self, outputs: Mapping[str, OutputSettings]) -> None:
        """Have these outputs from now on: one that is as before keeps its pin and its state.

        Raises:
            CallError: the driver of one that is gone hangs.
        """
        former, settings = self._outputs, self._settings
        self._outputs = {
            name: former[name] if settings.get(name) == each else _output(each)
            for name, each in outputs.items()
        }
        self._settings = dict(outputs)
        gone = [each for name, each in former.items() if self._outputs.get(name) is not each]
        if former.get(_IDENTIFY) in gone:
            await self._identifying.end()
        for output in gone:
            await self._worker.run(output.close)  # behind a switch that is under way

    async def close(self) -> None:
        """End what blinks and give the pins back.

        Raises:
            CallError: the driver hangs.
        """
        await self._identifying.end()
        for output in self._outputs.values():
            if output.is_open:
                await self._worker.run(output.close)

    def stop(self) -> None:
        """Let the thread of the outputs end; one that hangs is left behind."""
        self._worker.stop()

    async def _identify(self) -> Reply:
        await self._identifying.end()
        light = self._light()
        if light is None:
            raise RefusedError(
                "nothing here may blink: name an output `identify` under `commands: outputs:` in "
                "device.yaml, or let the agent write to /sys/class/leds/ACT"
            )
        await self._identifying.begin(light)
        return _yes(f"{light.name} blinks for {self._identifying.blink_s:g} s")

    def _light(self) -> Light | None:
        if _IDENTIFY in self._outputs:
            return OutputLight(_IDENTIFY, self._outputs[_IDENTIFY])
        return activity_led(self._leds)

    async def _read_now(self, names: list[str], within_s: float) -> Reply:
        chosen = [_known(name, self._sensors, "sensor") for name in names]
        chosen = chosen or asked_for(self._sensors)
        reads = await self._reads(chosen, within_s)
        bad = [f"{read.series} ({read.why})" for read in reads if read.value is None]
        detail = f"{len(reads)} read, {len(bad)} of them bad"
        if bad:
            detail = f"{detail}: {', '.join(bad)}"
        return Reply(not bad, detail, {read.series: read.value for read in reads})

    async def _reads(self, names: list[str], within_s: float) -> list[_Read]:
        """Read sensors side by side; one that takes too long costs its own readings only."""
        sensors = dict(self._sensors)  # a reload may take one away meanwhile
        tasks = {name: asyncio.create_task(read_now(self.device, sensors, name)) for name in names}
        try:
            await asyncio.wait(tasks.values(), timeout=within_s)
        finally:
            for task in tasks.values():
                task.cancel()  # the read itself goes on: it may be the schedule's too
        late = f"no answer within {within_s:.3g} s"
        found: list[_Read] = []
        for name, task in tasks.items():
            absent = [_Read(f"{self.device}/{name}.*", None, late)]
            found += map(_read, task.result()) if task.done() else absent
        return found

    def _set_interval(self, name: str, text: str) -> Reply:
        sensor = self._sensors[_known(name, self._sensors, "sensor")]
        try:
            interval_s = INTERVAL.read(text)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        before, now = format_duration(sensor.interval_s), format_duration(interval_s)
        self._sampler.set_interval(name, interval_s)
        return _yes(f"{name} is read every {now} until the agent restarts; it was every {before}")

    async def _switch(self, name: str, is_on: bool) -> Reply:
        _known(name, self._outputs, "output")
        if name == _IDENTIFY:
            await self._identifying.end()
        output = self._outputs[_known(name, self._outputs, "output")]
        before = await self._worker.run(partial(output.switch, is_on))
        return _yes(f"{name} is {_STATE[is_on]}; it was {_STATE[before]}")


def _output(settings: OutputSettings) -> Output:
    return Output(settings.driver, settings.options)


def _read(result: ReadResult) -> _Read:
    return _Read(result.series, result.value, result.detail or result.reason)


def _known(name: str, known: Mapping[str, object], what: str) -> str:
    if name in known:
        return name
    guess, all_names = did_you_mean(name, known), ", ".join(known)
    raise RefusedError(f"no {what} `{shown(name)}`.{guess} There are: {all_names}")


def _yes(detail: str) -> Reply:
    return Reply(True, detail, {})
