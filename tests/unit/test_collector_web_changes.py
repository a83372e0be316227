"""collector.web.changes: who may change what over HTTP, and what comes of it; tried through the real door."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector import admission
from collector.web import access, door
from collector.web.access import digest_of, new_password
from collector.web.changes import INVITATIONS, qr_code
from collector.web.login import COOKIE
from kit.stores import batch, commit
from kit.webs import Client, Reply, WebRig, web_rig
from wire.tokens import decode_token

PASSWORD = "correct horse"
REVOKE = "/api/v1/devices/cellar/revoke"
COMMAND = "/api/v1/devices/cellar/command"
PATHS = [INVITATIONS, REVOKE, COMMAND, "/api/v1/devices/cellar/rotate"]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebRig]:
    """A door with a password, asked from this machine; its store has one device."""
    monkeypatch.setattr(access, "_COST", 2)
    with web_rig(tmp_path) as made:
        made.access.set_password(new_password(PASSWORD))
        commit(made.file, "cellar", batch(1))
        yield made


def change(
    rig: WebRig, path: str, *, client: Client | None = None, headers: Any = (), **body: Any
) -> Reply:
    """Ask for a change, by default with the password."""
    whole = {"password": PASSWORD} | body
    return (client or rig.client).post(path, json.dumps(whole), **dict(headers))


def standing(rig: WebRig) -> dict[str, str]:
    """How each device stands."""
    devices = rig.client.get("/api/v1/devices").json["devices"]
    return {each["device"]: each["standing"] for each in devices}


def test_invitation(rig: WebRig) -> None:
    """The same line as `telegauge-collector invite` prints, with a QR code of it."""
    reply = change(rig, f"{INVITATIONS}?time=ns", name="roof", valid_s=60, address="pi.example:99")
    assert reply.status == 201
    made = reply.json
    assert made["names"] == ["roof"]
    assert made["line"] == f"sudo telegauge-device join {made['token']}"
    assert decode_token(made["token"]).addresses == (("pi.example", 99),)
    assert made["qr"] == qr_code(made["line"])
    assert isinstance(made["expires"], int)
    assert standing(rig) == {"cellar": "no key", "roof": "invited"}


def test_invitation_of_a_class(rig: WebRig) -> None:
    """One line, for so many."""
    reply = change(rig, INVITATIONS, name="pi-{:02}", count=3)
    assert reply.json["names"] == ["pi-01", "pi-02", "pi-03"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "Roof"}, 409, "small letters"),
        ({"name": "roof", "count": 2}, 409, "need a number"),
        ({"name": "roof", "valid_s": 1}, 400, "$.valid_s"),
        ({"name": "roof", "address": "pi:nonsense"}, 400, "address: "),
        ({"name": "roof", "nmae": "x"}, 400, "nmae"),
        ({}, 400, "name"),
    ],
)
def test_invitation_that_cannot_be(
    rig: WebRig, body: dict[str, Any], status: int, words: str
) -> None:
    """It says why, and nobody is invited."""
    reply = change(rig, INVITATIONS, **body)
    assert reply.status == status
    assert words in reply.json["detail"]
    assert set(standing(rig)) == {"cellar"}


def test_revocation(rig: WebRig) -> None:
    """Of a device that is known."""
    assert change(rig, REVOKE).status == 200
    assert standing(rig) == {"cellar": "revoked"}
    reply = change(rig, "/api/v1/devices/celar/revoke")
    assert reply.status == 404
    assert "Did you mean `cellar`" in reply.json["detail"]


def test_command_to_a_device_that_is_away(rig: WebRig) -> None:
    """It is not sent, and says when the device was heard last."""
    reply = change(rig, f"{COMMAND}?time=s", name="ping")
    assert reply.status == 200
    assert (reply.json["outcome"], reply.json["values"]) == ("not_sent", {})
    assert isinstance(reply.json["heard"], float)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("given", "why"), [(None, "missing"), ("", "missing"), ("wrong", "wrong")])
def test_nothing_changes_without_the_password(
    rig: WebRig, path: str, given: str | None, why: str
) -> None:
    """Also on this machine; why, is told in a member of its own."""
    body = {"name": "roof"} if path in (INVITATIONS, COMMAND) else {}
    reply = change(rig, path, password=given, **body)
    assert (reply.status, reply.json["password"]) == (403, why)
    assert standing(rig) == {"cellar": "no key"}


def test_collector_without_a_password_says_how_to_set_one(rig: WebRig) -> None:
    """Until then nothing is changed over HTTP, on no machine."""
    rig.access.set_password(None)
    reply = change(rig, REVOKE)
    assert (reply.status, reply.json["password"]) == (403, "unset")
    assert "telegauge-collector password" in reply.json["detail"]


def test_who_guesses_waits(rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the login, with which the tries are counted together; what lacks a password is no guess."""
    monkeypatch.setattr(admission, "FREE_FAILURES", 2)
    for _ in range(4):
        assert change(rig, REVOKE, password=None).status == 403
    assert rig.client.post("/login", "password=wrong").status == 401
    for _ in range(2):
        assert change(rig, REVOKE, password="wrong").status == 403
    reply = change(rig, REVOKE)
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert standing(rig) == {"cellar": "no key"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["", "https://evil.example", "null"])
def test_changes_come_from_our_own_pages(rig: WebRig, path: str, origin: str) -> None:
    """Whoever knows the password may still be shown a page of somebody else."""
    reply = change(rig, path, name="roof", headers={"Origin": origin})
    assert reply.status == 403
    assert "password" not in reply.json
    assert standing(rig) == {"cellar": "no key"}


@pytest.mark.parametrize("path", PATHS)
def test_token_changes_nothing(rig: WebRig, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """It reads, here and from another machine, whoever has the password too."""
    rig.access.add_token("grafana", digest_of("secret"), 1)
    bearer = {"Authorization": "Bearer secret"}
    for client in (rig.client, rig.secure):
        reply = change(rig, path, client=client, headers=bearer, name="roof")
        assert (reply.status, reply.json["detail"]) == (403, "a token only reads")
        monkeypatch.setattr(door, "is_loopback", lambda _: False)


def test_from_another_machine_a_login_comes_first(
    rig: WebRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the password all the same: the browser may have been left open."""
    monkeypatch.setattr(door, "is_loopback", lambda _: False)
    assert change(rig, REVOKE, client=rig.secure).status == 401
    given = rig.secure.post("/login", f"password={PASSWORD.replace(' ', '+')}")
    cookie = {"Cookie": given.headers["Set-Cookie"].partition(";")[0]}
    assert cookie["Cookie"].startswith(COOKIE)
    reply = change(rig, REVOKE, client=rig.secure, headers=cookie, password=None)
    assert (reply.status, reply.json["password"]) == (403, "missing")
    assert change(rig, REVOKE, client=rig.secure, headers=cookie).status == 200


@pytest.mark.parametrize("body", ["", "{", "[]", '{"password": 1}', "password=correct+horse", "\0"])
def test_bodies_that_are_none(rig: WebRig, body: str) -> None:
    """They are no fault of ours, and no guess either."""
    assert rig.client.post(REVOKE, body).status == 400
    assert rig.web._login.failures == 0


def test_unknown_parameters_are_told(rig: WebRig) -> None:
    """Before anything is done."""
    for path in PATHS:
        assert change(rig, f"{path}?tiem=s", name="roof").status == 400
    assert standing(rig) == {"cellar": "no key"}


def test_qr_code_is_a_picture_of_its_own() -> None:
    """Dark on light, with its quiet zone, without a script, a style or an address."""
    text = qr_code("sudo telegauge-device join x")
    picture = ET.fromstring(text)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    ground, dark = picture
    assert (ground.get("fill"), dark.get("stroke")) == ("#fff", "#000")
    assert dark.get("d", "").startswith("M4 4.5")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
