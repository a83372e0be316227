"""A port that takes lines: real sockets on loopback, what they may send, and what they cannot do."""

import socket

import pytest

from device.sensors import SensorError, lines, make, problems
from kit.listening import Ear, held
from kit.programs import boottime_ns, free_port
from kit.waiting import wait_until

LOOPBACK = "127.0.0.1"


@pytest.fixture
def open_lines():
    """Makes an open adapter with an ear on a free port; closed ones leave nothing behind."""
    before, made = held(), []

    def opened(**options):
        adapter = make("lines", {"port": free_port(), **options})
        adapter.ear = Ear()
        adapter.listen(adapter.ear)
        made.append(adapter)
        adapter.open()
        return adapter

    yield opened
    for adapter in made:
        adapter.close()
    assert held() == before


@pytest.fixture
def adapter(open_lines):
    """An open adapter."""
    return open_lines()


@pytest.fixture
def connect(adapter):
    """Makes connections to the adapter."""
    made = []

    def connect():
        made.append(socket.create_connection((LOOPBACK, adapter._port), 10))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def send(adapter, data):
    """Send a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, (LOOPBACK, adapter._port))


def is_closed(connection):
    """Whether the other end has closed a connection."""
    connection.settimeout(10)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("data", [b"level 0.83", b"level 0.83\n", b"\r\nlevel 0.83\r\n"])
def test_a_datagram_is_a_line(adapter, data):
    """With or without its end, stamped when it came."""
    before_ns = boottime_ns()
    send(adapter, data)
    wait_until(lambda: adapter.ear.events)
    assert adapter.ear.values == [{"level": 0.83}]
    assert before_ns < adapter.ear.times_ns[0] <= boottime_ns()
    assert [(each.name, each.unit) for each in adapter.channels] == [("level", "")]
    assert adapter.read() == []


def test_a_datagram_may_hold_many_lines(adapter):
    """Each is a reading; an empty one is nothing."""
    send(adapter, b"")
    send(adapter, b"a=1\na=2\nb 3")
    wait_until(lambda: len(adapter.ear.events) == 3)
    assert adapter.ear.values == [{"a": 1}, {"a": 2}, {"b": 3}]


def test_a_connection_sends_lines_as_it_likes(adapter, connect):
    """In pieces, over time; the last needs no end."""
    connection = connect()
    connection.sendall(b"a=1\na=")
    wait_until(lambda: len(adapter.ear.events) == 1)
    connection.sendall(b"2\n\n7")
    wait_until(lambda: len(adapter.ear.events) == 2)
    connection.close()
    wait_until(lambda: len(adapter.ear.events) == 3)
    assert adapter.ear.values == [{"a": 1}, {"a": 2}, {"value": 7}]
    wait_until(lambda: not adapter._peers)


def test_bytes_of_one_do_not_trouble_another(adapter, connect):
    """Noise, a line without end, a connection that is reset: others go on, the adapter too."""
    noisy, endless, reset, good = (connect() for _ in range(4))
    noisy.sendall(bytes(range(256)) * 100)
    endless.sendall(b"x" * 100_000)
    reset.sendall(b"a=1")
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reset.close()
    good.sendall(b"good 1\n")
    send(adapter, bytes(range(256)) * 200)
    send(adapter, b"good 2")
    wait_until(lambda: {"good": 1} in adapter.ear.values and {"good": 2} in adapter.ear.values)
    assert adapter.read() == []


def test_noise_alone_is_an_error_of_the_next_read(adapter):
    """A script that prints the wrong thing shows."""
    send(adapter, b"hello")
    wait_until(lambda: adapter._heard._wrong)
    with pytest.raises(SensorError, match="1 line that is no reading; the last: `hello` is no"):
        adapter.read()


def test_the_most_silent_connection_makes_room(adapter, connect):
    """17 at once are one too many, and whoever comes is let in."""
    connections = [connect() for _ in range(lines._MAX_CONNECTIONS)]
    for n, connection in enumerate(connections):
        connection.sendall(b"n %d\n" % n)
        wait_until(lambda n=n: len(adapter.ear.events) == n + 1)
    connections[0].sendall(b"again 1\n")
    wait_until(lambda: adapter.ear.values[-1] == {"again": 1})
    connect().sendall(b"late 1\n")
    wait_until(lambda: adapter.ear.values[-1] == {"late": 1})
    assert is_closed(connections[1])
    assert len(adapter._peers) == lines._MAX_CONNECTIONS


def test_a_connection_that_says_nothing_is_closed(open_lines, monkeypatch):
    """After a while; one may come again."""
    monkeypatch.setattr(lines, "_IDLE_NS", 0)
    monkeypatch.setattr(lines, "_LOOK_EVERY_S", 0.01)
    adapter = open_lines()
    with socket.create_connection((LOOPBACK, adapter._port), 10) as connection:
        assert is_closed(connection)


def test_close_closes_connections(adapter, connect):
    """At once; and the port can be taken again."""
    connection = connect()
    connection.sendall(b"a=1\n")
    wait_until(lambda: adapter.ear.events)
    adapter.close()
    assert is_closed(connection)
    adapter.open()
    send(adapter, b"a=2")
    wait_until(lambda: len(adapter.ear.events) == 2)


def test_only_this_machine_can_send(adapter):
    """Both sockets are bound to 127.0.0.1."""
    bound = {
        key.fileobj.getsockname()
        for key in adapter._selector.get_map().values()
        if key.fileobj.family == socket.AF_INET
    }
    assert bound == {(LOOPBACK, adapter._port)}


@pytest.mark.parametrize(
    ("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)]
)
def test_a_port_in_use_says_what_to_do(adapter, protocol, kind):
    """With the protocol, and how to find who has it."""
    other = make(f"lines:{adapter._port}", {"tcp": protocol == "tcp", "udp": protocol == "udp"})
    before = held()
    with pytest.raises(SensorError) as error:
        other.open()
    assert str(error.value).startswith(
        f"port {adapter._port} ({protocol}) is in use: choose another, or end the program that "
    )
    assert held() == before
    other.close()


@pytest.mark.parametrize(
    ("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)]
)
def test_either_protocol_may_be_left_out(open_lines, protocol, kind):
    """Its port is free for others then."""
    adapter = open_lines(**{protocol: False})
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind((LOOPBACK, adapter._port))


@pytest.mark.parametrize(
    ("driver", "options", "at_fault", "told"),
    [
        ("lines", {}, None, "write the port once"),
        ("lines:8887", {"port": 8887}, None, "write the port once"),
        ("lines:", {}, None, "`` is no port from 1024 to 65535"),
        ("lines:80", {}, None, "`80` is no port from 1024 to 65535"),
        ("lines:999999", {}, None, "is no port from"),
        ("lines:٨٨٨٧", {}, None, "is no port from"),
        ("lines", {"port": 80}, "port", "from 1024 to 65535"),
        ("lines:8887", {"address": "0.0.0.0"}, "address", "on 127.0.0.1 alone"),
        ("lines:8887", {"tcp": False, "udp": False}, "udp", "nothing could come"),
        ("lines:8887", {"parse": "regex"}, "parse", "needs the option `pattern`"),
    ],
)
def test_wrong_options_are_found(driver, options, at_fault, told):
    """With what is accepted."""
    [problem] = problems(driver, options)
    assert problem.option == at_fault
    assert told in problem.message


def test_the_port_stands_in_either_place():
    """Behind the colon, or among the options."""
    assert make("lines:8887", {})._port == make("lines", {"port": 8887})._port == 8887
