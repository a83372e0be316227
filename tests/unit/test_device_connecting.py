"""device.connecting: what people read where no connection came about."""

import socket
import ssl

from device.connecting import why_not


def test_name_that_resolves_to_nothing_says_so() -> None:
    """The resolver's words, not an error number that nobody knows."""
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert why_not(error, 10) == "Name or service not known"


def test_peer_that_ends_the_handshake_is_told_in_words() -> None:
    """Asyncio has none for it."""
    assert why_not(ConnectionResetError(), 10) == "the peer ended the connection"
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    assert why_not(error, 10) == "[SSL: WRONG_VERSION_NUMBER] wrong version number"
    assert why_not(TimeoutError(), 10) == "no answer within 10 s"
    assert why_not(TimeoutError(110, "call failed"), 10) == "Connection timed out"
