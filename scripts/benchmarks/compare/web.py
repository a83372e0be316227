"""Asking over HTTP at the least cost to whoever asks: one request a connection, read to its end."""

import socket
import time
from typing import NamedTuple

_PART_BYTES = 1 << 20
_TIMEOUT_S = 300.0


class Answer(NamedTuple):
    """A response, and the seconds from before the connection to its last byte."""

    status: int
    body: bytes
    took_s: float


def get(port: int, target: str, verb: str = "GET") -> Answer:
    """Ask 127.0.0.1. HTTP/1.0: the body comes in one piece and ends with the connection."""
    began_s = time.perf_counter()
    parts = []
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        connection.sendall(f"{verb} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        while part := connection.recv(_PART_BYTES):
            parts.append(part)
    took_s = time.perf_counter() - began_s
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if not head:
        raise ConnectionError(f"no answer to {target}")
    return Answer(int(head.split(None, 2)[1]), body, took_s)
