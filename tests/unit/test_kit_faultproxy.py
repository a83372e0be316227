"""kit.faultproxy: what the fault proxy does to a link, byte for byte."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.faultproxy import Act, Fault, FaultProxy, Locator, Plan, Way
from kit.waiting import WITHIN_S, wait_until

UP, DOWN = frozenset({Way.UP}), frozenset({Way.DOWN})
TCP_RMEM = "/proc/sys/net/ipv4/tcp_rmem"  # tcp(7)


@contextmanager
def link(plan: Plan) -> Iterator[tuple[FaultProxy, socket.socket, socket.socket]]:
    """A proxy with one session: the end that connected, and the target's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WITHIN_S)
        with FaultProxy(listener.getsockname()[1], lambda _: plan) as proxy:
            near = socket.create_connection(("127.0.0.1", proxy.port), WITHIN_S)
            far, _ = listener.accept()
            far.settimeout(WITHIN_S)
            with near, far:
                yield proxy, near, far


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = bytearray(size)
    left = memoryview(data)
    while left:
        received = sock.recv_into(left)
        assert received, f"ended {len(left)} bytes early"
        left = left[received:]
    return bytes(data)


def until_end(sock: socket.socket) -> tuple[bytes, bool]:
    """Everything until the end, and whether the end was a reset."""
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        return data, True
    return data, False


def hears_nothing(sock: socket.socket) -> bool:
    """Whether a socket is open, and has nothing to say for a moment."""
    sock.settimeout(0.1)
    try:
        return sock.recv(1) is None
    except TimeoutError:
        return True
    finally:
        sock.settimeout(WITHIN_S)


def test_without_a_plan_everything_goes_through() -> None:
    """Both directions, both ends, counted."""
    with link(Plan()) as (proxy, near, far):
        near.sendall(b"question")
        assert exactly(far, 8) == b"question"
        far.sendall(b"answer")
        assert exactly(near, 6) == b"answer"
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        far.sendall(b"more")
        far.close()
        assert until_end(near) == (b"more", False)
        assert proxy.bytes == {Way.UP: 8, Way.DOWN: 10}
        wait_until(lambda: not proxy.live)
        assert (proxy.sessions, proxy.faults) == (1, 0)


def test_nobody_listens() -> None:
    """Whoever connects is reset."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    with (
        FaultProxy(free) as proxy,
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), WITHIN_S) as near,
    ):
        near.recv(1)


def test_a_reset_goes_through() -> None:
    """A peer that resets is seen as one that resets, behind what it had said."""
    with link(Plan(delay_s={Way.UP: 0.05})) as (proxy, near, far):
        near.sendall(b"last words")
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wait_until(lambda: proxy.bytes[Way.UP] == 10)
        near.close()
        assert until_end(far) == (b"last words", True)


@settings(max_examples=30, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), cut=st.integers(0, 400), piece=st.integers(0, 7))
def test_a_cut_after_n_bytes(data: bytes, cut: int, piece: int) -> None:
    """Exactly n bytes go through, then both ends are reset; fewer than n never are."""
    with link(Plan(Fault(Act.RESET, cut), piece)) as (proxy, near, far):
        near.sendall(data)
        with suppress(OSError):  # it may be cut already
            near.shutdown(socket.SHUT_WR)
        if cut <= len(data):
            assert until_end(far) == (data[:cut], True)
            assert until_end(near) == (b"", True)
        else:
            assert until_end(far) == (data, False)
        assert proxy.bytes[Way.UP] == min(cut, len(data))
        assert proxy.faults == (cut <= len(data))


@pytest.mark.parametrize(
    ("counted", "arrived"),
    [(UP, (b"0123", b"abc")), (DOWN, (b"01", b"abcd")), (UP | DOWN, (b"01", b"ab"))],
)
def test_which_bytes_count(counted: frozenset[Way], arrived: tuple[bytes, bytes]) -> None:
    """Of one direction, or of both together."""
    with link(Plan(Fault(Act.RESET, 4, counted))) as (_, near, far):
        near.sendall(b"01")
        up = exactly(far, 2)
        down = b""
        far.sendall(b"ab")
        down = exactly(near, 2)
        if counted == DOWN:
            far.sendall(b"cdef")
        if counted == UP:
            far.sendall(b"c")
            down += exactly(near, 1)
            near.sendall(b"2345")
        up += until_end(far)[0]
        down += until_end(near)[0]
        assert (up, down) == arrived


def test_a_cut_by_an_end() -> None:
    """FIN on both sides; whoever talks on is not answered, and not reset."""
    with link(Plan(Fault(Act.FINISH, 3))) as (_, near, far):
        near.sendall(b"abcdef")
        assert until_end(far) == (b"abc", False)
        assert until_end(near) == (b"", False)
        for _ in range(3):
            near.sendall(b"on and on")
            far.sendall(b"on and on")


def test_half_open() -> None:
    """Nothing arrives any more, nobody is told, even if one end leaves."""
    with link(Plan(Fault(Act.SILENCE, 3))) as (proxy, near, far):
        near.sendall(b"abc")
        assert exactly(far, 3) == b"abc"
        near.sendall(b"x" * 4_000_000)  # more than buffers hold
        far.sendall(b"y")
        assert hears_nothing(far)
        assert hears_nothing(near)
        near.close()
        assert hears_nothing(far)
        assert proxy.bytes == {Way.UP: 3, Way.DOWN: 0}


def test_a_stalled_peer() -> None:
    """Nothing is read for a while, so that the sender has to wait; then all of it arrives."""
    # More than the kernel keeps for one socket, which has let its buffer grow as far as it may.
    kernel_bytes = max(int(word) for word in Path(TCP_RMEM).read_text().split())
    data = bytes(range(256)) * ((2 * kernel_bytes + 25_600_000) // 256)
    received: list[bytes] = []
    with link(Plan(Fault(Act.STALL, 1000, stall_s=1.0))) as (proxy, near, far):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        taker = threading.Thread(target=lambda: received.append(exactly(far, len(data))))
        sender = threading.Thread(target=near.sendall, args=(data,))
        taker.start()
        sender.start()
        was_waiting: list[bool] = []
        wait_until(lambda: was_waiting.append(sender.is_alive()) or proxy.bytes[Way.UP] > 1000)
        sender.join(WITHIN_S)
        taker.join(WITHIN_S)
    assert all(was_waiting[:-1])  # at each look but the last it still stalled
    assert len(was_waiting) > 2
    assert received == [data]
    assert proxy.faults == 1


def test_a_delay_keeps_order_and_rate() -> None:
    """1 ms each way: no byte comes earlier, and more than 20 MB/s go through."""
    data = bytes(range(251)) * 160_000
    received: list[bytes] = []
    with link(Plan(delay_s={Way.UP: 0.001, Way.DOWN: 0.001})) as (_, near, far):
        for _ in range(5):
            began_s = time.monotonic()
            near.sendall(b"?")
            exactly(far, 1)
            far.sendall(b"!")
            exactly(near, 1)
            assert time.monotonic() - began_s >= 0.002
        taker = threading.Thread(target=lambda: received.append(exactly(far, len(data))))
        began_s = time.monotonic()
        taker.start()
        near.sendall(data)
        taker.join(WITHIN_S)
        took_s = time.monotonic() - began_s
    assert received == [data]
    assert len(data) / took_s > 20e6


def test_pieces() -> None:
    """What was written at once goes on in pieces, whole and in order."""
    sizes: list[int] = []

    class Watch(Fault):
        def locator(self) -> Locator:
            return lambda _, data: sizes.append(len(data))

    with link(Plan(Watch(Act.RESET), piece_bytes=3)) as (_, near, far):
        near.sendall(bytes(range(200)))
        assert exactly(far, 200) == bytes(range(200))
    assert set(sizes) <= {1, 2, 3}
    data = bytes(range(256)) * 400
    with link(Plan(piece_bytes=1)) as (_, near, far):
        near.sendall(data)
        assert exactly(far, len(data)) == data


def test_faults_at_any_moment() -> None:
    """A test may strike when it likes; each session has its own plan."""
    with link(Plan()) as (proxy, near, far):
        near.sendall(b"ab")
        exactly(far, 2)
        proxy.strike(Act.RESET)
        assert until_end(far) == (b"", True)
        assert until_end(near) == (b"", True)
        assert proxy.faults == 1


def test_leaving_ends_all_sessions() -> None:
    """No thread and no socket of the proxy stays behind."""
    threads = threading.active_count()
    with link(Plan(Fault(Act.SILENCE))) as (_, near, far):
        near.sendall(b"a")
        assert hears_nothing(far)
    assert threading.active_count() == threads
