"""collector.web.door: plain and TLS on one port, so many and no more, and a clean end."""

import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from collector.errors import ListenError
from collector.web import door, places
from collector.web.door import Door
from config.addresses import Address
from kit.waiting import wait_until
from kit.webs import Client, WebRig, is_closed_by_peer, web_rig


def test_both_ways_on_one_port(tmp_path: Path) -> None:
    """What comes first tells which it is; TLS is 1.3, with the certificate of the door."""
    with web_rig(tmp_path) as rig:
        assert rig.client.get("/healthz").status == 200
        assert rig.secure.get("/healthz").status == 200
        context = ssl.create_default_context(cafile=tmp_path / "web.pem")
        with (
            socket.create_connection(("127.0.0.1", rig.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.version() == "TLSv1.3"


def fill(rig: WebRig, stack: ExitStack, count: int) -> None:
    """Take so many places."""
    for _ in range(count):
        stack.enter_context(socket.create_connection(("127.0.0.1", rig.port)))
    wait_until(lambda: len(rig.web.door.places) == count)


def test_there_are_so_many_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes beyond is let go at once, and finds one when another has left."""
    monkeypatch.setattr(places, "MAX_PLACES", 3)
    with web_rig(tmp_path) as rig:
        with ExitStack() as stack:
            fill(rig, stack, 3)
            with rig.client.connect() as late:
                assert is_closed_by_peer(late)
            assert rig.web.door.places.turned_away == 1
        wait_until(lambda: not len(rig.web.door.places))
        assert rig.client.get("/healthz").status == 200


def test_failed_handshakes_give_their_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only begins like TLS, and who never goes on."""
    monkeypatch.setattr(door, "_HANDSHAKE_S", 0.3)
    with web_rig(tmp_path) as rig:
        for data in (b"\x16\x03\x01" + b"x" * 100, b"\x16\x03\x01"):
            with rig.client.connect() as odd:
                odd.sendall(data)
                wait_until(lambda: not len(rig.web.door.places))
        assert rig.secure.get("/healthz").status == 200


def test_who_listens_is_ended_with_the_door(tmp_path: Path) -> None:
    """Nothing keeps the collector from stopping."""
    with web_rig(tmp_path) as rig:
        live = rig.client.connect()
        live.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"event-stream" in live.recv(4096)
        idle, secured = rig.client.connect(), rig.secure.connect()
        wait_until(lambda: len(rig.web.door.places) == 3)
    for each in (live, idle, secured):
        with each:
            assert is_closed_by_peer(each)


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """With its owner, and the key to set."""
    with web_rig(tmp_path) as rig:

        async def start() -> None:
            await Door(Address("127.0.0.1", rig.port), None).start()

        with pytest.raises(ListenError, match=r"has this port\. .*set web\.listen"):
            rig.do(start())


def test_another_certificate_is_shown_at_once(tmp_path: Path) -> None:
    """To who comes from then on."""
    with web_rig(tmp_path) as rig:

        def shown() -> bytes | None:
            with Client(rig.port, tls=rig.secure.tls).connect() as connection:
                assert isinstance(connection, ssl.SSLSocket)
                return connection.getpeercert(binary_form=True)

        before = shown()
        (tmp_path / "web.pem").unlink()
        rig.web._certificates.shown = None
        rig.do(rig.web._look())
        assert shown() != before
