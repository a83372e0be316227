"""Remote: what the collector asks of a device, and what is known of it afterwards.

A command is written once, into one session, and never again: what no RESULT says anything of is
unknown. What a device does at all is decided there.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from collector.errors import CollectorError
from collector.results import CommandError
from collector.sessions import Sessions
from collector.store import devices_of
from config.problems import did_you_mean
from wire.bodies import Result

Outcome: TypeAlias = Literal["done", "failed", "unknown", "not_sent"]
# The control socket answers within a minute.
MAX_WITHIN_S = 50.0
_MAX_SHOWN = 5


class Request(msgspec.Struct, frozen=True):
    """What is asked on the control socket; bounded like COMMAND, so that the wire takes it."""

    device: str
    name: Annotated[str, Meta(max_length=64)]
    arguments: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=16)] = []
    within_s: Annotated[float, Meta(gt=0, le=MAX_WITHIN_S)] = 10.0


class CommandAnswer(msgspec.Struct, frozen=True):
    """What came of a command.

    `done` and `failed` are the device's own words. `unknown`: it was sent, and nobody knows.
    `not_sent`: it will not be done; `heard_ns` (UTC) is when the device was last heard, None where
    it is connected or never was.
    """

    outcome: Outcome
    detail: str
    values: dict[str, str | float | None] = {}
    heard_ns: int | None = None


async def command(
    sessions: Sessions, store_file: Path, arguments: Mapping[str, Any]
) -> CommandAnswer:
    """Send one command and wait for what comes of it.

    Raises:
        CollectorError: it is none that could be sent.
    """
    request = _request(arguments)
    session = sessions.of(request.device)
    if session is None:
        return await asyncio.to_thread(_away, request.device, store_file)
    try:
        result = await session.command(request.name, request.arguments, request.within_s)
    except CommandError as error:
        return CommandAnswer("not_sent", str(error))
    return _unknown(request) if result is None else _told(result)


def _request(arguments: Mapping[str, Any]) -> Request:
    try:
        return msgspec.convert(arguments, Request)
    except msgspec.ValidationError as error:
        raise CollectorError(
            f"no command that can be sent: {error}. Accepted: a name of up to 64 characters, up to "
            f"16 arguments of up to 200, and {MAX_WITHIN_S:g} s at most"
        ) from None


def _told(result: Result) -> CommandAnswer:
    return CommandAnswer("done" if result.ok else "failed", result.detail, result.values)


def _unknown(request: Request) -> CommandAnswer:
    return CommandAnswer(
        "unknown",
        f"{request.device} did not say within {request.within_s:g} s what came of it, or its "
        "session ended: it may have been done or not",
    )


def _away(device: str, store_file: Path) -> CommandAnswer:
    rows = {row.name: row for row in devices_of(store_file)}
    if device in rows:
        heard_ns = rows[device].heard_ns
        return CommandAnswer("not_sent", f"{device} is not connected", heard_ns=heard_ns)
    guess = did_you_mean(device, rows)
    some = ", ".join(list(rows)[:_MAX_SHOWN]) or "none yet"
    more = ", ..." if len(rows) > _MAX_SHOWN else ""
    return CommandAnswer(
        "not_sent", f"no device `{device}` was ever here.{guess} There are: {some}{more}"
    )
