"""device.departure: when readings leave, on a loop with a clock of its own."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from device.departure import BATCH_AGE_S, EDGE_PAUSE_S, Departure
from kit.fakeloop import FakeLoop
from kit.fakenet import Network


@pytest.fixture
def loop() -> FakeLoop:
    """A loop whose time passes when nothing else is to do."""
    return FakeLoop(Network())


def departures(loop: FakeLoop, play: Callable[[Departure], None], seconds: float) -> list[float]:
    """When it goes, in seconds from the start."""
    went: list[float] = []

    async def scenario() -> None:
        def go() -> None:
            departure.gone()
            went.append(round(loop.time() - began_s, 6))

        departure, began_s = Departure(go), loop.time()
        play(departure)
        await asyncio.sleep(seconds)
        assert departure.due_s is None

    loop.run_until_complete(scenario())
    loop.close()
    return went


def test_readings_wait_for_company(loop: FakeLoop) -> None:
    """For a second behind the first of them."""

    def play(departure: Departure) -> None:
        departure.reading()
        asyncio.get_running_loop().call_later(0.5, departure.reading)

    assert departures(loop, play, 5) == [BATCH_AGE_S]


def test_edge_leaves_at_once_and_takes_all_along(loop: FakeLoop) -> None:
    """What waited leaves with it."""

    def play(departure: Departure) -> None:
        departure.reading()
        departure.edge()

    assert departures(loop, play, 5) == [0]


def test_row_of_edges_leaves_in_few(loop: FakeLoop) -> None:
    """Once in 20 ms, however many there are, and the last one is not left behind."""

    def play(departure: Departure) -> None:
        for n in range(100):
            asyncio.get_running_loop().call_later(n / 1000, departure.edge)

    went = departures(loop, play, 5)
    assert went[0] == 0
    assert len(went) == 6
    assert went[-1] >= 0.099
    assert all(b - a >= EDGE_PAUSE_S - 1e-6 for a, b in pairwise(went))


def test_edge_waits_no_longer_than_a_reading_that_is_about_to_leave(loop: FakeLoop) -> None:
    """The earlier of both is taken."""

    def play(departure: Departure) -> None:
        departure.edge()
        running = asyncio.get_running_loop()
        running.call_later(0.001, departure.reading)
        running.call_later(0.002, departure.edge)

    assert departures(loop, play, 5) == [0, EDGE_PAUSE_S]
