"""device.deeds: what each command does, with real sensors, a real sampler and mock pins."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from device.deeds import USAGE, Deeds, RefusedError, Reply
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import Sample
from device.settings import OutputSettings
from device.worker import CallError
from kit.adapters import Hang, ScriptedAdapter, sensor_of
from kit.waiting import WITHIN_S, until
from wire.bodies import Command

LED = OutputSettings(driver="gpiozero:LED", options={"pin": 4})
FAN = OutputSettings(driver="gpiozero:OutputDevice", options={"pin": 17})


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    """Mock pins."""
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


class Rig:
    """Deeds of a device `greenhouse` without LEDs; `changes` counts what it told of itself."""

    def __init__(
        self, *sensors: Sensor, outputs: dict[str, OutputSettings] | None = None, leds: str = "none"
    ) -> None:
        self.changes = 0
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self.sampler = Sampler(self.sensors, lambda: True, lambda *_: True, self._changed)
        self.deeds = Deeds("greenhouse", outputs or {}, self.sensors, self.sampler, Path(leds))

    async def do(self, name: str, *arguments: str, within_s: float = WITHIN_S) -> Reply:
        """Do one command."""
        return await self.deeds.do(Command(1, name, list(arguments)), within_s)

    async def end(self) -> None:
        """End all threads."""
        await self.deeds.close()
        self.deeds.stop()
        for sensor in self.sensors.values():
            sensor.reader.stop()

    def _changed(self) -> None:
        self.changes += 1


def play(rig: Rig, scenario: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario within the time of a test."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario(rig)
            await rig.end()

    asyncio.run(whole())


def half(_number: int) -> list[Sample]:
    """A read of which one channel has no value."""
    return [Sample("value", 21.5, "degC"), Sample("other", float("nan"), "%")]


def failing(_number: int) -> list[Sample]:
    """A read that fails."""
    raise OSError("bus error")


def test_ping() -> None:
    """The shortest way to see that commands arrive."""

    async def scenario(rig: Rig) -> None:
        assert await rig.do("ping") == (True, "here", {})

    play(Rig(), scenario)


def test_read_now_gives_every_reading() -> None:
    """By the full name of its series, from all sensors or the one named."""

    async def scenario(rig: Rig) -> None:
        values = {"greenhouse/air.value": 1.0, "greenhouse/soil.value": 1.0}
        assert await rig.do("read_now") == (True, "2 read, 0 of them bad", values)
        assert await rig.do("read_now", "soil") == (
            True,
            "1 read, 0 of them bad",
            {"greenhouse/soil.value": 2.0},
        )

    play(Rig(sensor_of(ScriptedAdapter()), sensor_of(ScriptedAdapter(), "soil")), scenario)


def test_bad_reading_has_no_value_and_is_named() -> None:
    """What is bad is no success, and what is good comes along."""

    async def scenario(rig: Rig) -> None:
        ok, detail, values = await rig.do("read_now")
        assert not ok
        assert detail == (
            "3 read, 2 of them bad: greenhouse/air.other (no_value), "
            "greenhouse/soil.value (OSError: bus error)"
        )
        assert values == {
            "greenhouse/air.value": 21.5,
            "greenhouse/air.other": None,
            "greenhouse/soil.value": None,
        }

    play(
        Rig(sensor_of(ScriptedAdapter(half)), sensor_of(ScriptedAdapter(failing), "soil")), scenario
    )


def test_sensor_that_hangs_costs_only_its_own_readings() -> None:
    """The others are told in time; its read goes on, it may be the schedule's too."""
    hang = Hang()

    async def scenario(rig: Rig) -> None:
        reply = await rig.do("read_now", within_s=0.2)
        assert reply == (
            False,
            "2 read, 1 of them bad: greenhouse/air.* (no answer within 0.2 s)",
            {"greenhouse/air.*": None, "greenhouse/soil.value": 1.0},
        )
        assert rig.sensors["air"].is_reading
        hang.release()
        await until(lambda: rig.sensors["air"].reads == 1)

    play(Rig(sensor_of(ScriptedAdapter(hang)), sensor_of(ScriptedAdapter(), "soil")), scenario)


def test_set_interval_holds_and_is_told() -> None:
    """The collector is told of it, and the answer says what it was before."""

    async def scenario(rig: Rig) -> None:
        ok, detail, _ = await rig.do("set_interval", "air", "500ms")
        assert ok
        assert detail == "air is read every 500ms until the agent restarts; it was every 10s"
        assert (rig.sensors["air"].interval_s, rig.changes) == (0.5, 1)

    play(Rig(sensor_of(ScriptedAdapter(), interval_s=10)), scenario)


@pytest.mark.parametrize(
    ("interval", "part"),
    [
        ("150ms", "150ms is not accepted here. Accepted: 100ms to 1d in steps of 100ms"),
        ("2d", "Accepted: 100ms to 1d"),
        ("0s", "Accepted: 100ms to 1d"),
        ("5", "5 of what? Write the unit too, for example 5s"),
        ("soon", "`soon` is not a duration"),
    ],
)
def test_interval_has_the_limits_of_the_yaml(interval: str, part: str) -> None:
    """And its words."""

    async def scenario(rig: Rig) -> None:
        with pytest.raises(RefusedError) as caught:
            await rig.do("set_interval", "air", interval)
        assert part in str(caught.value)
        assert (rig.sensors["air"].interval_s, rig.changes) == (10, 0)

    play(Rig(sensor_of(ScriptedAdapter(), interval_s=10)), scenario)


def test_output_is_switched(pins: MockFactory) -> None:
    """On, off, and the pin is given back in the end."""

    async def scenario(rig: Rig) -> None:
        assert (await rig.do("output", "fan", "on")).detail == "fan is on; it was off"
        assert pins.pin(17).state == 1
        assert (await rig.do("output", "fan", "on")).detail == "fan is on; it was on"
        assert (await rig.do("output", "fan", "off")).detail == "fan is off; it was on"
        assert pins.pin(17).state == 0
        await rig.end()
        assert pins.pin(17).function == "input"

    play(Rig(outputs={"fan": FAN, "lamp": LED}), scenario)


def test_output_that_fails_says_why(pins: MockFactory) -> None:
    """In the words of the driver."""

    async def scenario(rig: Rig) -> None:
        await rig.do("output", "fan", "on")
        with pytest.raises(CallError, match=r"OutputDevice\(pin=17\): GPIOPinInUse"):
            await rig.do("output", "twin", "on")

    play(Rig(outputs={"fan": FAN, "twin": FAN}), scenario)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("read_now ari", "no sensor `ari`. Did you mean `air`? There are: air"),
        ("set_interval ari 1s", "no sensor `ari`. Did you mean `air`?"),
        ("output fam on", "no output `fam`. Did you mean `fan`? There are: fan"),
        ("ping me", "usage: ping"),
        ("identify me", "usage: identify"),
        ("read_now air soil", "usage: read_now [SENSOR]"),
        ("set_interval air", "usage: set_interval SENSOR DURATION"),
        ("set_interval", "usage: set_interval SENSOR DURATION"),
        ("output fan", "usage: output NAME on|off"),
        ("output fan toggle", "usage: output NAME on|off"),
        ("output fan on now", "usage: output NAME on|off"),
    ],
)
def test_wrong_arguments_are_explained(words: str, said: str) -> None:
    """And nothing is done."""

    async def scenario(rig: Rig) -> None:
        with pytest.raises(RefusedError) as caught:
            await rig.do(*words.split())
        assert str(caught.value).startswith(said)
        assert rig.sensors["air"].reads == 0

    play(Rig(sensor_of(ScriptedAdapter()), outputs={"fan": FAN}), scenario)


def test_every_command_has_its_usage() -> None:
    """What wrong arguments are answered with begins with the command itself."""
    assert all(usage.split()[0] == name for name, usage in USAGE.items())


def test_identify_blinks_the_output_of_that_name(pins: MockFactory) -> None:
    """Rather than the LED of the board; to switch it by hand ends the blinking."""

    async def scenario(rig: Rig) -> None:
        ok, detail, _ = await rig.do("identify")
        assert (ok, detail) == (True, "the output `identify` blinks for 15 s")
        assert pins.pin(4).state == 1
        await until(lambda: not pins.pin(4).state)
        await until(lambda: pins.pin(4).state)
        await rig.do("output", "identify", "off")
        assert pins.pin(4).state == 0

    play(Rig(outputs={"fan": FAN, "identify": LED}), scenario)


def test_identify_blinks_the_led_of_the_board(tmp_path: Path) -> None:
    """And the agent's stop gives it back to what drove it."""
    act = tmp_path / "ACT"
    act.mkdir()
    for file, text in (("trigger", "[mmc0] none"), ("brightness", "0"), ("max_brightness", "1")):
        (act / file).write_text(text)

    async def scenario(rig: Rig) -> None:
        assert (await rig.do("identify")).detail == "the LED ACT of the board blinks for 15 s"
        assert (act / "brightness").read_text() == "1"
        await rig.deeds.close()
        assert (act / "trigger").read_text() == "mmc0"

    play(Rig(leds=str(tmp_path)), scenario)


def test_identify_without_a_light_says_what_to_do(tmp_path: Path) -> None:
    """A machine without LEDs, or one whose unit may not write to them."""

    async def scenario(rig: Rig) -> None:
        with pytest.raises(RefusedError, match="name an output `identify`"):
            await rig.do("identify")

    play(Rig(leds=str(tmp_path)), scenario)


def test_other_outputs_leave_those_that_stay_alone(pins: MockFactory) -> None:
    """A fan that is on stays on; the pin of one that goes is free at once, for whoever comes."""
    heater = OutputSettings(driver="gpiozero:OutputDevice", options={"pin": 4})

    async def scenario(rig: Rig) -> None:
        await rig.do("output", "fan", "on")
        await rig.do("output", "lamp", "on")
        await rig.deeds.use({"heater": heater, "fan": FAN})
        assert (pins.pin(17).state, pins.pin(4).function) == (1, "input")
        assert (await rig.do("output", "fan", "on")).detail == "fan is on; it was on"
        assert (await rig.do("output", "heater", "on")).detail == "heater is on; it was off"
        with pytest.raises(RefusedError, match="no output `lamp`"):
            await rig.do("output", "lamp", "off")

    play(Rig(outputs={"fan": FAN, "lamp": LED}), scenario)


def test_output_on_another_pin_gives_the_former_back(pins: MockFactory) -> None:
    """Also where that is just being switched: the switch comes first."""

    async def scenario(rig: Rig) -> None:
        switch = asyncio.create_task(rig.do("output", "lamp", "on"))
        await asyncio.sleep(0)
        await rig.deeds.use({"lamp": FAN})
        assert (await switch).ok
        assert pins.pin(4).function == "input"
        await rig.do("output", "lamp", "on")
        assert pins.pin(17).state == 1

    play(Rig(outputs={"lamp": LED}), scenario)


def test_blinking_ends_with_its_output(pins: MockFactory) -> None:
    """Nothing takes the pin again afterwards."""

    async def scenario(rig: Rig) -> None:
        await rig.do("identify")
        await rig.deeds.use({"fan": FAN})
        assert pins.pin(4).function == "input"
        with pytest.raises(RefusedError, match="nothing here may blink"):
            await rig.do("identify")

    play(Rig(outputs={"identify": LED}), scenario)
