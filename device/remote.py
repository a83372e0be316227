"""Remote: whether and when this device does what the collector asks, and that it does nothing else.

The YAML says what is allowed. One command is done at a time, within its time (counted from when it
arrived) or not at all, and every RESULT fits the wire. What a command does is `device.deeds`'; how it
travels is the link's.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog

from config.problems import did_you_mean, shown
from device.deeds import USAGE, Deeds, RefusedError, Reply
from device.lights import LEDS
from device.sampler import Sampler
from device.sensor import Sensor
from device.settings import CommandSettings
from device.worker import CallError
from wire.bodies import Command, Result

_log = structlog.get_logger()

# So many wait behind the one that is done; a person sends one at a time.
MAX_WAITING = 8
# Parts of the time that is given. The rest is for the way back; and what was read by then must
# still be told.
_OURS = 0.9
_READING = 0.8
_CLOSE_WITHIN_S = 2.0
# What a RESULT holds: wire/PROTOCOL.md, and half of what a frame has room for.
_MAX_DETAIL = 200
_MAX_VALUES = 2000
_MAX_VALUES_BYTES = 128 * 1024
_VALUE_BYTES = 16  # an entry of `values` without its name


class Remote:
    """Obeys the commands that `settings` allow. To be built inside a running event loop.

    Args:
        device: this device's name.
        leds: where the kernel shows the LEDs of this board.
    """

    def __init__(
        self,
        settings: CommandSettings,
        device: str,
        sensors: Mapping[str, Sensor],
        sampler: Sampler,
        leds: Path = LEDS,
    ) -> None:
        self._allowed = _allowed(settings)
        self._deeds = Deeds(device, settings.outputs, sensors, sampler, leds)
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._is_closed = False

    @property
    def device(self) -> str:
        """This device's name, as answers have it."""
        return self._deeds.device

    @device.setter
    def device(self, name: str) -> None:
        self._deeds.device = name

    async def obey(self, command: Command) -> Result:
        """Do it within its time, or say why not; raises nothing but a cancellation."""
        if self._under_way > MAX_WAITING:
            reply = _no(f"busy: {MAX_WAITING} commands wait already; ask again later")
        else:
            self._under_way += 1
            try:
                reply = await self._reply(command)
            finally:
                self._under_way -= 1
        result = _bounded(command.id, reply)
        _log.info(
            "command_obeyed" if result.ok else "command_failed",
            command=command.name,
            arguments=command.arguments,
            detail=result.detail,
        )
        return result

    async def use(self, settings: CommandSettings) -> None:
        """Obey other settings; the pins of outputs that are gone are given back. Waits 2 s at most."""
        self._allowed = _allowed(settings)
        await self._closing(self._deeds.use(settings.outputs))

    async def close(self) -> None:
        """Obey no more and give the pins back. What hangs is left behind after 2 s."""
        self._is_closed = True
        await self._closing(self._deeds.close())
        self._deeds.stop()

    async def _closing(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await work
        except (TimeoutError, CallError):
            _log.warning("outputs_not_closed", waited_s=_CLOSE_WITHIN_S)

    async def _reply(self, command: Command) -> Reply:
        try:
            self._check_allowed(command.name)
            return await self._in_turn(command)
        except (RefusedError, CallError) as error:
            return _no(str(error))
        except Exception as error:  # noqa: BLE001 - the link, and with it every reading, goes on
            _log.error("command_broken", command=command.name, exc_info=error)
            return _no(f"the agent failed at it, its log says where: {type(error).__name__}")

    async def _in_turn(self, command: Command) -> Reply:
        began_s, within_s = asyncio.get_running_loop().time(), command.within_s
        has_turn = False
        try:
            async with asyncio.timeout(within_s * _OURS), self._turn:
                has_turn = True
                waited_s = asyncio.get_running_loop().time() - began_s
                return await self._deeds.do(command, max(0.0, within_s * _READING - waited_s))
        except TimeoutError:
            if has_turn:
                return _no(f"the device did not end it within {within_s:g} s: it may be half done")
            return _no(f"not begun within {within_s:g} s: another command was under way")

    def _check_allowed(self, name: str) -> None:
        if self._is_closed:
            raise RefusedError("the agent is stopping")
        if name not in USAGE:
            guess, known = did_you_mean(name, USAGE), ", ".join(USAGE)
            raise RefusedError(f"no command `{shown(name)}`.{guess} Known: {known}")
        if name not in self._allowed:
            allowed = ", ".join(self._allowed) or "nothing"
            key = "outputs" if name == "output" else "allow"
            raise RefusedError(
                f"`{name}` is not allowed on {self.device}. Allowed: {allowed}. "
                f"`commands: {key}:` in its device.yaml decides"
            )


def _allowed(settings: CommandSettings) -> list[str]:
    return [*settings.allow, *(["output"] if settings.outputs else [])]


def _no(detail: str) -> Reply:
    return Reply(False, detail, {})


def _bounded(command_id: int, reply: Reply) -> Result:
    """Make a RESULT that the wire takes, whatever a driver said."""
    values: dict[str, str | float | None] = {}
    size_bytes, detail = 0, reply.detail
    for name, value in reply.values.items():
        size_bytes += len(name.encode()) + _VALUE_BYTES
        if len(values) == _MAX_VALUES or size_bytes > _MAX_VALUES_BYTES:
            detail = f"only {len(values)} values fit, ask for one sensor; {detail}"
            break
        values[name] = value
    return Result(command_id, reply.ok, _one_line(detail), values)


def _one_line(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= _MAX_DETAIL else line[: _MAX_DETAIL - 3] + "..."
