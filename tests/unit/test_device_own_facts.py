"""device.own_facts: what a running agent says of itself, and how another thread asks for it."""

import asyncio
import threading
from pathlib import Path

import pytest

from device.own_facts import OwnFacts, asker
from device.sampler import Sampler
from device.sensors.own import OWN
from kit.adapters import ScriptedAdapter, sensor_of
from kit.links import rigged
from kit.programs import free_port
from kit.waiting import WITHIN_S


def test_facts_are_those_of_the_parts(tmp_path: Path) -> None:
    """Every channel has one; a failing sensor, a held reading and a slow read are in them."""

    async def scenario() -> None:
        sensors = {
            "air": sensor_of(ScriptedAdapter(failing_opens=9)),
            "soil": sensor_of(ScriptedAdapter()),
        }
        async with rigged(tmp_path, free_port()) as rig:
            sampler = Sampler(sensors, lambda: True, lambda *_: True, lambda: None)
            facts = OwnFacts(sensors, sampler, rig.spool, rig.link)
            rig.accept(1.0)
            for sensor in sensors.values():
                await sensor.read()
            now = facts.now()
            assert list(now) == [channel.name for channel in OWN]
            assert (now["link_up"], now["spooled_readings"]) == (0, 1)
            assert (now["failing_sensors"], now["failed_reads"]) == (1, 1)
            assert now["slowest_read"] >= 0
            assert facts.now()["slowest_read"] == 0, "since the last look"
        for sensor in sensors.values():
            sensor.reader.stop()

    asyncio.run(scenario())


def test_other_threads_ask_on_the_loop() -> None:
    """The facts are gathered where the parts live."""
    threads: list[int] = []

    def facts() -> dict[str, float]:
        threads.append(threading.get_ident())
        return {"link_up": 1.0}

    async def scenario() -> None:
        ask = asker(facts)
        assert await asyncio.wait_for(asyncio.to_thread(ask), WITHIN_S) == {"link_up": 1.0}

    asyncio.run(scenario())
    assert threads == [threading.get_ident()]


def test_facts_that_fail_fail_the_read() -> None:
    """And the loop goes on."""

    def facts() -> dict[str, float]:
        raise ValueError("no such part")

    async def scenario() -> None:
        with pytest.raises(ValueError, match="no such part"):
            await asyncio.wait_for(asyncio.to_thread(asker(facts)), WITHIN_S)

    asyncio.run(scenario())
