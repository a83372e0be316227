"""collector.listening: who arrives, and how they speak. More of it: test_collector_server.py."""

import asyncio
import socket

import pytest

from collector.listening import Listener, cut, speaks_tls
from config.addresses import Address


@pytest.mark.parametrize(
    ("begun", "is_tls"),
    [(b"\x16\x03\x01", True), (b"GET", False), (b"\x16\x03\x00", False), (b"\x16\x02\x01", False)],
)
def test_what_comes_first_tells_and_stays(begun: bytes, is_tls: bool) -> None:
    """Whoever speaks on gets all of it."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.sendall(begun)
        assert asyncio.run(speaks_tls(one)) is is_tls
        assert one.recv(16) == begun


def test_who_leaves_says_nothing() -> None:
    """Nobody waits for it; a connection may be cut twice."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        cut(other)
        with pytest.raises(ConnectionResetError):
            asyncio.run(speaks_tls(one))
    cut(other)


def test_who_arrives_is_handed_over() -> None:
    """With where it comes from; after the close nobody arrives."""

    async def main() -> None:
        arrived: asyncio.Future[tuple[socket.socket, Address]] = (
            asyncio.get_running_loop().create_future()
        )
        listener = Listener(
            Address("127.0.0.1", 0), "web.listen", lambda *who: arrived.set_result(who)
        )
        await listener.start()
        port = listener.port
        with socket.create_connection(("127.0.0.1", port)) as peer:
            connection, address = await asyncio.wait_for(arrived, 20)
            assert address == peer.getsockname()
            assert not connection.getblocking()
            connection.close()
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    asyncio.run(main())
