"""collector.web.granting: what the commands ask for, as they ask it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.errors import WebError
from collector.web.access import Access, Password, TokenStatus
from collector.web.granting import (
    ADD_TOKEN,
    PASSWORD,
    REMOVE_TOKEN,
    TOKENS,
    Granting,
    Reached,
    grant,
    urls,
)

ANY = Password(b"s", b"k", 2)


def test_every_request(tmp_path: Path) -> None:
    """Each changes what it says."""
    access = Access(tmp_path)
    grant(access, PASSWORD, {"password": ANY})
    assert access.password == ANY
    grant(access, ADD_TOKEN, {"name": "grafana", "digest": b"d"})
    found = grant(access, TOKENS, {})
    assert isinstance(found, list)
    assert [each.name for each in found if isinstance(each, TokenStatus)] == ["grafana"]
    grant(access, REMOVE_TOKEN, {"name": "grafana"})
    grant(access, PASSWORD, {"password": None})
    assert access.is_closed


def test_request_that_is_none(tmp_path: Path) -> None:
    """It is told so, and changes nothing."""
    with pytest.raises(WebError, match="not understood"):
        grant(Access(tmp_path), ADD_TOKEN, {"name": 5})


def test_running_collector_ends_who_is_in(tmp_path: Path) -> None:
    """After another password and a token less; not after one more."""
    ended: list[str] = []
    reached = Reached(["https://pi.local:8889/"])
    granting = Granting(Access(tmp_path), lambda: reached, lambda: ended.append("all"))

    async def ask(name: str, /, **arguments: Any) -> object:
        return await granting.handlers()[name](arguments)

    async def main() -> None:
        assert await ask(PASSWORD, password=ANY) == reached
        assert await ask(ADD_TOKEN, name="grafana", digest=b"d") is None
        assert ended == ["all"]
        await ask(REMOVE_TOKEN, name="grafana")
        assert ended == ["all", "all"]
        assert await ask(TOKENS) == []

    asyncio.run(main())


def test_where_browsers_find_it() -> None:
    """Without a port it is 8889."""
    assert urls("192.0.2.7") == ["https://192.0.2.7:8889/"]
    assert urls("[2001:db8::7]:1") == ["https://[2001:db8::7]:1/"]
    assert urls("0.0.0.0")[-1].endswith(".local:8889/")
