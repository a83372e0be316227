"""collector.web.guard: who may ask what; tried through the real door."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from collector.web import access, door, guard
from collector.web.access import digest_of, new_password
from collector.web.login import COOKIE
from kit.waiting import wait_until
from kit.webs import WebRig, web_rig

PAGE = {"Accept": "text/html"}
DEVICES = "/api/v1/devices"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebRig]:
    """A door, asked from this machine."""
    monkeypatch.setattr(access, "_COST", 2)
    with web_rig(tmp_path) as made:
        yield made


@pytest.fixture
def far(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> WebRig:
    """A door that takes whoever comes for another machine."""
    monkeypatch.setattr(door, "is_loopback", lambda _: False)
    return rig


@pytest.mark.parametrize("path", ["/", "/healthz", DEVICES, "/api/v1/live", "/nowhere"])
def test_other_names_are_not_answered(rig: WebRig, path: str) -> None:
    """Also on loopback: a page somewhere else may let its name stand for us."""
    for host in ("evil.example", "localhost.evil.example:80", "192.0.2.200"):
        for client in (rig.client, rig.secure):
            reply = client.get(path, Host=host)
            assert reply.status == 421
            assert host.partition(":")[0] in reply.json["detail"]
    assert rig.client.get("/healthz", Host=f"localhost:{rig.port}").status == 200


def test_requests_without_a_name_or_with_two(rig: WebRig) -> None:
    """HTTP/1.0 may leave it out; nothing may say it twice."""
    for head in (b"GET /healthz HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
        with rig.client.connect() as connection:
            connection.sendall(head)
            assert connection.recv(4096).split(b" ")[1] in (b"421", b"400")


def test_this_machine_asks_all(rig: WebRig) -> None:
    """Plain and over TLS; every answer has the headers that keep browsers strict."""
    for client in (rig.client, rig.secure):
        for path in ("/api", DEVICES, "/metrics"):
            reply = client.get(path)
            assert reply.status == 200
            assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
            assert "script" not in reply.headers["Content-Security-Policy"]
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Referrer-Policy"] == "same-origin"
            assert reply.headers["Cache-Control"] == "no-store"
            assert reply.headers["Access-Control-Allow-Origin"] is None


def test_what_a_proxy_hands_on_is_not_from_here(rig: WebRig) -> None:
    """Else the whole network would be, behind one."""
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert rig.client.get(DEVICES, **{header: "192.0.2.9"}).status == 403


def test_plain_from_elsewhere_goes_to_https(far: WebRig) -> None:
    """After the name was checked; a change is not taken at all."""
    reply = far.client.get("/api/v1/series?pattern=a*")
    assert reply.status == 307
    assert reply.headers["Location"] == f"https://127.0.0.1:{far.port}/api/v1/series?pattern=a*"
    assert far.client.get("/", Host="evil.example").status == 421
    assert far.client.post("/login", "password=x").status == 403


def test_closed_door_says_how_to_open_it(far: WebRig) -> None:
    """One page for people, and for programs the same in their way."""
    for path in ("/", DEVICES, "/metrics", "/nowhere"):
        page = far.secure.get(path, **PAGE)
        assert (page.status, page.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
        assert b"telegauge-collector password" in page.body
        assert "telegauge-collector password" in far.secure.get(path).json["detail"]
    assert far.secure.get("/login", **PAGE).status == 403


def test_health_is_open_and_says_no_more_than_that(far: WebRig) -> None:
    """The word alone; the reason is for who may ask all."""
    far.trouble = "too little space"
    reply = far.secure.get("/healthz")
    assert (reply.status, reply.json) == (503, {"status": "failing"})


def test_token_reads(far: WebRig) -> None:
    """All there is, and changes nothing; another one does not, nor this one when it is gone."""
    far.access.add_token("grafana", digest_of("secret"), 1)
    right, wrong = {"Authorization": "Bearer secret"}, {"Authorization": "Bearer secre"}
    for path in ("/", DEVICES, "/metrics"):
        assert far.secure.get(path, **right).status == 200
        assert far.secure.get(path, **wrong).status == 401
        assert far.secure.get(path).headers["WWW-Authenticate"].startswith("Bearer")
    assert far.secure.get("/healthz", **right).status == 200
    assert far.secure.post("/logout", **right).status == 403
    assert far.secure.get(DEVICES, Authorization="Basic secret").status == 401
    assert far.secure.get(DEVICES, Authorization="Bearer").status == 401
    far.access.remove_token("grafana")
    assert far.secure.get(DEVICES, **right).status == 403


def test_browsers_are_sent_to_the_login(far: WebRig) -> None:
    """Programs are not; and a cookie that nobody gave opens nothing."""
    far.access.set_password(new_password("correct horse"))
    reply = far.secure.get("/", **PAGE)
    assert (reply.status, reply.headers["Location"]) == (303, "/login")
    reply = far.secure.get("/chart?last=1h", **PAGE)
    assert reply.headers["Location"] == "/login?to=%2Fchart%3Flast%3D1h"
    assert far.secure.get(DEVICES).status == 401
    assert far.secure.get(DEVICES, Cookie=f"{COOKIE}=guess").status == 401
    assert far.secure.get("/login", **PAGE).status == 200


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:1"])
def test_changes_come_from_our_own_pages(rig: WebRig, origin: str | None) -> None:
    """As the browser says in Origin; also on loopback, where everybody may ask."""
    assert rig.client.post("/logout").status == 303
    assert rig.client.post("/logout", Origin=origin or "").status == 403
    assert rig.client.ask("DELETE", DEVICES, {}).status == 403


def test_fault_of_ours_ends_one_request(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged; whoever asked is told no more than that."""
    monkeypatch.setattr(rig.web.application, "_status", lambda: 1 / 0)
    logs = LogCapture()
    monkeypatch.setattr(guard, "_log", structlog.wrap_logger(None, processors=[logs]))
    reply = rig.client.get("/metrics")
    assert reply.status == 500
    assert "division" not in reply.json["detail"]
    wait_until(lambda: logs.entries)  # whoever asked is told first
    assert [log["event"] for log in logs.entries] == ["web_request_failed"]
    assert rig.client.get("/healthz").status == 200
