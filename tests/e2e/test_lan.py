"""Two machines on a network, with the files as shipped: nothing but the pasted line is needed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store import Reader
from collector.store.database import FILE_NAME
from collector.times import END_OF_TIME_NS
from config import shipped
from kit.lan import Host, two_hosts
from kit.programs import Program
from kit.waiting import wait_until

_PLAIN_HELLO = """
import socket, sys
from wire import frames
from wire.greetings import Hello
with socket.create_connection((sys.argv[1], 8888), 10) as connection:
    connection.sendall(frames.encode(Hello("greenhouse", 1, 1)))
    connection.settimeout(10)
    said = b""
    while data := connection.recv(4096):
        said += data
print(said)
"""


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """The collector's machine and the Pi."""
    with two_hosts() as both:
        yield both


@pytest.fixture
def programs(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[tuple[Program, Program]]:
    """Both programs with the YAML as shipped, but for what a small disk has no room for."""
    server, pi = hosts
    config = shipped("collector.yaml").read_text().replace("min_free: 1GiB", "min_free: 1MiB")
    agent = shipped("device.yaml").read_text().replace("interval: 2s", "interval: 200ms")
    made = (
        Program("collector", "serve", tmp_path / "collector", config, host=server),
        Program("device", "run", tmp_path / "device", agent, host=pi),
    )
    yield made
    for program in made:
        program.end()


def readings(folder: Path) -> int:
    """How many readings are stored."""
    reader = Reader(folder / FILE_NAME)
    try:
        answer = reader.range("*", 0, END_OF_TIME_NS)
        return sum(len(part.values) for part in answer.parts)
    finally:
        reader.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_another_pi_is_one_line(
    programs: tuple[Program, Program], hosts: tuple[Host, Host], transport: str
) -> None:
    """The token knows where the collector is; readings come over the network, sealed."""
    collector, agent = programs
    agent.config.write_text(
        agent.config.read_text().replace("transport: tcp", f"transport: {transport}")
    )
    collector.start()
    agent.start()
    made = collector.command("invite", "greenhouse", "--json")
    assert made.returncode == 0, made.stderr
    invitation = json.loads(made.stdout)
    assert invitation["addresses"][0] == f"{hosts[0].address}:8888"
    ran = agent.command("join", invitation["token"])
    assert ran.returncode == 0, ran.stderr
    wait_until(lambda: agent.ask("status")["link"] == "up", 60)
    wait_until(lambda: readings(collector.state) > 50, 60)
    assert "tls=true" in collector.said()
    assert agent.stop() == 0
    assert collector.stop() == 0


def test_nothing_leaves_a_pi_that_has_not_joined(
    programs: tuple[Program, Program], hosts: tuple[Host, Host]
) -> None:
    """An address in the YAML alone is not enough: the agent keeps its readings and says what to do."""
    collector, agent = programs
    config = agent.config.read_text()
    agent.config.write_text(
        config.replace("# address: 192.168.1.20:8888", f"address: {hosts[0].address}:8888")
    )
    collector.start()
    agent.start()
    wait_until(lambda: agent.ask("status")["last_end"], 60)
    assert agent.ask("status")["last_end"].startswith("not_joined")
    assert "telegauge-collector invite" in agent.ask("status")["last_end"]
    assert collector.ask("status")["sessions"] == 0
    assert "device_not_let_in" not in collector.said()


def test_plain_is_refused_from_another_machine(
    programs: tuple[Program, Program], hosts: tuple[Host, Host]
) -> None:
    """A device that speaks plainly from elsewhere is told so, and nothing of it is stored."""
    collector, agent = programs
    collector.start()
    ran = subprocess.run(
        [*hosts[1].prefix, sys.executable, "-c", _PLAIN_HELLO, hosts[0].address],
        env=agent.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "not_accepted" in ran.stdout, ran.stderr
    assert collector.ask("status")["devices"] == []
