"""collector.web.streaming: long answers, and what ends them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.types import Message

from collector.web.streaming import CHUNK_BYTES, Streamed

GET = {"type": "http", "method": "GET"}


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    """Some parts."""
    for each in given:
        yield each


def served(
    iterator: AsyncIterator[bytes], receive: Callable[[], Awaitable[Message]]
) -> tuple[list[Message], list[str]]:
    """What was sent, and whether it was told to be done."""
    sent: list[Message] = []
    done: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        await Streamed(iterator, "text/plain", lambda: done.append("done"))(GET, receive, send)

    asyncio.run(main())
    return sent, done


async def stays() -> Message:
    """A peer that waits for its answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_parts_come_in_order_and_not_too_large() -> None:
    """A part of many bytes is sent in several: what waits for the peer is bounded."""
    sent, done = served(parts(b"a", b"b" * 900_000), stays)
    assert sent[0]["status"] == 200
    bodies = [message["body"] for message in sent[1:]]
    assert b"".join(bodies) == b"a" + b"b" * 900_000
    assert max(map(len, bodies)) == CHUNK_BYTES
    assert [message["more_body"] for message in sent[-2:]] == [True, False]
    assert done == ["done"]


def test_who_goes_away_ends_it() -> None:
    """Also where the next part never comes."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async def leaves() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    _, done = served(endless(), leaves)
    assert done == ["done"]


def test_fault_comes_out() -> None:
    """After it is done."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        served(failing(), stays)
