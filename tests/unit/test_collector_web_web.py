"""collector.web.web: the door as a part of the collector."""

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from collector import self_signed
from collector.web import web
from kit.programs import free_port
from kit.waiting import wait_until
from kit.webs import web_rig


def test_taken_port_is_told_and_taken_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector goes on: readings are what it is for."""
    monkeypatch.setattr(web, "LOOK_EVERY_S", 0.05)
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)) as other,
        capture_logs() as logs,
        web_rig(tmp_path, listen=f"127.0.0.1:{port}") as rig,
    ):
        [trouble] = rig.web.status().troubles
        assert "has this port" in trouble
        assert "web.listen" in trouble
        other.close()
        wait_until(lambda: not rig.web.troubles())
        assert rig.client.get("/healthz").status == 200
    events = [log["event"] for log in logs]
    assert events.count("web_not_listening") == 1
    assert "web_listening" in events


def test_keys_that_others_may_read_are_not_used(tmp_path: Path) -> None:
    """Nothing is served, and it says why."""
    (tmp_path / "web.pem").touch(0o644)
    (tmp_path / "web.pem").chmod(0o644)
    with web_rig(tmp_path) as rig:
        [trouble] = rig.web.troubles()
        assert "chmod 600" in trouble


def test_certificate_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector goes on without the door, until it can be."""
    monkeypatch.setattr(web, "LOOK_EVERY_S", 0.05)
    program = self_signed.PROGRAM
    monkeypatch.setattr(self_signed, "PROGRAM", ("/nowhere/python",))
    with web_rig(tmp_path) as rig:
        [trouble] = rig.web.troubles()
        assert "It is made by /nowhere/python" in trouble
        monkeypatch.setattr(self_signed, "PROGRAM", program)
        wait_until(lambda: not rig.web.troubles())
        assert rig.client.get("/healthz").status == 200


def test_other_settings_are_taken_up(tmp_path: Path) -> None:
    """The zone of answers, and the names."""
    with web_rig(tmp_path) as rig:
        assert rig.client.get("/healthz", Host="tele.example.org").status == 421
        names = replace(rig.settings.web, names=("tele.example.org",))
        rig.do(rig.web.take_up(replace(rig.settings, web=names, time_zone="UTC")))
        assert rig.client.get("/healthz", Host="tele.example.org").status == 200
        start = rig.client.get("/api/v1/readings").json["start"]
        assert start.endswith("+00:00")


def test_status_says_who_is_here(tmp_path: Path) -> None:
    """And where it listens."""
    with web_rig(tmp_path) as rig, rig.client.connect():
        wait_until(lambda: rig.web.status().connections == 1)
        status = rig.web.status()
        assert (status.listen, status.listeners) == (f"127.0.0.1:{rig.port}", 0)
