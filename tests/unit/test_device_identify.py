"""device.identify: that it blinks, ends, and puts the light back."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from device.identify import Identify
from device.worker import CallError, Worker
from kit.waiting import WITHIN_S, until


class Bulb:
    """A light that notes what it did: True, False, "restored"; fails from `fails_at` on."""

    name = "the bulb"

    def __init__(self, fails_at: int = 10**6) -> None:
        self.did: list[bool | str] = []
        self._fails_at = fails_at

    def show(self, is_on: bool) -> None:
        """Note it, or fail."""
        if len(self.did) >= self._fails_at:
            raise OSError("fuse blown")
        self.did.append(is_on)

    def restore(self) -> None:
        """Note it."""
        self.did.append("restored")


def play(worker: Worker, scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario, and end the thread."""

    async def whole() -> None:
        async with asyncio.timeout(WITHIN_S):
            await scenario

    asyncio.run(whole())
    worker.stop()
    assert worker.join(WITHIN_S)


def test_light_blinks_and_is_put_back() -> None:
    """On and off by turns, then as it was."""
    bulb, worker = Bulb(), Worker("test")

    async def scenario() -> None:
        await Identify(worker, blink_s=1.0).begin(bulb)
        assert bulb.did == [True]
        await until(lambda: "restored" in bulb.did)
        assert bulb.did == [True, False, True, False, "restored"]

    play(worker, scenario())


def test_end_puts_it_back_at_once() -> None:
    """The agent stops, or the output is switched by hand; an end too many is nothing."""
    bulb, worker = Bulb(), Worker("test")

    async def scenario() -> None:
        identify = Identify(worker, blink_s=3600)
        await identify.end()
        await identify.begin(bulb)
        await identify.end()
        assert bulb.did == [True, "restored"]
        await identify.end()

    play(worker, scenario())


def test_asking_again_begins_anew() -> None:
    """The former blinking is over before the next begins: two would fight for the light."""
    bulb, worker = Bulb(), Worker("test")

    async def scenario() -> None:
        identify = Identify(worker, blink_s=3600)
        await identify.begin(bulb)
        await identify.begin(bulb)
        assert bulb.did == [True, "restored", True]
        await identify.end()

    play(worker, scenario())


def test_light_that_cannot_shine_is_told() -> None:
    """To whoever asked."""
    bulb, worker = Bulb(fails_at=0), Worker("test")

    async def scenario() -> None:
        identify = Identify(worker)
        with pytest.raises(CallError, match="OSError: fuse blown"):
            await identify.begin(bulb)
        await identify.end()

    play(worker, scenario())


def test_light_that_fails_later_is_logged_and_put_back() -> None:
    """Whoever asked has gone by then."""
    bulb, worker = Bulb(fails_at=1), Worker("test")

    async def scenario() -> None:
        await Identify(worker, blink_s=3600).begin(bulb)
        await until(lambda: "restored" in bulb.did)

    with capture_logs() as entries:
        play(worker, scenario())
    assert [each["event"] for each in entries] == ["identify_failed"]
    assert bulb.did == [True, "restored"]


def test_asker_that_leaves_takes_it_back() -> None:
    """A light that hangs when it is first switched does not blink once it is free."""
    bulb, worker, release = Bulb(), Worker("test"), threading.Event()

    async def scenario() -> None:
        hung = asyncio.ensure_future(worker.run(lambda: release.wait(WITHIN_S)))
        identify = Identify(worker, blink_s=3600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await identify.begin(bulb)
        for _ in range(3):
            await asyncio.sleep(0)  # what blinks hears of it
        release.set()
        await hung
        await identify.end()
        assert True not in bulb.did

    play(worker, scenario())
