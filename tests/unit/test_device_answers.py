"""device.answers: what a running agent says of itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from config.addresses import Address
from device.answers import Answers, ReadResult, Status, read_now
from device.link import Link
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import Sample
from device.spool import Spool
from kit.adapters import Hang, ScriptedAdapter, sensor_of
from kit.waiting import WITHIN_S, until
from kit.wireworks import BOOT, CLOCK, EPOCH
from wire.blocks import Point
from wire.conversation import Closed
from wire.frames import Describe


class Rig:
    """The parts that answer, none of them running."""

    def __init__(self, *sensors: Sensor) -> None:
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self.spool = Spool(EPOCH, BOOT, lambda: CLOCK, 2**20)
        self.link = Link(
            Address("127.0.0.1", 8888), "greenhouse", "test", self.spool, lambda: Describe([])
        )
        self.sampler = Sampler(self.sensors, lambda: True, self.spool.accept, lambda: None)
        self.answers = Answers(self.sensors, self.spool, self.link, self.sampler)


def play(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario within the time of a test."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario

    asyncio.run(whole())


def failing(_number: int) -> list[Sample]:
    """A read that fails."""
    raise OSError("bus error")


def half(_number: int) -> list[Sample]:
    """A read of which one channel has no value."""
    return [Sample("value", 21.5, "degC"), Sample("other", float("nan"), "%")]


def end(*sensors: Sensor) -> None:
    """End the threads of sensors."""
    for sensor in sensors:
        sensor.reader.stop()
    assert all(sensor.reader.join(WITHIN_S) for sensor in sensors)


def test_status_adds_up() -> None:
    """What was accepted is acknowledged or waits; every sensor has its row."""
    good, bad = (
        sensor_of(ScriptedAdapter(), interval_s=2.0),
        sensor_of(ScriptedAdapter(failing), "b"),
    )
    unread = sensor_of(ScriptedAdapter(), "unread")

    async def scenario() -> None:
        rig = Rig(good, bad, unread)
        await good.read()
        await bad.read()
        for _ in range(3):
            rig.spool.accept("air", 1, [Point("value", "degC", 1.0, 0)])
            rig.spool.close_batch()
        rig.spool.acknowledge(1)
        rig.sampler.skipped_reads = 4
        status = await rig.answers.status({})
        assert (status.device, status.collector, status.link) == (
            "greenhouse",
            "127.0.0.1:8888",
            "down",
        )
        assert (status.accepted_readings, status.acknowledged_readings) == (3, 1)
        assert (status.held_readings, status.held_bytes) == (2, rig.spool.held_bytes)
        assert (status.max_bytes, status.skipped_reads, status.sessions) == (2**20, 4, 0)
        assert 0 <= status.uptime_s < WITHIN_S
        first, second, third = status.sensors
        assert (first.sensor, first.interval_s, first.reads, first.failures) == ("air", 2.0, 1, 0)
        assert (first.quality, first.reason, first.detail) == ("good", "", "")
        assert first.took_s is not None
        assert (second.reads, second.failures) == (1, 1)
        assert (second.quality, second.reason) == ("bad", "read_failed")
        assert second.detail == "OSError: bus error"
        assert (third.quality, third.reads, third.took_s) == ("unread", 0, None)

    play(scenario())
    end(good, bad, unread)


def test_status_survives_the_way_to_the_command() -> None:
    """What `telegauge-device status` makes of the JSON is what the agent meant."""

    async def scenario() -> None:
        status = await Rig(sensor_of(ScriptedAdapter())).answers.status({})
        assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(status)), Status) == status

    play(scenario())


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        (None, ""),
        (Closed("connection_lost"), "connection_lost"),
        (Closed("no_connection", "Connection refused"), "no_connection: Connection refused"),
    ],
)
def test_status_says_why_the_link_is_down(closed: Closed | None, said: str) -> None:
    """The last end, until the link is up again."""

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter()))
        rig.link.last_end = closed
        assert (await rig.answers.status({})).last_end == said

    play(scenario())


def test_read_gives_every_point() -> None:
    """By full name; a channel without a value says why, and has none."""
    air = sensor_of(ScriptedAdapter(half))

    async def scenario() -> None:
        value, other = await Rig(air).answers.read({})
        assert (value.series, value.value, value.unit) == ("greenhouse/air.value", 21.5, "degC")
        assert (value.quality, value.reason, value.detail) == ("good", "", "")
        assert (other.series, other.value, other.unit) == ("greenhouse/air.other", None, "%")
        assert (other.quality, other.reason) == ("bad", "no_value")
        encoded = msgspec.json.encode([value, other])
        assert msgspec.json.decode(encoded, type=list[ReadResult]) == [value, other]

    play(scenario())
    end(air)


def test_read_of_one_sensor_leaves_the_others() -> None:
    """Only the one named is touched."""
    other = ScriptedAdapter()
    air = sensor_of(ScriptedAdapter())

    async def scenario() -> None:
        rig = Rig(air, sensor_of(other, "other"))
        (result,) = await rig.answers.read({"sensor": "air"})
        assert result.series == "greenhouse/air.value"

    play(scenario())
    end(air)
    assert other.names == []


@pytest.mark.parametrize("name", ["ari", "", "*"])
def test_unknown_sensor_is_told_the_names(name: str) -> None:
    """The message is what a person needs to see."""

    async def scenario() -> None:
        rig = Rig(sensor_of(ScriptedAdapter()), sensor_of(ScriptedAdapter(), "host"))
        with pytest.raises(LookupError) as error:
            await rig.answers.read({"sensor": name})
        assert str(error.value) == f"no sensor `{name}`; there are: air, host"

    play(scenario())


def test_sensor_that_never_opened_is_shown_all_the_same() -> None:
    """It may not know its channels yet; its failure is no silence."""
    air = sensor_of(ScriptedAdapter(channels=(), failing_opens=1))

    async def scenario() -> None:
        (result,) = await read_now("greenhouse", {"air": air}, None)
        assert (result.series, result.value) == ("greenhouse/air.*", None)
        assert (result.reason, result.detail) == ("not_open", "OSError: no chip at 0x76")

    play(scenario())
    end(air)


def test_sensors_are_read_side_by_side() -> None:
    """One that hangs does not keep the others waiting behind it."""
    hang = Hang()
    hung, air = sensor_of(ScriptedAdapter(hang), "hung"), sensor_of(ScriptedAdapter())

    async def scenario() -> None:
        both = asyncio.ensure_future(read_now("greenhouse", {"hung": hung, "air": air}, None))
        await until(lambda: air.reads)
        assert not both.done()
        hang.release()
        assert [result.quality for result in await both] == ["good", "good"]

    play(scenario())
    end(hung, air)


def test_asking_and_leaving_disturbs_nothing() -> None:
    """Whoever asked is gone: the read goes on, and is the schedule's as well."""
    hang = Hang()
    air = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> None:
        scheduled = air.read()
        asking = asyncio.ensure_future(read_now("greenhouse", {"air": air}, None))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        hang.release()
        assert (await scheduled).samples

    play(scenario())
    end(air)
