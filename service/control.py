"""The control socket: how commands ask and change the running program on the same machine.

One connection, one line of JSON each way:

    {"ask": "status", ...arguments}    ->    {"ok": true, "answer": ...}
                                             {"ok": false, "error": "..."}

It knows no request by name. Who may ask is decided by the file's mode and the folder's.
"""

# ruff: noqa: N818 - its exceptions are named for what is the matter

import asyncio
import contextlib
import grp
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
Handler = Callable[[Mapping[str, Any]], Awaitable[object]]

_MODE = 0o660
_CONNECTIONS = 16
_REQUEST_BYTES = 64 * 1024
_REPLY_BYTES = 16 * 1024 * 1024
_TRANSFER_S = 10.0  # for a request to arrive, and for a reply to leave
_HANDLE_S = 60.0


class ControlError(Exception):
    """The socket cannot be used; the message says why, and what to do."""


class NotRunning(ControlError):
    """Nobody listens on the socket."""


class NotPermitted(ControlError):
    """The socket belongs to others."""


class TimedOut(ControlError):
    """Somebody listens, but did not answer in time."""


class Failed(ControlError):
    """The program answered with an error; the message is the program's own."""


class ControlServer:
    """Answers on the socket `path`; `handlers` maps a request's name to what answers it.

    A handler gets the arguments and returns what JSON can hold (msgspec Structs too). What it
    raises becomes the error of the reply. It has a minute.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._conversations: set[asyncio.Task[None]] = set()
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Listen. What a killed process left of the socket is replaced.

        Raises:
            ControlError: the socket cannot be made.
        """
        async with contextlib.AsyncExitStack() as stack:
            self._path.unlink(missing_ok=True)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            _bind(listener, self._path)
            stack.callback(self._path.unlink, missing_ok=True)
            self._path.chmod(_MODE)  # nobody can connect before the server listens
            server = await asyncio.start_unix_server(
                self._converse, sock=listener, limit=_REQUEST_BYTES
            )
            stack.callback(server.close)
            self._stack = stack.pop_all()

    async def close(self) -> None:
        """Stop listening, end every conversation, remove the socket. May be called twice."""
        await self._stack.aclose()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            reply = await self._reply_to(reader)
            writer.transport.set_write_buffer_limits(0)  # drain: until all of it has left
            writer.write(reply)
            async with asyncio.timeout(_TRANSFER_S):
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            # Whoever asked is gone or does not read (a timeout is an OSError), or the server
            # closes: asyncio 3.11 would log a connection's task that ends as cancelled.
            writer.transport.abort()
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _reply_to(self, reader: asyncio.StreamReader) -> bytes:
        if len(self._conversations) > _CONNECTIONS:
            return _error(f"more than {_CONNECTIONS} requests at once; try again")
        try:
            async with asyncio.timeout(_TRANSFER_S):
                line = await reader.readline()
        except TimeoutError:
            return _error(f"no request within {_TRANSFER_S:.0f} s")
        except ValueError:
            return _error(f"request longer than {_REQUEST_BYTES} bytes")
        return await self._answer(line)

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return _error('not a JSON object on one line, such as {"ask": "status"}')
        name = request.pop("ask", None)
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return _error(
                f"unknown request {name!r}. Accepted: {', '.join(sorted(self._handlers))}"
            )
        try:
            async with asyncio.timeout(_HANDLE_S):
                answer = await handler(request)
            return _line({"ok": True, "answer": answer})
        except TimeoutError:
            return _error(f"no answer within {_HANDLE_S:.0f} s")
        except Exception as failure:  # noqa: BLE001 - whoever asked is told; the program goes on
            return _error(str(failure) or type(failure).__name__)


def ask(path: Path, name: str, /, timeout_s: float = 10.0, **arguments: Any) -> Any:
    """Ask the running program and return its answer. Blocks.

    Raises:
        ControlError: one of its kinds, each with a message for people.
    """
    request = _line({"ask": name, **arguments})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            reply = _exchange(connection, path, request, time.monotonic() + timeout_s)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NotRunning(f"not running: nothing answers on {path}") from error
    except PermissionError as error:
        raise NotPermitted(f"no permission to use {path}. {_way_in(path)}") from error
    except TimeoutError as error:
        raise TimedOut(f"no answer on {path} within {timeout_s:g} s") from error
    except OSError as error:
        raise ControlError(f"cannot ask on {path}: {error}") from error
    return _answer_of(reply, path)


def ask_for(kind: type[_T], path: Path, name: str, /, timeout_s: float, **arguments: Any) -> _T:
    """Ask like `ask`, and return the answer as `kind`.

    Raises:
        ControlError: also where the answer is of another shape.
    """
    answer = ask(path, name, timeout_s, **arguments)
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise ControlError(
            f"{path} belongs to another program, or another version of it: {error}. "
            "RUNTIME_DIRECTORY must name the folder of the program that is asked"
        ) from error


def _exchange(connection: socket.socket, path: Path, request: bytes, until_s: float) -> bytes:
    connection.settimeout(max(0.001, until_s - time.monotonic()))
    connection.connect(str(path))
    with contextlib.suppress(BrokenPipeError):  # refused before it was read: the reply says why
        connection.sendall(request)
    reply = bytearray()
    while not reply.endswith(b"\n") and len(reply) <= _REPLY_BYTES:
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        part = connection.recv(65536)
        if not part:
            break
        reply += part
    return bytes(reply)


def _answer_of(reply: bytes, path: Path) -> Any:
    try:
        fields = msgspec.json.decode(reply, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError) as error:
        raise ControlError(f"{path} closed the connection without an answer") from error
    if not fields.get("ok"):
        raise Failed(str(fields.get("error")))
    return fields.get("answer")


def _way_in(path: Path) -> str:
    try:
        group = grp.getgrgid(path.parent.stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "root"
    if group == "root":
        return "Put sudo in front of the command"
    return (
        f"Put sudo in front of the command, or join the group {group} "
        f"(sudo usermod -aG {group} $USER) and log in again"
    )


def _bind(listener: socket.socket, path: Path) -> None:
    try:
        listener.bind(str(path))
    except OSError as error:
        # unix(7): a path has 107 bytes at most; Python says so without a number of its own.
        why = error.strerror or f"{error}: the path has {len(str(path))} bytes, 107 are accepted"
        raise ControlError(f"cannot make the socket {path}: {why}") from error


def _error(text: str) -> bytes:
    return _line({"ok": False, "error": text})


def _line(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(fields, enc_hook=str) + b"\n"
