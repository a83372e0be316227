"""device.agent: the whole agent as a process, from its start to its clean end."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from config import load
from device import credentials
from device.agent import Agent, run_agent
from device.credentials import Credentials
from device.errors import JoinError
from device.settings import DeviceSettings, SensorSettings, problems
from kit import programs
from kit.links import opened
from kit.programs import Program, free_port
from kit.scripted import ScriptedCollector, scripted_collector
from kit.systemd import manager
from kit.waiting import WITHIN_S, until, wait_until
from service import control
from wire.blocks import Point
from wire.bodies import Describe, Hold
from wire.conversation import Closed
from wire.greetings import Hello

COUNTER = "  count:\n    driver: synthetic:counter\n    interval: 100ms\n"
HUNG = "  hung:\n    driver: synthetic:slow\n    options: {delay: 3600}\n    timeout: 100ms\n"

# A line of logfmt, for a pipe or a file: time, level, event, then facts.
LINE = re.compile(r'timestamp=\S+ level=\w+ event=[a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^ "=]*))*')


@contextmanager
def started(folder: Path, port: int, sensors: str = COUNTER) -> Iterator[Program]:
    """An agent that runs, and is gone in the end."""
    agent = programs.device(folder, port, sensors)
    try:
        agent.start()
        yield agent
    finally:
        agent.end()


def events(agent: Program) -> list[str]:
    """The names of what it logged, in order."""
    return re.findall(r" event=(\S+)", agent.said())


def test_stops_cleanly_without_a_collector(tmp_path: Path) -> None:
    """SIGTERM is exit 0; what could not be handed over is kept on the card, and said once."""
    with started(tmp_path, free_port()) as agent:
        wait_until(lambda: agent.ask("status")["spool"]["held_readings"] >= 2)
        assert agent.stop() == 0
    assert events(agent) == [
        "agent_started",
        "link_down",
        "agent_stopping",
        "readings_kept",
        "agent_stopped",
    ]
    (kept,) = re.findall(r"event=readings_kept readings=(\d+)", agent.said())
    assert stored(agent.state, "SELECT sum(readings) FROM batch") == int(kept) >= 2
    assert stored(agent.runtime, "SELECT count(*) FROM batch") == 0
    assert not (agent.runtime / "control").exists()


def stored(folder: Path, question: str) -> int:
    """What the spool's file in a folder holds, once nobody has it open."""
    database = sqlite3.connect(folder / "spool.db")
    try:
        (number,) = database.execute(question).fetchone()
    finally:
        database.close()
    return int(number)


def test_logs_are_one_event_a_line(tmp_path: Path) -> None:
    """Off a terminal every line is logfmt, and names what happened first."""
    with started(tmp_path, free_port(), COUNTER + HUNG) as agent:
        wait_until(lambda: "sensor_failed" in events(agent))
    for line in agent.said().splitlines():
        assert LINE.fullmatch(line), line
    assert "level=warning event=sensor_failed sensor=hung reason=timed_out" in agent.said()


@asynccontextmanager
async def linked(
    folder: Path, sensors: str = COUNTER
) -> AsyncIterator[tuple[Program, ScriptedCollector]]:
    """An agent with a collector."""
    async with scripted_collector() as collector:
        agent = programs.device(folder, collector.port, sensors)
        try:
            await asyncio.to_thread(agent.start)
            yield agent, collector
        finally:
            agent.end()


def test_stop_hands_over_everything(tmp_path: Path) -> None:
    """Whatever was accepted by then is acknowledged before the end; BYE says it is no cut."""

    async def scenario() -> None:
        async with linked(tmp_path) as (agent, collector):
            await until(lambda: collector.readings >= 3)
            assert collector.session.heard(Hello)[0].device == "pi"
            sensor, own = collector.session.heard(Describe)[0].sensors
            assert (sensor.name, sensor.driver) == ("count", "synthetic:counter")
            assert (own.name, own.driver) == ("agent", "agent")
            assert await asyncio.to_thread(agent.stop) == 0
            await until(lambda: collector.session.is_over)
            assert collector.session.heard(Closed) == [Closed("stopping", by_peer=True)]
            assert events(agent) == ["agent_started", "link_up", "agent_stopping", "agent_stopped"]
            acknowledged = f"acknowledged_readings={collector.readings}\n"
            assert agent.said().endswith(acknowledged)

    asyncio.run(scenario())


def test_stop_leaves_no_epoch_behind(tmp_path: Path) -> None:
    """The end of the run is acknowledged too: its row is gone, from memory and from the card."""

    async def scenario() -> None:
        async with linked(tmp_path) as (agent, collector):
            await until(lambda: collector.readings >= 3)
            assert await asyncio.to_thread(agent.stop) == 0
            ((epoch, end),) = collector.ends.items()
            assert (end.reason, end.last_seq, end.readings) == (
                "stopped",
                collector.marks[epoch],
                collector.readings,
            )
            for folder in (agent.runtime, agent.state):
                assert stored(folder, "SELECT count(*) FROM epoch") == 0
                assert stored(folder, "SELECT count(*) FROM batch") == 0
                assert stored(folder, "SELECT count(*) FROM tick") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_next_start_offers_what_is_left(tmp_path: Path, ends: str) -> None:
    """Everything accepted without a collector, also before kill -9; and that run's end."""

    async def scenario() -> None:
        port = free_port()
        agent = programs.device(tmp_path, port, COUNTER)
        try:
            await asyncio.to_thread(agent.start)
            await until(lambda: accepted(agent) >= 5)
            at_least = accepted(agent)
            await asyncio.to_thread(getattr(agent, ends))
            async with scripted_collector(port) as collector:
                await asyncio.to_thread(agent.start)
                await until(lambda: collector.ends)
                (hold,) = collector.session.heard(Hold)
                present, former = (each.epoch for each in hold.epochs)
                end = collector.ends[former]
                assert end.reason == ("stopped" if ends == "stop" else "restarted")
                assert end.last_seq == collector.marks[former]
                readings = sum(
                    arrived.header.readings
                    for arrived in collector.stored
                    if arrived.header.place.epoch == former
                )
                assert readings == end.readings >= at_least
                await until(lambda: collector.marks.get(present))
                assert collector.gaps == []
        finally:
            agent.end()

    asyncio.run(scenario())


def accepted(agent: Program) -> int:
    """How many readings it has accepted."""
    count: int = agent.ask("status")["accepted_readings"]
    return count


def test_edited_name_keeps_what_was_offered_aside(tmp_path: Path) -> None:
    """What `pi` has offered is not `shed`'s: it waits until `name:` is that again, and status says so."""

    async def scenario() -> None:
        async with linked(tmp_path) as (agent, collector):
            collector.acknowledges = False
            await until(lambda: collector.readings >= 2)
            (offered,) = collector.marks
            collector.session.bye("stopping", retry_after_s=60.0)
            await until(lambda: agent.ask("status")["link"] == "down")
            collector.greets = False
            await asyncio.to_thread(agent.kill)
            yaml = agent.config.read_text()
            agent.config.write_text(yaml.replace("name: pi", "name: shed"))
            collector.greets = collector.acknowledges = True
            collector.marks.clear()
            collector.stored.clear()
            await asyncio.to_thread(agent.start)
            await until(lambda: collector.readings)
            assert [each.device for each in collector.session.heard(Hello)] == ["shed"]
            (hold,) = collector.session.heard(Hold)
            assert offered not in [each.epoch for each in hold.epochs]
            status = await asyncio.to_thread(agent.command, "status")
            assert "! readings of 1 epoch were begun to be sent under" in status.stdout
            assert await asyncio.to_thread(agent.stop) == 0
            agent.config.write_text(yaml)
            await asyncio.to_thread(agent.start)
            await until(lambda: offered in collector.ends)
            assert collector.gaps == []
            assert agent.ask("status")["spool"]["others_epochs"] == 0

    asyncio.run(scenario())


# --- what a join gave it


FOUND = Credentials("pi", bytes(range(32)), bytes(range(32, 64)), ("127.0.0.1:1",))
FIELDS: dict[str, Any] = msgspec.to_builtins(FOUND)


def hand_over(agent: Program, fields: object) -> str:
    """Hand over what a join gave; return what the agent says against it."""
    try:
        control.ask(agent.runtime / "control", "joined", 10.0, credentials=fields)
    except control.Failed as error:
        return str(error)
    return ""


def test_join_is_taken_over_the_control_socket(tmp_path: Path) -> None:
    """It is kept, in a file that nobody else may read, and used from then on."""
    with started(tmp_path, free_port()) as agent:
        assert not agent.ask("status")["is_joined"]
        assert hand_over(agent, FIELDS) == ""
        assert agent.ask("status")["is_joined"]
        assert credentials.load(agent.state, {}) == FOUND
        wait_until(lambda: "joined" in events(agent))
        assert FIELDS["key"] not in agent.said()


def test_join_learns_first_who_this_device_is(tmp_path: Path) -> None:
    """Before anything is sent: what `name:` was when the agent started, or nothing."""
    with started(tmp_path, free_port()) as agent:
        assert agent.ask("joining") == "pi"
        yaml = agent.config.read_text()
        agent.config.write_text(yaml.replace("name: pi", "# no name"))
        assert agent.ask("joining") == "pi"
        agent.stop()
        agent.start()
        assert agent.ask("joining") == ""


def test_key_takes_the_place_of_what_it_is_for(tmp_path: Path) -> None:
    """Where a join has put others there meanwhile, they stay; a join's own go in place of any."""
    settings = DeviceSettings(sensors={"count": SensorSettings(driver="synthetic:counter")})
    other = msgspec.structs.replace(FOUND, key=bytes(32))

    async def scenario() -> None:
        spool = await opened(tmp_path)
        agent = Agent(settings, spool, tmp_path, tmp_path, FOUND)
        agent._keep(FOUND, None)
        agent._keep(other, FOUND)
        assert credentials.load(tmp_path, {}) == other
        with pytest.raises(JoinError, match="joined again"):
            agent._keep(FOUND, FOUND)
        assert credentials.load(tmp_path, {}) == other
        await agent._close_spool()

    asyncio.run(scenario())


def test_join_that_is_none_is_refused(tmp_path: Path) -> None:
    """Each with what is wrong; the agent goes on as it was, and nothing is kept."""
    with started(tmp_path, free_port()) as agent:
        for fields, part in (
            (None, "Expected `object`"),
            (FIELDS | {"key": "AAAA"}, "key"),
            (FIELDS | {"device": "Pi"}, "`Pi` cannot name a device"),
            (FIELDS | {"addresses": ["a..b"]}, "`a..b` is not an address"),
            (FIELDS | {"device": "shed"}, "but device.yaml says `name: pi`: leave `name` out"),
        ):
            said = hand_over(agent, fields)
            assert part in said
            assert str(FIELDS["key"]) not in said
        assert not agent.ask("status")["is_joined"]
        assert credentials.load(agent.state, {}) is None


def test_handed_over_credentials_are_the_only_ones(tmp_path: Path) -> None:
    """Those of systemd (LoadCredential=): used in place of a file, and changed by nobody else."""
    handed = tmp_path / "handed"
    handed.mkdir()
    credentials.store(handed, FOUND)
    agent = programs.device(tmp_path / "agent", free_port(), COUNTER)
    agent.environment |= {"CREDENTIALS_DIRECTORY": str(handed)}
    try:
        agent.start()
        assert agent.ask("status")["is_joined"]
        assert "systemd hands over this device's credentials" in hand_over(agent, FIELDS)
        with pytest.raises(control.Failed, match="systemd hands over"):
            agent.ask("joining")
        assert credentials.load(agent.state, {}) is None
    finally:
        agent.end()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(b"\0" * 200), "is not what a join wrote"),
        (lambda file: file.chmod(0o644), "chmod 600"),
    ],
    ids=["zeros", "mode"],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_credentials_that_cannot_be_used(
    tmp_path: Path, command: str, damage: Callable[[Path], None], said: str
) -> None:
    """Nothing is started as somebody else: exit 1 and one line that says what to do."""
    agent = programs.device(tmp_path, free_port(), COUNTER)
    credentials.store(agent.state, FOUND)
    damage(agent.state / credentials.FILE_NAME)
    done = agent.command(command)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (agent.runtime / "control").exists()


def test_damage_that_is_seen_late_leaves_nothing_open(tmp_path: Path) -> None:
    """Where the file changes behind the back of the check: no spool was opened by then."""
    runtime, state = tmp_path / "run", tmp_path / "state"
    for folder in (runtime, state):
        folder.mkdir()
    credentials.store(state, FOUND)
    (state / credentials.FILE_NAME).write_bytes(b"{}")
    settings = DeviceSettings(sensors={"count": SensorSettings(driver="synthetic:counter")})
    threads = set(threading.enumerate())
    with pytest.raises(JoinError):
        asyncio.run(run_agent(settings, runtime, state))
    assert set(threading.enumerate()) == threads


# --- faults


def test_hung_driver_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    """Its thread is left behind; the other sensor was read all the time."""

    async def scenario() -> None:
        async with linked(tmp_path, HUNG + COUNTER) as (agent, collector):
            await until(lambda: "sensor_failed" in events(agent))
            readings = collector.readings
            await until(lambda: collector.readings >= readings + 5)
            assert await asyncio.to_thread(agent.stop) == 0
            assert events(agent)[-1] == "agent_stopped"

    asyncio.run(scenario())


def test_second_agent_is_refused(tmp_path: Path) -> None:
    """Two agents would fight for the pins: one line says who is there, exit 1."""
    with started(tmp_path, free_port()) as agent:
        second = agent.command("run")
        assert (second.returncode, second.stdout) == (1, "")
        (line,) = second.stderr.splitlines()
        assert line.startswith("telegauge-device: another instance is running")
        assert str(agent.runtime) in line
        assert agent.ask("status")["device"] == "pi", "the first goes on"


def test_killed_agent_leaves_no_trouble_behind(tmp_path: Path) -> None:
    """The next start replaces the socket that was left."""
    with started(tmp_path, free_port()) as agent:
        agent.kill()
        assert (agent.runtime / "control").exists()
        agent.start()
        assert agent.ask("status")["link"] == "down"


def test_systemd_is_told(tmp_path: Path) -> None:
    """READY once it samples and answers, WATCHDOG while it does, STOPPING at the end."""
    path = tmp_path / "notify"
    agent = programs.device(tmp_path, free_port(), COUNTER)
    agent.environment |= {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}
    agent.environment.pop("WATCHDOG_PID", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(20)
        try:
            agent.start()
            ready = systemd.recv(4096).decode()
            assert ready == "READY=1\nSTATUS=1 sensor, link not up yet, 0 spooled"
            while systemd.recv(4096) != b"WATCHDOG=1":
                pass
            assert b"STATUS=1 sensor, " in systemd.recv(4096)
            assert agent._process is not None
            agent._process.terminate()
            while systemd.recv(4096) != b"STOPPING=1":
                pass
        finally:
            agent.end()


@pytest.mark.parametrize("part", ["link", "sampler", "spool"])
def test_part_that_fails_ends_the_agent(tmp_path: Path, part: str) -> None:
    """A bug is seen: the others are stopped in order, and the error comes out."""
    config = tmp_path / "device.yaml"
    config.write_text(f"collector: {{address: '127.0.0.1:{free_port()}'}}\nsensors:\n{COUNTER}")
    settings = load(config, DeviceSettings, problems)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("a bug")

    async def scenario() -> None:
        agent = Agent(settings, await opened(tmp_path), tmp_path, tmp_path)
        getattr(agent, part).run = fails
        await agent.run()

    with capture_logs() as entries, pytest.raises(RuntimeError, match="a bug"):
        asyncio.run(scenario())
    assert entries[-1]["event"] == "agent_stopped"
    assert not (tmp_path / "control").exists()


def test_what_was_acknowledged_of_late_is_not_kept(tmp_path: Path) -> None:
    """Its removal from the card was put off: what is said to be kept is what is left behind that."""
    config = tmp_path / "device.yaml"
    config.write_text(f"collector: {{address: '127.0.0.1:{free_port()}'}}\nsensors:\n{COUNTER}")
    settings = load(config, DeviceSettings, problems)

    async def scenario() -> None:
        spool = await opened(tmp_path)
        agent = Agent(settings, spool, tmp_path, tmp_path)
        facts = spool.epochs.present
        assert facts is not None
        assert spool.accept("count", facts.began_ns, [Point("value", "", 1.0, 0)])
        assert await spool.move()
        spool.acknowledge(facts, 1)
        spool.end()
        await agent._close_spool()
        assert spool.acknowledged == 1

    with capture_logs() as entries:
        asyncio.run(scenario())
    assert entries == []


# --- reload


def reload(agent: Program, *changes: tuple[str, str]) -> None:
    """Edit the YAML, send SIGHUP, and wait until something has come of it."""
    yaml = agent.config.read_text()
    for former, now in changes:
        assert former in yaml
        yaml = yaml.replace(former, now)
    agent.config.write_text(yaml)
    said = re.findall("reloaded|reload_refused", agent.said())
    os.kill(agent.pid, signal.SIGHUP)
    wait_until(lambda: re.findall("reloaded|reload_refused", agent.said()) != said)


def test_reload_tells_the_collector_and_finds_another(tmp_path: Path) -> None:
    """A label, the form of the log, then name and address: each at once, and no reading is lost."""

    async def scenario() -> None:
        async with linked(tmp_path) as (agent, collector), scripted_collector() as other:
            label = ("name: pi\n", "name: pi\nlabel: Shed\nlogs: {format: json}\n")
            await asyncio.to_thread(reload, agent, label)
            await until(lambda: collector.session.heard(Describe)[-1].label == "Shed")
            assert '"event": "reloaded", "changed": ["label", "logs.format"]' in agent.said()
            port = (f"127.0.0.1:{collector.port}", f"127.0.0.1:{other.port}")
            await asyncio.to_thread(reload, agent, ("name: pi\n", "name: shed\n"), port)
            await until(lambda: other.readings >= 3)
            assert other.session.heard(Hello)[0].device == "shed"
            assert agent.ask("status")["device"] == "shed"
            assert agent.ask("joining") == "shed"
            ((_, end),) = collector.ends.items()
            assert (end.reason, end.readings) == ("rolled", collector.readings)
            assert await asyncio.to_thread(agent.stop) == 0

    asyncio.run(scenario())


def test_reload_heeds_what_a_join_gave(tmp_path: Path) -> None:
    """Another name in the YAML is refused then, with its place; the agent goes on as it was."""
    with started(tmp_path, free_port()) as agent:
        assert hand_over(agent, FIELDS) == ""
        reload(agent, ("name: pi", "name: shed"))
        refused = agent.ask("status")["configuration"]["refused"]
        assert refused.startswith(f"{agent.config}:1:1: name: `shed` is not the name")
        assert agent.ask("status")["device"] == "pi"
        (agent.state / credentials.FILE_NAME).chmod(0o644)
        reload(agent, ("name: shed", "name: pi"))
        assert "chmod 600" in agent.ask("status")["configuration"]["refused"]


def test_join_and_reload_take_turns(tmp_path: Path) -> None:
    """What a file was checked against does not change before it is in force."""
    settings = DeviceSettings(sensors={"count": SensorSettings(driver="synthetic:counter")})
    begun, may_end = threading.Event(), threading.Event()

    def load_slowly() -> DeviceSettings:
        begun.set()
        assert may_end.wait(WITHIN_S)
        return msgspec.structs.replace(settings, name="shed")

    async def scenario() -> None:
        agent = Agent(settings, await opened(tmp_path), tmp_path, tmp_path, load=load_slowly)
        reloading = asyncio.create_task(agent.reloader.reload())
        await until(begun.is_set)
        joining = asyncio.create_task(agent._joined({"credentials": FIELDS}))
        await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(JoinError, match="`name: shed`"):
            await joining
        await reloading
        await agent._close_spool()

    asyncio.run(scenario())


def test_reload_under_way_does_not_outlast_the_stop(tmp_path: Path) -> None:
    """Nothing is taken up any more, and systemd hears of no READY behind STOPPING."""
    agent = programs.device(tmp_path, free_port(), HUNG + COUNTER)
    with manager(tmp_path / "notify", agent) as systemd:
        try:
            agent.start()
            wait_until(lambda: "sensor_failed" in events(agent))
            yaml = agent.config.read_text()
            agent.config.write_text(yaml.replace(HUNG, ""))
            os.kill(agent.pid, signal.SIGHUP)
            wait_until(lambda: systemd.states[-1] == "RELOADING=1")
            assert agent.stop() == 0
            assert systemd.states[-1] == "STOPPING=1"
        finally:
            agent.end()


@pytest.mark.parametrize(
    ("former", "now", "status"),
    [
        ("synthetic:counter", "synthetic:sinus", "{config}:6:5: sensors.count.driver: no kind"),
        ("name: pi", "name: Pi\nnmae: pi", "{config}:1:7: name: "),
    ],
)
def test_wrong_file_at_the_start_is_seen_in_systemd(
    tmp_path: Path, former: str, now: str, status: str
) -> None:
    """The first problem stands in the head of `systemctl status`, and how many more there are."""
    agent = programs.device(tmp_path, free_port(), COUNTER)
    agent.config.write_text(agent.config.read_text().replace(former, now))
    with manager(tmp_path / "notify", agent) as systemd:
        assert agent.command("run").returncode == 2
        assert systemd.status.startswith(status.format(config=agent.config))
        assert systemd.status.endswith("(and 1 more)") is ("nmae" in now)
        assert systemd.states == []


def test_key_that_others_may_read_is_seen_in_systemd(tmp_path: Path) -> None:
    """So is every other known reason why nothing is started."""
    agent = programs.device(tmp_path, free_port(), COUNTER)
    credentials.store(agent.state, FOUND)
    (agent.state / credentials.FILE_NAME).chmod(0o644)
    with manager(tmp_path / "notify", agent) as systemd:
        assert agent.command("run").returncode == 1
        assert "chmod 600" in systemd.status
