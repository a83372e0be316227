"""device.worker: calls that block, hang and fail, off the main loop."""

import asyncio
import threading
import time

import pytest

from device.sensors import SensorError
from device.worker import CallError, Worker
from kit.waiting import WITHIN_S, until


def ended(worker: Worker) -> None:
    """End the thread."""
    worker.stop()
    assert worker.join(WITHIN_S)


def test_calls_come_from_one_thread_in_order() -> None:
    """What they return comes back; the main loop goes on meanwhile."""
    worker = Worker("test")

    async def scenario() -> list[tuple[int, int]]:
        calls = [worker.run(lambda n=n: (n, threading.get_ident())) for n in range(5)]  # type: ignore[misc]
        return await asyncio.gather(*calls)

    done = asyncio.run(scenario())
    assert [number for number, _ in done] == list(range(5))
    assert {ident for _, ident in done} != {threading.get_ident()}
    assert len({ident for _, ident in done}) == 1
    ended(worker)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("bus error"), "OSError: bus error"),
        (SensorError("no pins"), "no pins"),
        (SystemExit(), "SystemExit"),
        (StopIteration(), "StopIteration"),
        (KeyboardInterrupt("now"), "KeyboardInterrupt: now"),
        (TimeoutError("slow"), "TimeoutError: slow"),
    ],
)
def test_whatever_a_call_raises_is_a_call_error(error: BaseException, told: str) -> None:
    """Nothing a driver raises may end the loop, or pass for our own timeout."""
    worker = Worker("test")

    def failing() -> None:
        raise error

    async def scenario() -> None:
        with pytest.raises(CallError) as caught:
            await worker.run(failing)
        assert str(caught.value) == told
        assert await worker.run(lambda: 7) == 7, "the thread goes on"

    asyncio.run(scenario())
    ended(worker)


def test_call_that_was_given_up_is_never_begun() -> None:
    """A relay must not switch when the driver comes back, long after everybody has gone."""
    worker, release, done = Worker("test"), threading.Event(), list[str]()

    async def scenario() -> None:
        begun = threading.Event()
        hung = asyncio.ensure_future(worker.run(lambda: (begun.set(), release.wait(WITHIN_S))))
        await until(begun.is_set)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await worker.run(lambda: done.append("given up"))
        release.set()
        await hung
        await worker.run(lambda: done.append("asked for"))

    asyncio.run(scenario())
    assert done == ["asked for"]
    ended(worker)


def test_what_waits_behind_a_hung_call_is_bounded() -> None:
    """The rest is told so at once."""
    worker, release = Worker("test"), threading.Event()

    async def scenario() -> None:
        begun = threading.Event()
        hung = asyncio.ensure_future(worker.run(lambda: (begun.set(), release.wait(WITHIN_S))))
        await until(begun.is_set)
        waiting = [asyncio.ensure_future(worker.run(int)) for _ in range(16)]
        await asyncio.sleep(0)
        with pytest.raises(CallError, match="hangs"):
            await worker.run(int)
        worker.stop()  # has no room either, and must not fail
        release.set()
        await asyncio.gather(hung, *waiting)

    asyncio.run(scenario())
    ended(worker)


def test_a_hung_call_does_not_keep_the_agent_from_stopping() -> None:
    """Neither the loop nor the process waits for the thread."""
    worker, release = Worker("test"), threading.Event()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await worker.run(lambda: release.wait(WITHIN_S))

    began_s = time.monotonic()
    asyncio.run(scenario())
    assert time.monotonic() - began_s < WITHIN_S / 2
    worker.stop()
    assert not worker.join(0.01)
    release.set()
    ended(worker)


def test_worker_that_was_never_asked_has_no_thread() -> None:
    """An agent without outputs pays for none."""
    before = threading.active_count()
    worker = Worker("test")
    worker.stop()
    assert worker.join(0)
    assert threading.active_count() == before
