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
    for error in (
        ConnectionResetError(),
        ConnectionResetError(104, "Connection reset by peer"),
        BrokenPipeError(32, "Broken pipe"),
        ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"),
        ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF)"),
    ):
        assert why_not(error, 10).startswith("it ended the connection at once: after failed tries")
    assert why_not(ConnectionAbortedError(), 10) == "the peer ended the connection"
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    assert why_not(error, 10) == "what answers there is no collector"
    assert why_not(TimeoutError(), 10) == "no answer within 10 s"
    assert why_not(TimeoutError(110, "call failed"), 10) == "Connection timed out"
