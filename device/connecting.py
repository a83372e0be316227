"""Why no connection came about, in words for people."""

import os
import socket
import ssl

_AT_ONCE = (
    "it ended the connection at once: after failed tries a collector listens to nobody at this "
    "address for up to a minute"
)


def why_not(error: OSError, within_s: float) -> str:
    """Say what kept a connection from being made, where there were `within_s` for it."""
    if isinstance(error, TimeoutError) and not error.errno:
        return f"no answer within {within_s:g} s"
    if isinstance(
        error, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError | ssl.SSLZeroReturnError
    ):
        return _AT_ONCE
    if isinstance(error, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(error):
        return "what answers there is no collector"
    # asyncio puts its own words into the error; the number is the system's, the resolver's or TLS's.
    if isinstance(error, socket.gaierror | ssl.SSLError) or not error.errno:
        return error.strerror or str(error) or "the peer ended the connection"
    return os.strerror(error.errno)
