"""collector.collector: the parts come up in order, and go down in reverse, whatever happens."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector import certificate, trust_file
from collector.collector import Collector
from collector.errors import ListenError, StoreError, TrustError
from collector.settings import CollectorSettings, DevicesSettings, StoreSettings, WebSettings
from collector.store.database import FILE_NAME
from config.addresses import Address
from kit import programs
from kit.programs import free_port
from kit.servers import Device
from kit.stores import batch, change, commit, rows
from kit.systemd import manager
from kit.waiting import WITHIN_S, until
from kit.wireworks import EPOCH
from service import control, tls
from service.keyfile import KeyFileError
from wire.conversation import State
from wire.tokens import decode_token

# What a collector leaves behind; here all its folders are one.
LEFT = {FILE_NAME, trust_file.FILE_NAME, certificate.FILE_NAME}
Deed = Callable[[Collector], Awaitable[None]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


@pytest.fixture
def notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What systemd is told, by a socket as systemd has one."""
    told: list[str] = []
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "100000")

        def receive() -> list[str]:
            while True:
                try:
                    told.extend(manager.recv(4096).decode().split("\n"))
                except BlockingIOError:
                    return told

        yield receive


def built(file: Path, port: int) -> Collector:
    """A collector that is not started."""
    settings = CollectorSettings(
        devices=DevicesSettings(listen=f"127.0.0.1:{port}"), web=WebSettings(enabled=False)
    )
    return Collector(settings, file, file.parent, file.parent)


async def running(file: Path, deed: Deed) -> bool:
    """Run a collector; when it is up do something, then stop it as systemd would."""
    collector = built(file, free_port())
    run = asyncio.create_task(collector.run())
    await answering(collector)
    await deed(collector)
    if not collector.failed.done():
        os.kill(os.getpid(), signal.SIGTERM)
    return await asyncio.wait_for(run, 60)


async def answering(collector: Collector) -> None:
    """Wait until it answers questions, which it does when everything else is there."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await status(collector)
            except control.NotRunning:
                await asyncio.sleep(0.005)
            else:
                return


async def connected(collector: Collector, name: str) -> Device:
    """A device that is let in."""
    device = Device(name, *await asyncio.open_connection(*collector.server.address))
    await until(lambda: device.sender.state is State.OPEN)
    return device


async def status(collector: Collector) -> dict[str, Any]:
    """Ask as `telegauge-collector status` does."""
    socket_file = collector.store_file.parent / "control"
    answer: dict[str, Any] = await asyncio.to_thread(control.ask, socket_file, "status")
    return answer


def test_collector_stores_answers_and_stops(file: Path) -> None:
    """From the start to SIGTERM; devices hear BYE, and nothing is left lying about."""

    async def deed(collector: Collector) -> None:
        device = await connected(collector, "greenhouse")
        device.send_batches(batch(1), batch(2))
        await device.acknowledged(EPOCH, 2)
        answer = await status(collector)
        assert (answer["running"], answer["sessions"], answer["pending_bytes"]) == (True, 1, 0)
        assert answer["listen"] == str(collector.server.address)
        assert answer["store"] == str(file)
        assert answer["commits"] >= 1
        (row,) = answer["devices"]
        assert (row["device"], row["connected"], row["readings"]) == ("greenhouse", True, 2)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await device.closed()).reason == "stopping"
        await device.leave()

    async def main() -> bool:
        collector = built(file, free_port())
        run = asyncio.create_task(collector.run())
        await answering(collector)
        await deed(collector)
        return await asyncio.wait_for(run, 60)

    assert asyncio.run(main())
    assert rows(file, "SELECT mark FROM epoch") == [(2,)]
    assert {each.name for each in file.parent.iterdir()} == LEFT


def test_questions_are_answered_once_devices_can_come(file: Path) -> None:
    """Whoever waits for the first answer may connect at once."""

    async def main() -> None:
        collector = built(file, free_port())
        listen, receive = collector.server.start, collector.datagrams.start

        async def start_listening() -> None:
            assert not (file.parent / "control").exists()
            await listen()

        async def start_receiving(address: Address) -> None:
            await receive(address)
            assert not (file.parent / "control").exists()

        collector.server.start = start_listening  # type: ignore[method-assign]
        collector.datagrams.start = start_receiving  # type: ignore[method-assign]
        run = asyncio.create_task(collector.run())
        await until(lambda: run.done() or (file.parent / "control").exists())
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(run, 60)

    asyncio.run(main())


def test_device_joins_and_is_let_in(file: Path) -> None:
    """What is made of an invitation on the control socket is served on the port."""

    async def deed(collector: Collector) -> None:
        socket_file = file.parent / "control"
        answer = await asyncio.to_thread(
            control.ask, socket_file, "invite", name="pi", valid_s=60.0
        )
        token = decode_token(answer["token"])
        assert token.addresses == (tuple(collector.server.address),)
        _, writer = await asyncio.open_connection(
            *token.addresses[0], ssl=tls.client_context(), server_hostname=""
        )
        assert tls.peer_fingerprint(writer.transport) == token.fingerprint
        writer.close()
        [member] = await asyncio.to_thread(control.ask, socket_file, "devices")
        assert (member["device"], member["standing"]) == ("pi", "invited")
        await asyncio.to_thread(control.ask, socket_file, "revoke", device="pi")
        assert collector.trust.is_revoked("pi")

    assert asyncio.run(running(file, deed))


@pytest.mark.parametrize("name", ["trust.db", "collector.pem"])
def test_keys_that_others_may_read_end_the_start(file: Path, name: str) -> None:
    """Before anything is listened on; the same for files that are none."""
    faults = {0o644: KeyFileError, 0o600: TrustError}
    for mode, error in faults.items():
        (file.parent / name).write_bytes(b"x" * 200)
        (file.parent / name).chmod(mode)

        async def main(error: type[Exception] = error) -> None:
            with pytest.raises(error):
                built(file, free_port())

        asyncio.run(main())


def test_systemd_is_told(file: Path, notices: Callable[[], list[str]]) -> None:
    """Ready when devices can come, alive while commits go on, stopping at the end."""

    async def deed(_collector: Collector) -> None:
        assert "READY=1" in notices()
        await until(lambda: notices().count("WATCHDOG=1") >= 2)

    assert asyncio.run(running(file, deed))
    told = notices()
    assert told[0] == "READY=1"
    assert re.fullmatch(r"STATUS=no device yet, store [0-9.]+ KiB, 127\.0\.0\.1:\d+", told[1])
    assert told[-1] == "STOPPING=1"


def test_commit_that_hangs_is_not_called_alive(
    file: Path, notices: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd may then do what it does to programs that hang."""

    async def deed(collector: Collector) -> None:
        monkeypatch.setattr(collector.writer._group, "busy_since_s", -1e9)
        await until(lambda: notices().count("READY=1"))
        alive = notices().count("WATCHDOG=1")
        statuses = sum(each.startswith("STATUS=") for each in notices())
        await until(lambda: sum(each.startswith("STATUS=") for each in notices()) >= statuses + 3)
        assert notices().count("WATCHDOG=1") == alive

    assert asyncio.run(running(file, deed))


def test_store_that_fails_ends_the_collector(file: Path) -> None:
    """Without an acknowledgement; the log says why, and the store is not set aside for it."""

    async def deed(collector: Collector) -> None:
        device = await connected(collector, "greenhouse")
        change(file, "DROP TABLE batch")
        device.send_batches(batch(1))
        closed = await device.closed()
        assert closed.reason == "stopping"
        assert not any(type(event).__name__ == "Ack" for event in device.events)
        await device.leave()

    with capture_logs() as logs:
        assert not asyncio.run(running(file, deed))
    (event,) = [log for log in logs if log["event"] == "store_failed"]
    assert event["log_level"] == "error"
    assert "batch" in event["detail"]
    assert not list(file.parent.glob("*.damaged-*"))


def test_store_that_turns_out_damaged_is_set_aside(file: Path) -> None:
    """So that the next start does not fail again."""
    commit(file, "greenhouse", batch(1))

    async def deed(collector: Collector) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        collector.failed.set_result(error)

    with capture_logs() as logs:
        assert not asyncio.run(running(file, deed))
    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "store_failed",
        "store_set_aside",
    ]
    (aside,) = file.parent.glob("*.damaged-*")
    assert rows(aside, "SELECT mark FROM epoch") == [(1,)]


def test_fault_of_ours_is_told_with_its_traceback(file: Path) -> None:
    """What no person can mend must be found."""

    async def deed(collector: Collector) -> None:
        collector.failed.set_result(ZeroDivisionError("a fault"))

    with capture_logs() as logs:
        assert not asyncio.run(running(file, deed))
    (event,) = [log for log in logs if log["event"] == "store_failed"]
    assert isinstance(event["exc_info"], ZeroDivisionError)


def test_port_that_is_taken_leaves_nothing_behind(file: Path) -> None:
    """What was started before is ended: no socket to ask, no open store."""

    async def main(port: int) -> None:
        with pytest.raises(ListenError, match=r"\(pid \d+\) has this port"):
            await built(file, port).run()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(main(listener.getsockname()[1]))
    assert {each.name for each in file.parent.iterdir()} == LEFT


def test_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """Nothing else is begun."""
    (tmp_path / FILE_NAME).mkdir()

    async def main() -> None:
        with pytest.raises(StoreError, match="cannot be opened"):
            built(tmp_path / FILE_NAME, free_port())

    asyncio.run(main())


def test_reload_takes_up_what_a_running_collector_can(file: Path) -> None:
    """The floor and who may come plain at once; listen and folder only by a restart, and status says so."""
    settings = CollectorSettings(
        devices=DevicesSettings(listen="127.0.0.1:1", plain_on_loopback=False),
        web=WebSettings(enabled=False),
        store=StoreSettings(folder="/srv", min_free_bytes=2**20),
    )

    async def deed(collector: Collector) -> None:
        device = await connected(collector, "greenhouse")
        listen = str(collector.server.address)
        collector.reloader._load = lambda: settings
        os.kill(os.getpid(), signal.SIGHUP)
        assert (await device.closed()).reason == "not_accepted"
        await device.leave()
        async with collector.reloader.turn:  # the session ends in the midst of it
            answer = await status(collector)
        assert answer["configuration"] == {
            "refused": "",
            "waiting": ["devices.listen", "store.folder"],
        }
        assert (answer["listen"], answer["store"]) == (listen, str(file))
        assert answer["space"]["min_free_bytes"] == 2**20
        assert not collector.services.plain_on_loopback

    assert asyncio.run(running(file, deed))


def test_part_that_fails_ends_the_collector(file: Path) -> None:
    """A bug is seen: all is closed in order, and the error comes out."""

    async def deed(collector: Collector) -> None:
        collector.reloader._load = lambda: 1 / 0
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: not (file.parent / "control").exists())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(running(file, deed))
    assert {each.name for each in file.parent.iterdir()} == LEFT


def test_what_ends_a_start_is_seen_in_systemd(tmp_path: Path) -> None:
    """A wrong file, a port that is taken: in the head of `systemctl status`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = programs.collector(tmp_path / "collector", listener.getsockname()[1])
        with manager(tmp_path / "notify", program) as systemd:
            assert program.command("serve").returncode == 1
            assert systemd.status.startswith("cannot listen on 127.0.0.1:")
            program.config.write_text("store: {min_fre: 1GiB}\n")
            assert program.command("serve").returncode == 2
            assert systemd.status.startswith(f"{program.config}:1:9: store.min_fre: no such")
