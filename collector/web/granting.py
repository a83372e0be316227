"""Granting: what `telegauge-collector password` and `token` change, whether a collector runs or not."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from collector.errors import WebError
from collector.interfaces import reachable_at
from collector.web.access import Access, Password
from config.addresses import parse_address

_log = structlog.get_logger()

DEFAULT_PORT = 8889

PASSWORD, TOKENS, ADD_TOKEN, REMOVE_TOKEN = REQUESTS = (
    "web_password", "web_tokens", "web_add_token", "web_remove_token",
)  # fmt: skip
# After these whoever is in from another machine has to come in anew.
ENDING = (PASSWORD, REMOVE_TOKEN)


class Reached(msgspec.Struct, frozen=True):
    """Where browsers find the collector, and the SHA-256 of the certificate it shows, if that is known."""

    urls: list[str]
    fingerprint: str | None = None
    note: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    """The arguments of all these requests."""

    password: Password | None = None
    name: str = ""
    digest: bytes = b""


class Granting:
    """Answers these requests in a running collector.

    Args:
        reached: where browsers find it.
        ended: called when whoever is in from another machine has to come in anew.
    """

    def __init__(
        self, access: Access, reached: Callable[[], Reached], ended: Callable[[], None]
    ) -> None:
        self._access = access
        self._reached = reached
        self._ended = ended

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Awaitable[object]]]:
        """Return what answers each of REQUESTS."""
        return {name: partial(self._grant, name) for name in REQUESTS}

    async def _grant(self, name: str, arguments: Mapping[str, Any]) -> object:
        answer = await asyncio.to_thread(grant, self._access, name, arguments)
        if name in ENDING:
            self._ended()
        if name != TOKENS:
            _log.info("web_access_changed", request=name)
        return await asyncio.to_thread(self._reached) if name == PASSWORD else answer


def grant(access: Access, name: str, arguments: Mapping[str, Any]) -> object:
    """Do what one of REQUESTS says.

    Raises:
        WebError: it cannot be done.
        KeyFileError: it cannot be written.
    """
    try:
        wanted = msgspec.convert(arguments, _Wanted)
    except msgspec.ValidationError as error:
        raise WebError(f"the request is not understood: {error}") from None
    if name == PASSWORD:
        access.set_password(wanted.password)
    elif name == ADD_TOKEN:
        access.add_token(wanted.name, wanted.digest, time.time_ns())
    elif name == REMOVE_TOKEN:
        access.remove_token(wanted.name)
    return access.tokens if name == TOKENS else None


def urls(listen: str) -> list[str]:
    """Return where browsers find a collector that listens there, the likeliest first."""
    found = reachable_at(parse_address(listen, DEFAULT_PORT))
    return [f"https://{each}/" for each in found]
