"""Identify: lets a light of this device blink for a while, so that a person finds it.

Owns the blinking and that it ends, also when the driver fails; which light is its owner's choice.
"""

import asyncio
import contextlib
from functools import partial

import structlog

from device.lights import Light
from device.worker import CallError, Worker

_log = structlog.get_logger()

BLINK_S = 15.0
_HALF_S = 0.25
_RESTORE_WITHIN_S = 2.0


class Identify:
    """Blinks one light at a time, for `blink_s`; `worker` is the thread that may touch it."""

    def __init__(self, worker: Worker, blink_s: float = BLINK_S) -> None:
        self.blink_s = blink_s
        self._worker = worker
        self._task: asyncio.Task[None] | None = None

    async def begin(self, light: Light) -> None:
        """Begin to blink, and return once the light has shone; a former blinking ends first.

        Raises:
            CallError: the light cannot be switched.
        """
        await self.end()
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._blink(light, began))
        try:
            await began
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def end(self) -> None:
        """End the blinking, if there is any; the light is as it was before."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _blink(self, light: Light, began: "asyncio.Future[None]") -> None:
        try:
            await self._worker.run(partial(light.show, True))
            if not began.done():
                began.set_result(None)
            for half in range(1, round(self.blink_s / _HALF_S)):
                await asyncio.sleep(_HALF_S)
                await self._worker.run(partial(light.show, half % 2 == 0))
        except CallError as error:
            if began.done():
                _log.warning("identify_failed", light=light.name, detail=str(error))
            else:
                began.set_exception(error)
        finally:
            with contextlib.suppress(CallError, TimeoutError):
                async with asyncio.timeout(_RESTORE_WITHIN_S):
                    await self._worker.run(light.restore)
