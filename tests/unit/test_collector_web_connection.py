"""collector.web.connection: whoever sends slowly, or does not read, is let go."""

import socket
from pathlib import Path

import pytest

from collector.web import connection
from kit.stores import batch, commit, read
from kit.waiting import wait_until
from kit.webs import is_closed_by_peer, web_rig

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", ASK, ASK + b"X-Slow: ", ASK + b"Content-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "a letter", "no end", "half a header", "half a body"],
)
def test_request_has_to_come_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Drop by drop does not help; and its place is free again."""
    monkeypatch.setattr(connection, "REQUEST_S", 0.3)
    monkeypatch.setattr("collector.web.door.REQUEST_S", 0.3)
    with web_rig(tmp_path) as rig, rig.client.connect() as slow:
        slow.sendall(begun)
        assert is_closed_by_peer(slow)
        wait_until(lambda: not len(rig.web.door.places))
        assert rig.client.get("/healthz").status == 200


def test_second_request_has_to_come_in_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who asks nothing more is let go."""
    monkeypatch.setattr(connection, "REQUEST_S", 0.3)
    for more in (ASK, b""):
        monkeypatch.setattr(connection, "KEEP_ALIVE_S", 1)
        with web_rig(tmp_path) as rig, rig.client.connect() as slow:
            slow.sendall(ASK + b"\r\n")
            said = b""
            while b'"ok"' not in said:
                said += slow.recv(4096)
            slow.sendall(more)
            assert is_closed_by_peer(slow)


def test_who_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a long answer; its question ends with it."""
    monkeypatch.setattr(connection, "STALLED_S", 0.3)
    with web_rig(tmp_path) as rig:
        reads = [read(at, at / 7) for at in range(1000)]
        commit(rig.file, "pi", *(batch(n, *reads, before=(n - 1) * 1000) for n in range(1, 201)))
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", rig.port))
            slow.sendall(b"GET /api/v1/readings?start=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(lambda: rig.web._reading.questions)
            wait_until(lambda: not rig.web._reading.questions)
            wait_until(lambda: not len(rig.web.door.places))


def test_what_is_no_http_is_told(tmp_path: Path) -> None:
    """Also a head without end."""
    with web_rig(tmp_path) as rig:
        for data in (b"\x00\xff\r\n\r\n", ASK + b"X: " + b"x" * 100_000):
            with rig.client.connect() as odd:
                try:
                    odd.sendall(data)
                    assert odd.recv(4096).startswith(b"HTTP/1.1 400")
                except ConnectionError:
                    assert len(data) > 50_000  # it had ended before all of it was sent
        assert rig.client.get("/healthz").status == 200


def test_one_connection_may_ask_often(tmp_path: Path) -> None:
    """One after another, and many at once without waiting."""
    with web_rig(tmp_path) as rig, rig.client.connect() as patient:
        patient.sendall((ASK + b"\r\n") * 5)
        said = b""
        while said.count(b'"ok"') < 5:
            said += patient.recv(4096)
        wait_until(lambda: rig.web.door.requests == 5)
