"""Waiting for a condition instead of for a while; it fails loudly when the condition never comes.

The limits are generous: they only matter where something is broken.
"""

import asyncio
import time
from collections.abc import Callable

WITHIN_S = 20.0
_LOOK_EVERY_S = 0.005


async def until(condition: Callable[[], object], timeout_s: float = WITHIN_S) -> None:
    """Let the event loop run until a condition holds."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, f"condition did not come within {timeout_s:g} s"
        await asyncio.sleep(_LOOK_EVERY_S)


def wait_until(condition: Callable[[], object], timeout_s: float = WITHIN_S) -> None:
    """Block until a condition holds, which other threads or processes bring about."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, f"condition did not come within {timeout_s:g} s"
        time.sleep(_LOOK_EVERY_S)
