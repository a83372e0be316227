"""service.stop: real signals to real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kit.programs import ROOT
from kit.waiting import WITHIN_S
from service.stop import stop_signal

SIGNALS = [signal.SIGTERM, signal.SIGINT]

# Asks to be stopped, says so, and then does not stop.
STUBBORN = """
import asyncio
from service.stop import stop_signal

async def main():
    asked = stop_signal()
    print("ready", flush=True)
    print(await asked, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Give this process its own handlers back."""
    before = [(each, signal.getsignal(each)) for each in SIGNALS]
    yield
    for each, handler in before:
        signal.signal(each, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_becomes_a_result(number: signal.Signals) -> None:
    """systemd's SIGTERM and the terminal's SIGINT are one wish."""

    async def scenario() -> str:
        asked = stop_signal()
        assert not asked.done()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(WITHIN_S):
            return await asked

    assert asyncio.run(scenario()) == number.name


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_second_signal_ends_at_once(first: signal.Signals, second: signal.Signals) -> None:
    """Whoever presses Ctrl-C twice means it."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(first)
            assert process.stdout.readline() == f"{first.name}\n"
            process.send_signal(second)
            assert process.wait(WITHIN_S) == -second
        finally:
            process.kill()
