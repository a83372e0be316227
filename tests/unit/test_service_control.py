"""service.control: one line of JSON each way, on a real socket."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service import control
from service.control import (
    ControlError,
    ControlServer,
    Failed,
    NotPermitted,
    NotRunning,
    TimedOut,
    ask,
)

ROOT = Path(__file__).parents[2]


class Status(msgspec.Struct):
    """An answer as the programs give it."""

    held: int
    rate: float


async def status(arguments: Mapping[str, Any]) -> Status:
    """Answer with what was asked."""
    return Status(arguments.get("held", 0), float("nan"))


async def broken(arguments: Mapping[str, Any]) -> object:
    """Fail as a handler with a mistake does."""
    raise ValueError(f"no sensor `{arguments['sensor']}`")


async def unprintable(arguments: Mapping[str, Any]) -> object:
    """Return what has no end in JSON."""
    endless: list[object] = []
    endless.append(endless)
    return endless


async def never(arguments: Mapping[str, Any]) -> object:
    """Answer never."""
    await asyncio.Event().wait()
    return None


HANDLERS = {"status": status, "broken": broken, "unprintable": unprintable, "never": never}


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[ControlServer]:
    """Run a server on `path`."""
    server = ControlServer(path, HANDLERS)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def against(path: Path, act: Callable[[], Any]) -> Any:
    """Return what `act`, which blocks, returns while a server runs on `path`."""

    async def both() -> Any:
        async with running(path):
            return await asyncio.to_thread(act)

    return asyncio.run(both())


def exchange(path: Path, data: bytes) -> bytes:
    """Send bytes, end the sending, return the line that comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            return reader.readline()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is."""
    return tmp_path / "control"


def test_an_answer_comes_back(path: Path) -> None:
    """Arguments go in, a Struct comes out as an object, NaN as null."""
    assert against(path, lambda: ask(path, "status", held=7)) == {"held": 7, "rate": None}


def test_the_line_is_as_documented(path: Path) -> None:
    """Anything that speaks JSON over a Unix socket can ask."""
    reply = against(path, lambda: exchange(path, b'{"ask": "status"}\n'))
    assert reply.endswith(b"\n")
    assert json.loads(reply) == {"ok": True, "answer": {"held": 0, "rate": None}}


def test_a_line_without_its_end_is_taken(path: Path) -> None:
    """`printf '{"ask": "status"}' | nc -NU control` works as well."""
    reply = against(path, lambda: exchange(path, b'{"ask": "status"}'))
    assert json.loads(reply)["ok"] is True


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "not a JSON object on one line"),
        (b"\n", "not a JSON object on one line"),
        (b"status\n", "not a JSON object on one line"),
        (b"[]\n", "not a JSON object on one line"),
        (b"\xff\n", "not a JSON object on one line"),
        (b'{"ask": "\xff"}\n', "not a JSON object on one line"),
        (b'{"a":' * 20000 + b"\n", "request longer than 65536 bytes"),
        (b'{"a":' * 10000 + b"\n", "not a JSON object on one line"),
        (b"x" * 200_000, "request longer than 65536 bytes"),
        (b"{}\n", "unknown request None. Accepted: broken, never, status, unprintable"),
        (b'{"ask": ["status"]}\n', "unknown request ['status']. Accepted: broken"),
        (b'{"ask": "stats"}\n', "unknown request 'stats'. Accepted: broken, never, status"),
    ],
)
def test_a_wrong_request_is_told_so(path: Path, line: bytes, complaint: str) -> None:
    """Each wrong line gets a reply that says what was accepted, and the server goes on."""

    def act() -> tuple[bytes, object]:
        return exchange(path, line), ask(path, "status")

    reply, after = against(path, act)
    assert json.loads(reply)["ok"] is False
    assert complaint in json.loads(reply)["error"]
    assert after


def test_a_handlers_exception_is_its_reply(path: Path) -> None:
    """The words of the exception reach whoever asked; the server goes on."""

    def act() -> object:
        with pytest.raises(Failed, match=r"^no sensor `x`$"):
            ask(path, "broken", sensor="x")
        with pytest.raises(Failed):
            ask(path, "unprintable")
        return ask(path, "status")

    assert against(path, act)


def test_a_handler_that_takes_too_long_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked is told, and the place is free again."""
    monkeypatch.setattr(control, "_HANDLE_S", 0.05)

    def act() -> None:
        ask(path, "never")

    with pytest.raises(Failed, match="no answer within"):
        against(path, act)


def test_a_request_that_does_not_come_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that says nothing does not hold its place."""
    monkeypatch.setattr(control, "_TRANSFER_S", 0.05)

    def act() -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            return connection.recv(1000)

    assert b"no request within" in against(path, act)


def test_places_are_bounded(path: Path) -> None:
    """The seventeenth connection at once is refused with a reply; then there is room again."""

    def act() -> tuple[bytes, object]:
        with contextlib.ExitStack() as stack:
            for _ in range(16):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                waiting.connect(str(path))
            reply = exchange(path, b'{"ask": "status"}\n')
        return reply, until(lambda: ask(path, "status"))

    reply, after = against(path, act)
    assert "more than 16 requests at once" in json.loads(reply)["error"]
    assert after


def until(act: Callable[[], object]) -> object:
    """Return what `act` returns once it is no longer refused."""
    for _ in range(1000):
        with contextlib.suppress(Failed):
            return act()
    raise AssertionError("refused a thousand times")


def test_the_socket_is_for_its_group(path: Path) -> None:
    """0660, whatever the umask; gone after a close, which may come twice."""

    async def look() -> int:
        before = os.umask(0o077)
        try:
            async with running(path) as server:
                mode = stat.S_IMODE(path.stat().st_mode)
                await server.close()
                return mode
        finally:
            os.umask(before)

    assert asyncio.run(look()) == 0o660
    assert not path.exists()


def test_a_close_does_not_wait_for_a_handler(path: Path) -> None:
    """Whoever waits for an answer at the stop sees the connection end."""

    async def stop_meanwhile() -> bytes:
        begun = asyncio.Event()

        async def endless(arguments: Mapping[str, Any]) -> object:
            begun.set()
            return await never(arguments)

        server = ControlServer(path, {"endless": endless})
        await server.start()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"ask": "endless"}\n')
        await asyncio.wait_for(begun.wait(), 5)
        await server.close()
        async with asyncio.timeout(5):
            got = await reader.read()
            writer.close()
            await writer.wait_closed()
        return got

    assert asyncio.run(stop_meanwhile()) == b""


def test_a_killed_instance_leaves_nothing_in_the_way(path: Path) -> None:
    """After kill -9 the socket file is still there; the next start takes its place."""
    killed = subprocess.Popen(
        [sys.executable, "-c", FOREVER, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"started\n"
        killed.send_signal(signal.SIGKILL)
    assert path.is_socket()
    with pytest.raises(NotRunning):
        ask(path, "status")
    assert against(path, lambda: ask(path, "status"))


FOREVER = """
import asyncio, pathlib, sys
from service.control import ControlServer

async def main():
    await ControlServer(pathlib.Path(sys.argv[1]), {}).start()
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["control", "missing/control", "file/control"])
def test_nothing_running_is_said(tmp_path: Path, place: str) -> None:
    """No socket, no folder: the message names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(NotRunning, match=f"not running: nothing answers on .*{place}"):
        ask(tmp_path / place, "status")


def test_a_program_that_hangs_is_said(path: Path) -> None:
    """No command waits longer than it was told to."""
    with listening(path), pytest.raises(TimedOut, match=r"within 0\.05 s"):
        ask(path, "status", timeout_s=0.05)


def test_a_program_that_ends_instead_of_answering_is_said(path: Path) -> None:
    """A connection that is closed early is no answer."""

    async def hang_up() -> Any:
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.close()

        async with await asyncio.start_unix_server(close, path):
            return await asyncio.to_thread(ask, path, "status")

    with pytest.raises(ControlError, match="without an answer"):
        asyncio.run(hang_up())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("group", "advice"),
    [(0, "Put sudo in front of the command"), (4, "or join the group adm (sudo usermod -aG adm")],
)
def test_without_permission_the_way_in_is_said(tmp_path: Path, group: int, advice: str) -> None:
    """As another user: the message names sudo, and the group that owns the folder."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o750)
    os.chown(folder, 0, group)
    for above in (tmp_path, *tmp_path.parents[:3]):
        if above.stat().st_mode & 0o777 == 0o700:
            above.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(folder / "control")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert NotPermitted.__name__ in ran.stdout
    assert advice in ran.stdout


AS_NOBODY = """
import os, pathlib, sys
from service.control import ControlError, ask
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    ask(pathlib.Path(sys.argv[1]), "status")
except ControlError as error:
    print(type(error).__name__, error)
"""


@contextlib.contextmanager
def listening(path: Path) -> Any:
    """A program that accepts and says nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_answer_of_another_shape_is_explained(path: Path) -> None:
    """Who asks the wrong program is told so, and what to set."""

    class Other(msgspec.Struct):
        device: str

    with pytest.raises(ControlError, match=r"another program.* RUNTIME_DIRECTORY"):
        against(path, lambda: control.ask_for(Other, path, "status", 10.0))


def test_path_too_long_for_a_socket_is_explained(tmp_path: Path) -> None:
    """unix(7) allows 107 bytes; the message says how many there are."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with pytest.raises(ControlError, match="107 are accepted"):
        asyncio.run(ControlServer(folder / "control", HANDLERS).start())
