"""device.remote: the allow-list, the turns, the time, and that every RESULT fits the wire."""

import asyncio
import math
import re
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from device import deeds, remote
from device.remote import MAX_WAITING, Remote
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import Channel, Sample, SensorError
from device.settings import CommandName, CommandSettings, OutputSettings
from kit.adapters import Hang, ScriptedAdapter, sensor_of
from kit.waiting import WITHIN_S, until
from wire import frames
from wire.bodies import Command, Result

ALL: Sequence[CommandName] = ("ping", "identify", "read_now", "set_interval")
FAN = {"fan": OutputSettings(driver="gpiozero:OutputDevice", options={"pin": 17})}


class Rig:
    """A Remote of a device `greenhouse`."""

    def __init__(
        self,
        *sensors: Sensor,
        allow: Sequence[CommandName] = ALL,
        outputs: dict[str, OutputSettings] | None = None,
    ) -> None:
        self.sensors = {sensor.name: sensor for sensor in sensors}
        sampler = Sampler(self.sensors, lambda: True, lambda *_: True, lambda: None)
        commands = CommandSettings(allow=tuple(allow), outputs=outputs or {})
        self.remote = Remote(commands, "greenhouse", self.sensors, sampler, Path("none"))
        self._id = 0

    async def obey(self, name: str, *arguments: str, within_s: float = WITHIN_S) -> Result:
        """Have one command done; its RESULT must be one that the collector takes."""
        self._id += 1
        asked = self._id
        result = await self.remote.obey(Command(asked, name, list(arguments), within_s))
        assert result.id == asked
        [(kind, body)] = frames.FrameReader(frames.MAX_FRAME_BYTES).feed(frames.encode(result))
        assert frames.decode(kind, body) == result
        return result


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> list[Any]:
    """Run a scenario within the time of a test; return what was logged."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario()

    with capture_logs() as entries:
        asyncio.run(whole())
    return entries


def end(rig: Rig) -> None:
    """End the threads of the sensors."""
    for sensor in rig.sensors.values():
        sensor.reader.stop()


def test_what_is_allowed_is_done_and_logged() -> None:
    """Who owns the device reads in its log what the collector asked of it."""

    async def scenario() -> None:
        result = await Rig().obey("ping")
        assert (result.ok, result.detail) == (True, "here")

    [entry] = play(scenario)
    assert entry == {
        "event": "command_obeyed",
        "command": "ping",
        "arguments": [],
        "detail": "here",
        "log_level": "info",
    }


@pytest.mark.parametrize(
    ("allow", "outputs", "name", "said"),
    [
        (("ping",), {}, "read_now", "`read_now` is not allowed on greenhouse. Allowed: ping. `com"),
        ((), {}, "ping", "Allowed: nothing. `commands: allow:` in its device.yaml decides"),
        (ALL, {}, "output", "`commands: outputs:` in its device.yaml decides"),
        ((), FAN, "ping", "Allowed: output."),
        (ALL, FAN, "reboot", "no command `reboot`. Known: ping, identify, read_now, set_interval"),
        (ALL, FAN, "pnig", "no command `pnig`. Did you mean `ping`? Known: "),
        (ALL, FAN, "__class__", "no command `__class__`."),
    ],
)
def test_what_is_not_allowed_is_not_done(
    allow: Sequence[CommandName], outputs: dict[str, OutputSettings], name: str, said: str
) -> None:
    """The answer says what would be, and where that is decided."""

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter()), allow=allow, outputs=outputs)
        result = await rig.obey(name)
        assert not result.ok
        assert said in result.detail
        assert rig.sensors["air"].reads == 0

    assert [entry["event"] for entry in play(scenario)] == ["command_failed"]


def test_answers_have_the_name_that_a_join_gave() -> None:
    """From the next command on: series, and what is said of what is not allowed."""

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter(), "air"), allow=["read_now"])
        rig.remote.device = "shed"
        assert rig.remote.device == "shed"
        assert list((await rig.obey("read_now")).values) == ["shed/air.value"]
        assert "not allowed on shed" in (await rig.obey("ping")).detail
        end(rig)

    play(scenario)


def test_output_is_allowed_by_being_named() -> None:
    """`allow` need not say it again: this one gets as far as to its arguments."""

    async def scenario() -> None:
        result = await Rig(allow=(), outputs=FAN).obey("output")
        assert result.detail == "usage: output NAME on|off"

    play(scenario)


def test_one_at_a_time_in_order() -> None:
    """The next begins when the one before it has ended."""
    hang = Hang()
    air = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> None:
        rig = Rig(air)
        reading = asyncio.ensure_future(rig.obey("read_now"))
        await until(hang.begun.is_set)
        pinging = asyncio.ensure_future(rig.obey("ping"))
        await asyncio.sleep(0)
        assert not pinging.done()
        hang.release()
        assert (await reading).values == {"greenhouse/air.value": 1.0}
        assert (await pinging).ok
        end(rig)

    play(scenario)


def test_too_many_are_told_that_it_is_busy() -> None:
    """At once; those that wait have their turn."""
    hang = Hang()
    air = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> None:
        rig = Rig(air)
        reading = asyncio.ensure_future(rig.obey("read_now"))
        waiting = [asyncio.ensure_future(rig.obey("ping")) for _ in range(MAX_WAITING)]
        await until(hang.begun.is_set)
        refused = await rig.obey("ping")
        assert not refused.ok
        assert refused.detail.startswith("busy: 8 commands wait already")
        hang.release()
        assert all(result.ok for result in await asyncio.gather(reading, *waiting))
        assert (await rig.obey("ping")).ok
        end(rig)

    play(scenario)


def test_command_whose_turn_comes_too_late_is_not_done() -> None:
    """Within its time or not at all; and it says which of the two it was."""
    hang = Hang()
    air, soil = sensor_of(ScriptedAdapter(hang)), sensor_of(ScriptedAdapter(), "soil")

    async def scenario() -> None:
        rig = Rig(air, soil)
        reading = asyncio.ensure_future(rig.obey("read_now", "air"))
        await until(hang.begun.is_set)
        result = await rig.obey("read_now", "soil", within_s=0.1)
        assert not result.ok
        assert result.detail == "not begun within 0.1 s: another command was under way"
        hang.release()
        await reading
        assert soil.reads == 0
        end(rig)

    play(scenario)


def test_what_was_read_in_time_is_told_in_time() -> None:
    """A sensor that hangs does not take the whole command with it."""
    hang = Hang()
    air, soil = sensor_of(ScriptedAdapter(hang)), sensor_of(ScriptedAdapter(), "soil")

    async def scenario() -> None:
        rig = Rig(air, soil)
        result = await rig.obey("read_now", within_s=0.5)
        assert result.values == {"greenhouse/air.*": None, "greenhouse/soil.value": 1.0}
        # The time that the question took is taken off.
        assert re.search(r"no answer within 0\.(4|39\d?) s", result.detail)
        hang.release()
        await until(lambda: air.reads)
        end(rig)

    play(scenario)


def test_driver_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the pin has moved nobody knows, and the answer says so; the next is not stuck."""
    hang = Hang()
    monkeypatch.setattr(deeds.Output, "switch", lambda *_: hang(1))

    async def scenario() -> None:
        rig = Rig(outputs=FAN)
        result = await rig.obey("output", "fan", "on", within_s=0.1)
        assert not result.ok
        assert result.detail == "the device did not end it within 0.1 s: it may be half done"
        assert (await rig.obey("ping")).ok
        hang.release()
        await rig.remote.close()

    play(scenario)


def test_fault_of_our_own_is_told_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link, and with it every reading, goes on."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(deeds.Deeds, "do", broken)

    async def scenario() -> None:
        result = await Rig().obey("ping")
        assert not result.ok
        assert "ZeroDivisionError" in result.detail

    entries = play(scenario)
    assert [entry["event"] for entry in entries] == ["command_broken", "command_failed"]
    assert isinstance(entries[0]["exc_info"], ZeroDivisionError)


def test_whoever_waits_may_leave() -> None:
    """A cancelled command gives its turn and its place to the next."""
    hang = Hang()
    air = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> None:
        rig = Rig(air)
        reading = asyncio.ensure_future(rig.obey("read_now"))
        waiting = [asyncio.ensure_future(rig.obey("ping")) for _ in range(MAX_WAITING)]
        await until(hang.begun.is_set)
        for task in (reading, *waiting):
            task.cancel()
        await asyncio.wait([reading, *waiting])
        assert (await rig.obey("ping")).ok
        hang.release()
        end(rig)

    play(scenario)


def test_nothing_is_done_after_the_close() -> None:
    """The pins are given back, and nobody takes them again; close may come twice."""

    async def scenario() -> None:
        rig = Rig(outputs=FAN)
        await rig.remote.close()
        result = await rig.obey("output", "fan", "on")
        assert (result.ok, result.detail) == (False, "the agent is stopping")
        await rig.remote.close()

    play(scenario)


def test_more_values_than_fit_are_cut_and_told() -> None:
    """A sensor of very many channels must not break the session."""
    names = [f"c{number:061}" for number in range(3000)]

    def gives(_number: int) -> list[Sample]:
        return [Sample(name, 1.5, "") for name in names]

    many = sensor_of(ScriptedAdapter(gives, channels=[Channel(name, "") for name in names]))

    async def scenario() -> None:
        rig = Rig(many)
        result = await rig.obey("read_now")
        assert result.detail.startswith(f"only {len(result.values)} values fit")
        assert 1000 < len(result.values) < 2000
        end(rig)

    play(scenario)


@settings(deadline=None)
@given(
    st.text(max_size=64),
    st.lists(st.text(max_size=200) | st.sampled_from(["air", "1s", "on", "fan"]), max_size=16),
    st.floats(0.001, 3600),
)
def test_any_command_has_a_result(name: str, arguments: list[str], within_s: float) -> None:
    """Whatever a collector says, it is answered with a RESULT that it takes, never with an end."""

    async def scenario() -> None:
        await Rig(sensor_of(ScriptedAdapter())).obey(name, *arguments, within_s=within_s)

    play(scenario)


@settings(deadline=None)
@given(st.text(), st.floats())
def test_any_words_of_a_driver_fit_the_wire(words: str, value: float) -> None:
    """Long, of many lines, not printable; and a value that is no number is none."""

    def gives(number: int) -> list[Sample]:
        if number == 1:
            raise SensorError(words)
        return [Sample("value", value, "")]

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter(gives)))
        failed = await rig.obey("read_now")
        assert failed.detail.isprintable()
        assert failed.values == {"greenhouse/air.value": None}
        result = await rig.obey("read_now")
        assert result.values["greenhouse/air.value"] == (value if math.isfinite(value) else None)
        assert msgspec.json.encode(result)
        end(rig)

    play(scenario)


def test_other_settings_are_obeyed_at_once() -> None:
    """What was allowed is no more, and what was not is."""

    async def scenario() -> None:
        rig = Rig(allow=["ping"], outputs=FAN)
        await rig.remote.use(CommandSettings(allow=("identify",)))
        assert "Allowed: identify." in (await rig.obey("ping")).detail
        assert "`output` is not allowed" in (await rig.obey("output", "fan", "on")).detail
        await rig.remote.use(CommandSettings(allow=("ping",)))
        assert (await rig.obey("ping")).ok
        end(rig)

    play(scenario)


def test_output_that_hangs_does_not_hold_a_reload_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left behind, and the log says so."""
    hang = Hang()
    monkeypatch.setattr(deeds.Output, "switch", lambda *_: hang(1))
    monkeypatch.setattr(remote, "_CLOSE_WITHIN_S", 0.05)

    async def scenario() -> None:
        rig = Rig(outputs=FAN)
        await rig.obey("output", "fan", "on", within_s=0.1)
        await rig.remote.use(CommandSettings(allow=("ping",)))
        assert (await rig.obey("ping")).ok
        hang.release()
        await rig.remote.close()

    assert "outputs_not_closed" in [each["event"] for each in play(scenario)]
