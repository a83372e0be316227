"""Posting over HTTP as fast as one may with one request in flight a connection, or at a pace.

Plain sockets and epoll(7): with small requests asyncio would take more of the machine than the peer.
"""

import heapq
import itertools
import select
import socket
import time
from collections.abc import Iterator, Sequence

_START_S = 0.5  # until all connections of a paced load are there
_ANSWERS_WITHIN_S = 60.0
_ANSWER_BYTES = 65536
_STORED = b"HTTP/1.1 204"
_END = b"\r\n\r\n"


def post_all(port: int, loads: Sequence[Sequence[bytes]], connections: int) -> float:
    """Post every load, each over one connection, so many at once; return the seconds it took."""
    waiting = iter(loads)  # shared: who is through with a load takes the next
    began_s = time.perf_counter()
    _post([_Poster(port, itertools.chain.from_iterable(waiting)) for _ in range(connections)])
    return time.perf_counter() - began_s


def post_paced(port: int, loads: Sequence[Sequence[bytes]], every_s: float) -> list[float]:
    """Post a request a load every so many seconds; return how long each took to be answered.

    The connections take turns. A request counts from when it was due, also where it had to wait.
    """
    first_s = time.perf_counter() + _START_S
    posters = [
        _Poster(port, iter(load), first_s + every_s * at / len(loads), every_s)
        for at, load in enumerate(loads)
    ]
    _post(posters)
    return [took_s for poster in posters for took_s in poster.took_s]


class _Poster:
    """One connection, what is to go over it, and when the next is due."""

    def __init__(
        self, port: int, requests: Iterator[bytes], due_s: float = 0.0, every_s: float = 0.0
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _ANSWERS_WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due_s = due_s
        self.took_s: list[float] = []
        self._requests = requests
        self._every_s = every_s

    def post(self) -> bool:
        """Send the next request; say whether there was one."""
        request = next(self._requests, None)
        if request is None:
            self.socket.close()
            return False
        self.socket.sendall(request)
        return True

    def take(self) -> None:
        """Take the answer, all of it."""
        answer = self.socket.recv(_ANSWER_BYTES)
        while not answer.endswith(_END):
            part = self.socket.recv(_ANSWER_BYTES)
            if not part:
                raise RuntimeError(f"connection lost: {answer[:500]!r}")
            answer += part
        if not answer.startswith(_STORED):
            raise RuntimeError(f"not stored: {answer[:500]!r}")
        if self._every_s:
            self.took_s.append(time.perf_counter() - self.due_s)
            self.due_s += self._every_s


def _post(posters: Sequence[_Poster]) -> None:
    """Post what is due, take what was answered, until nothing is left."""
    by_number = {poster.socket.fileno(): poster for poster in posters}
    waiting = [(poster.due_s, number) for number, poster in by_number.items()]
    heapq.heapify(waiting)
    in_flight = 0
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while waiting or in_flight:
            while waiting and waiting[0][0] <= time.perf_counter():
                in_flight += by_number[heapq.heappop(waiting)[1]].post()
            if not in_flight and not waiting:
                return
            wait_s = waiting[0][0] - time.perf_counter() if waiting else _ANSWERS_WITHIN_S
            for number, _ in poll.poll(max(0.0, wait_s)):
                by_number[number].take()
                heapq.heappush(waiting, (by_number[number].due_s, number))
                in_flight -= 1
