"""Notifiers: the programs that tell somebody, each in a process of its own that has a minute.

Addresses are read anew each time, from a file for the collector alone or from what systemd hands
over, and each goes to a program on its input: it is in no argument, log, answer or message.
"""

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from collector.alert_settings import NotifierSettings
from collector.alerts.lives import Alert
from collector.alerts.sending import MISSING, without
from collector.alerts.words import facts_of, message
from service import keyfile

WITHIN_S = 60.0
# So many addresses may stand in one file, and so many are told at once: each takes 40 MB meanwhile.
MAX_ADDRESSES = 16
_AT_ONCE = 4
_MAX_OUTPUT_BYTES = 4096
_LAST_WORDS_S = 1.0
# Whoever was killed is gone at once, but on a machine that has other things to do.
_GONE_S = 10.0
_WANTED = "one address on each line, such as ntfy://TOPIC, without tags or `include`"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


# What each address was told, as (alert, state), while another one of its file could not be.
Told: TypeAlias = dict[str, set[tuple[int, str]]]


class NotifierError(Exception):
    """Somebody was not told; the message says why, and holds no secret."""


class Address(NamedTuple):
    """An address, and the number of its line."""

    line: int
    text: str


class _Run(NamedTuple):
    """What a program gave: its exit code, and the begin of what it said."""

    code: int
    output: str
    errors: str


class _Answer(msgspec.Struct):
    error: str


async def tell(
    notifier: NotifierSettings,
    alerts: Sequence[Alert],
    zone: tzinfo,
    within_s: float = WITHIN_S,
    told: Told | None = None,
) -> None:
    """Tell somebody of some alerts; a command is run for each of them.

    `told`: what some addresses were told already, which they are not again; more is noted there.

    Raises:
        NotifierError: not all were told, or not in time.
    """
    try:
        async with asyncio.timeout(within_s):
            if notifier.command:
                await _command(notifier.command, alerts, zone)
            else:
                await _send(notifier, alerts, zone, {} if told is None else told)
    except TimeoutError:
        raise NotifierError(f"no answer within {within_s:g} s") from None


async def _command(command: Sequence[str], alerts: Sequence[Alert], zone: tzinfo) -> None:
    for alert in alerts:
        facts = facts_of(alert, zone)
        variables = {
            f"TELEGAUGE_{key.upper()}": "" if value is None else str(value)
            for key, value in facts.items()
            if key != "summary_of"
        }
        run = await _run(command, msgspec.json.encode(facts) + b"\n", variables)
        if run.code:
            raise NotifierError(f"{command[0]} ended with {run.code}: {run.errors}"[:300])


async def _send(
    notifier: NotifierSettings, alerts: Sequence[Alert], zone: tzinfo, told: Told
) -> None:
    addresses = await asyncio.to_thread(addresses_of, notifier)
    places = asyncio.Semaphore(_AT_ONCE)

    async def send(address: Address) -> str:
        former = told.setdefault(address.text, set())
        untold = [alert for alert in alerts if (alert.id, alert.state) not in former]
        async with places:
            error = await _error_of(address.text, *message(untold, zone)) if untold else ""
        if not error:
            former |= {(alert.id, alert.state) for alert in untold}
        elif len(addresses) > 1:
            error = f"line {address.line}: {error}"
        return error

    errors = await asyncio.gather(*map(send, addresses))
    if any(errors):
        raise NotifierError("; ".join(filter(None, errors)))


async def _error_of(address: str, title: str, body: str) -> str:
    """Send a message to one address; return why that failed, or ""."""
    wanted = {"address": address, "title": title, "body": body}
    command = [sys.executable, "-m", "collector.alerts.sending"]
    try:
        run = await _run(command, msgspec.json.encode(wanted))
    except NotifierError as error:
        return str(error)
    try:
        return msgspec.json.decode(run.output, type=_Answer).error
    except msgspec.MsgspecError:
        return without(address, run.errors) or f"the program that sends ended with {run.code}"


def addresses_of(notifier: NotifierSettings) -> list[Address]:
    """Return the addresses of a notifier that has some: one a line, beside comments.

    Raises:
        NotifierError: they cannot be read, or are none.
    """
    file = _file_of(notifier)
    try:
        data = keyfile.read(file)
    except keyfile.KeyFileError as error:
        raise NotifierError(str(error)) from None
    if data is None:
        raise NotifierError(f"{file} is not there: write the address into it, and chmod 600 {file}")
    lines = enumerate(data.decode("utf-8", "replace").splitlines(), 1)
    stripped = [Address(number, line.strip()) for number, line in lines]
    found = [each for each in stripped if each.text and each.text[0] not in "#;"]
    for each in found:
        if not _ADDRESS.fullmatch(each.text):
            raise NotifierError(f"{file}, line {each.line}: {_WANTED}")
    if not 0 < len(found) <= MAX_ADDRESSES:
        raise NotifierError(
            f"{file} has {len(found)} addresses; up to {MAX_ADDRESSES} are wanted: {_WANTED}"
        )
    return found


def problems_of(name: str, notifier: NotifierSettings) -> list[str]:
    """Return what keeps a notifier from telling anybody, as far as can be seen without telling."""
    if notifier.command:
        program = notifier.command[0]
        is_there = not program.startswith("/") or os.access(program, os.X_OK)
        return (
            [] if is_there else [f"alerts.notify.{name}: {program} is no program that can be run"]
        )
    found = []
    if importlib.util.find_spec("apprise") is None:
        found.append(f"alerts.notify.{name}: {MISSING}")
    if notifier.address_file is not None:
        try:
            addresses_of(notifier)
        except NotifierError as error:
            found.append(f"alerts.notify.{name}: {error}")
    return found


def _file_of(notifier: NotifierSettings) -> Path:
    if notifier.credential is None:
        return Path(notifier.address_file or "")
    file = keyfile.handed_over(notifier.credential)
    if file is None:
        raise NotifierError(
            f"systemd hands over no credential `{notifier.credential}`: "
            f"LoadCredential={notifier.credential}:FILE in the unit, and a restart"
        )
    return file


async def _run(
    command: Sequence[str], given: bytes, variables: Mapping[str, str] | None = None
) -> _Run:
    """Run a program with something on its input; what it says beyond a little is thrown away.

    Raises:
        NotifierError: it cannot be run.
    """
    loop, environment = asyncio.get_running_loop(), {**os.environ, **(variables or {})}
    starting = loop.create_task(
        loop.subprocess_exec(_Program, *command, env=environment, start_new_session=True)
    )
    try:
        # A start that is broken off leaves its pipes open, in asyncio: so it is waited for.
        _, program = await asyncio.shield(starting)
        return await program.talk(given)
    except OSError as error:
        raise NotifierError(f"{command[0]} cannot be run: {error.strerror}") from None
    finally:
        await _end(starting)


async def _end(starting: "asyncio.Task[tuple[asyncio.SubprocessTransport, _Program]]") -> None:
    """End a program that runs, or is about to, with whatever it has started."""
    with contextlib.suppress(OSError):  # it could not be run
        transport, program = await starting
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        transport.close()
        await _within(_GONE_S, program.gone)


class _Program(asyncio.SubprocessProtocol):
    """A program that runs: the begin of what it says is kept."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._has_exited = asyncio.Event()
        self._is_silent = asyncio.Event()
        self._heard = {1: b"", 2: b""}
        self._open = set(self._heard)
        self._transport: asyncio.SubprocessTransport

    async def talk(self, given: bytes) -> _Run:
        """Give it its input, and hear it until it ends."""
        entrance = self._transport.get_pipe_transport(0)
        assert isinstance(entrance, asyncio.WriteTransport)
        entrance.write(given)
        entrance.close()
        await self._has_exited.wait()
        await _within(_LAST_WORDS_S, self._is_silent)  # what it started may hold its output
        return _Run(self._transport.get_returncode() or 0, *map(_text, self._heard.values()))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the way to it (asyncio calls this)."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what there is room for (asyncio calls this)."""
        self._heard[fd] = (self._heard[fd] + data)[:_MAX_OUTPUT_BYTES]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        """Note that it says nothing more (asyncio calls this)."""
        self._open.discard(fd)
        if not self._open:
            self._is_silent.set()

    def process_exited(self) -> None:
        """Note that it has ended (asyncio calls this)."""
        self._has_exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note that nothing of it is left here (asyncio calls this)."""
        self.gone.set()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for something, and not for long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _text(data: bytes) -> str:
    return " ".join(data.decode("utf-8", "replace").split())
