"""device.answers: what a running agent says of itself."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.addresses import Address
from device.answers import Answers, ReadResult, Status, read_now
from device.contact import Contact
from device.credentials import Credentials
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors import Sample
from device.spool import Spool
from kit.adapters import Hang, ScriptedAdapter, sensor_of
from kit.links import Rig as LinkRig
from kit.links import opened
from kit.waiting import WITHIN_S, until
from kit.wireworks import MOMENT
from wire.blocks import Point
from wire.conversation import Closed


class Rig:
    """The parts that answer, none of them running."""

    def __init__(self, spool: Spool, *sensors: Sensor) -> None:
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self.spool = spool
        self.link = LinkRig(8888, spool).link
        self.sampler = Sampler(self.sensors, lambda: True, spool.accept, lambda: None)
        self.answers = Answers(self.sensors, spool, self.link, self.sampler)

    def close_batches(self, count: int) -> None:
        """Accept and close so many batches of one reading."""
        for _ in range(count):
            assert self.spool.accept("air", MOMENT.boot_ns, [Point("value", "degC", 1.0, 0)])
            self.spool.close_batch()


@asynccontextmanager
async def rigged(folder: Path, *sensors: Sensor, policy: str = "frugal") -> AsyncIterator[Rig]:
    """A rig on the spool of a folder."""
    spool = await opened(folder, policy)
    try:
        yield Rig(spool, *sensors)
    finally:
        assert await spool.close(WITHIN_S)


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


def test_status_adds_up(tmp_path: Path) -> None:
    """What was accepted is acknowledged or waits; every sensor has its row."""
    good, bad = (
        sensor_of(ScriptedAdapter(), interval_s=2.0),
        sensor_of(ScriptedAdapter(failing), "b"),
    )
    unread = sensor_of(ScriptedAdapter(), "unread")

    async def scenario() -> None:
        async with rigged(tmp_path, good, bad, unread) as rig:
            await good.read()
            await bad.read()
            rig.close_batches(3)
            present = rig.spool.epochs.present
            assert present is not None
            rig.spool.acknowledge(present, 1)
            rig.sampler.skipped_reads = 4
            status = await rig.answers.status({})
        assert (status.device, status.collector, status.link) == (
            "greenhouse",
            "127.0.0.1:8888",
            "down",
        )
        assert (status.accepted_readings, status.acknowledged_readings) == (3, 1)
        assert (status.skipped_reads, status.sessions) == (4, 0)
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


def test_status_says_as_whom_it_speaks_and_to_whom(tmp_path: Path) -> None:
    """A join changes the name, the address and whose epochs are others'."""

    async def scenario() -> None:
        async with rigged(tmp_path) as rig:
            assert not (await rig.answers.status({})).is_joined
            rig.close_batches(1)
            await rig.spool.held(rig.link.owner)
            found = Credentials("shed", bytes(32), bytes(32), ("hub:9", "10.0.0.9:9"))
            rig.link.rejoin(Contact("shed", (Address("hub", 9), Address("10.0.0.9", 9)), found))
            status = await rig.answers.status({})
            assert (status.device, status.collector) == ("shed", "hub:9")
            assert status.is_joined
            assert status.spool.others_epochs == 1

    play(scenario())


@pytest.mark.parametrize(("policy", "at_risk"), [("frugal", 2), ("strict", 0), ("memory", 2)])
def test_status_says_how_the_spool_stands(tmp_path: Path, policy: str, at_risk: int) -> None:
    """What waits, and how much of it a power cut would take under this policy."""

    async def scenario() -> None:
        async with rigged(tmp_path, policy=policy) as rig:
            rig.close_batches(2)
            spool = (await rig.answers.status({})).spool
            assert (spool.policy, spool.held_readings, spool.held_bytes) == (
                policy,
                2,
                rig.spool.held_bytes,
            )
            assert (spool.at_risk_readings, spool.full, spool.card_error) == (at_risk, False, "")
            assert spool.max_bytes == rig.spool.plan.max_bytes
            assert spool.room_s is not None
            if await rig.spool.move():
                spool = (await rig.answers.status({})).spool
                assert (spool.held_readings, spool.at_risk_readings, spool.at_risk_s) == (2, 0, 0)

    play(scenario())


def test_status_names_what_waits_for_another_name(tmp_path: Path) -> None:
    """What was offered by another `name:` is kept, and said."""

    async def scenario() -> None:
        async with rigged(tmp_path) as rig:
            rig.close_batches(1)
            await rig.spool.held("shed")
            assert (await rig.answers.status({})).spool.others_epochs == 1

    play(scenario())


def test_status_survives_the_way_to_the_command(tmp_path: Path) -> None:
    """What `telegauge-device status` makes of the JSON is what the agent meant."""

    async def scenario() -> None:
        async with rigged(tmp_path, sensor_of(ScriptedAdapter())) as rig:
            status = await rig.answers.status({})
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
def test_status_says_why_the_link_is_down(tmp_path: Path, closed: Closed | None, said: str) -> None:
    """The last end, until the link is up again."""

    async def scenario() -> None:
        async with rigged(tmp_path, sensor_of(ScriptedAdapter())) as rig:
            rig.link.last_end = closed
            assert (await rig.answers.status({})).last_end == said

    play(scenario())


def test_read_gives_every_point(tmp_path: Path) -> None:
    """By full name; a channel without a value says why, and has none."""
    air = sensor_of(ScriptedAdapter(half))

    async def scenario() -> None:
        async with rigged(tmp_path, air) as rig:
            value, other = await rig.answers.read({})
        assert (value.series, value.value, value.unit) == ("greenhouse/air.value", 21.5, "degC")
        assert (value.quality, value.reason, value.detail) == ("good", "", "")
        assert (other.series, other.value, other.unit) == ("greenhouse/air.other", None, "%")
        assert (other.quality, other.reason) == ("bad", "no_value")
        encoded = msgspec.json.encode([value, other])
        assert msgspec.json.decode(encoded, type=list[ReadResult]) == [value, other]

    play(scenario())
    end(air)


def test_read_of_one_sensor_leaves_the_others(tmp_path: Path) -> None:
    """Only the one named is touched."""
    other = ScriptedAdapter()
    air = sensor_of(ScriptedAdapter())

    async def scenario() -> None:
        async with rigged(tmp_path, air, sensor_of(other, "other")) as rig:
            (result,) = await rig.answers.read({"sensor": "air"})
        assert result.series == "greenhouse/air.value"

    play(scenario())
    end(air)
    assert other.names == []


@pytest.mark.parametrize("name", ["ari", "", "*"])
def test_unknown_sensor_is_told_the_names(tmp_path: Path, name: str) -> None:
    """The message is what a person needs to see."""

    async def scenario() -> None:
        sensors = sensor_of(ScriptedAdapter()), sensor_of(ScriptedAdapter(), "host")
        async with rigged(tmp_path, *sensors) as rig:
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
