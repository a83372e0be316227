"""collector.web.login: the password for a cookie, and guessing."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from collector import admission
from collector.web import access, door, login
from collector.web.access import new_password
from collector.web.granting import PASSWORD
from collector.web.login import COOKIE
from kit.webs import Reply, WebRig, web_rig

SERIES = "/api/v1/series"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebRig]:
    """A door with a password, asked from another machine."""
    monkeypatch.setattr(access, "_COST", 2)
    monkeypatch.setattr(door, "is_loopback", lambda _: False)
    with web_rig(tmp_path) as made:
        made.access.set_password(new_password("correct horse"))
        yield made


def cookie_of(reply: Reply) -> str:
    """The cookie that was given."""
    return SimpleCookie(reply.headers["Set-Cookie"])[COOKIE].value


def test_password_lets_in(rig: WebRig) -> None:
    """By a cookie that goes over TLS, to this host, from its own pages, and to no script."""
    reply = rig.secure.post("/login", "password=correct+horse")
    assert (reply.status, reply.headers["Location"]) == (303, "/")
    given = reply.headers["Set-Cookie"].lower()
    for part in ("__host-", "secure", "httponly", "samesite=strict", "path=/", "max-age=604800"):
        assert part in given
    assert "domain" not in given
    cookie = {"Cookie": f"{COOKIE}={cookie_of(reply)}"}
    assert rig.secure.get(SERIES, **cookie).status == 200
    assert b"/logout" in rig.secure.get("/api", **cookie).body
    assert rig.secure.post("/logout", **cookie).status == 303
    assert rig.secure.get(SERIES, **cookie).status == 401


def test_another_password_ends_all_logins(rig: WebRig) -> None:
    """And what listens from another machine."""
    reply = rig.secure.post("/login", "password=correct+horse")
    cookie = {"Cookie": f"{COOKIE}={cookie_of(reply)}"}
    with rig.secure.connect() as idle:
        change = rig.granting.handlers()[PASSWORD]
        rig.do(change({"password": new_password("battery staple")}))
        assert rig.secure.get(SERIES, **cookie).status == 401
        assert rig.secure.post("/login", "password=correct+horse").status == 401
        assert rig.secure.post("/login", "password=battery+staple").status == 303
        idle.settimeout(20)
        assert idle.recv(1) == b""


@pytest.mark.parametrize(
    "body", ["", "password=", "x=correct+horse", "password=correct+horsE", "%ff"]
)
def test_anything_else_does_not(rig: WebRig, body: str) -> None:
    """The page says so, and gives no cookie."""
    reply = rig.secure.post("/login", body)
    assert reply.status == 401
    assert b"not the password" in reply.body
    assert reply.headers["Set-Cookie"] is None


def test_who_guesses_waits(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some wrong ones nothing is looked at for a while, also not the right one."""
    monkeypatch.setattr(admission, "FREE_FAILURES", 2)
    for _ in range(3):
        assert rig.secure.post("/login", "password=wrong").status == 401
    reply = rig.secure.post("/login", "password=correct+horse")
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0


def test_long_bodies_are_refused(rig: WebRig) -> None:
    """A kilobyte is a long password."""
    assert rig.secure.post("/login", "password=" + "x" * 1100).status == 413


def test_few_try_at_a_time(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a processor and memory."""
    monkeypatch.setattr(login, "MAX_WAITING", 0)
    assert rig.secure.post("/login", "password=correct+horse").status == 503


@pytest.mark.parametrize(
    ("to", "leads_to"),
    [
        ("/chart?last=1h", "/chart?last=1h"), ("//evil.example", "/"), ("/\\evil.example", "/"),
        ("https://evil.example", "/"), ("/a\r\nSet-Cookie: x=y", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_login_leads_to_what_was_asked_for(rig: WebRig, to: str, leads_to: str) -> None:
    """To a path of ours, and to nothing of anybody else's."""
    reply = rig.secure.post(f"/login?{urlencode({'to': to})}", "password=correct+horse")
    assert (reply.status, reply.headers["Location"]) == (303, leads_to)
    shown = rig.secure.get(f"/login?{urlencode({'to': to})}").body
    assert (b"evil" in shown) is False
