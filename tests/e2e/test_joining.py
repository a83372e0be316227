"""A Pi is let in by one line, sends, gets another key, and is shut out; with the real programs."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit import oracle, programs
from kit.rigs import SENSOR
from kit.waiting import wait_until

_SENSORS = """
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {{channels: 3, ledger: {ledger}}}
"""


class Household:
    """A collector that takes TLS and keys alone, and agents that have not joined."""

    def __init__(self, folder: Path) -> None:
        self.port = programs.free_port()
        self.collector = programs.collector(folder / "collector", self.port, plain=False)
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self._folder = folder
        self._agents: list[programs.Program] = []

    def agent(self, name: str, transport: str = "tcp") -> programs.Program:
        """An agent that knows of no collector."""
        sensors = _SENSORS.format(ledger=self.ledger)
        config = f"collector: {{transport: {transport}}}\nsensors:\n{sensors}"
        self._agents.append(programs.Program("device", "run", self._folder / name, config))
        return self._agents[-1]

    def plain_agent(self, name: str) -> programs.Program:
        """An agent that the collector takes by its name alone, for now."""
        self.take_plain(True)
        agent = self.agent(name)
        address = f"name: {name}\ncollector: {{address: '127.0.0.1:{self.port}', "
        agent.config.write_text(agent.config.read_text().replace("collector: {", address))
        return agent

    def take_plain(self, is_taken: bool) -> None:
        """Say whether the collector takes this machine's devices by their name, from its next start."""
        yaml = re.sub(
            r"(?<=loopback: )\w+", str(is_taken).lower(), self.collector.config.read_text()
        )
        self.collector.config.write_text(yaml)

    def invite(self, *arguments: str) -> str:
        """The token of an invitation."""
        made = self.collector.command("invite", *arguments, "--json")
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["token"])

    def says(self, *arguments: str) -> str:
        """What a command of the collector prints; it must work."""
        ran = self.collector.command(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def end(self) -> None:
        """Leave no process behind."""
        for program in (*self._agents, self.collector):
            program.end()


@contextmanager
def household(folder: Path) -> Iterator[Household]:
    """A household that leaves no process behind."""
    made = Household(folder)
    try:
        yield made
    finally:
        made.end()


def joins(agent: programs.Program, token: str) -> str:
    """Let an agent join; return what that says."""
    ran = agent.command("join", token)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def wait_until_up(agent: programs.Program) -> None:
    """Wait until batches flow."""
    wait_until(lambda: agent.ask("status")["link"] == "up", 60)


def joined_agent(home: Household, name: str = "pi") -> programs.Program:
    """An agent that runs, and has joined as greenhouse."""
    agent = home.agent(name)
    agent.start()
    joins(agent, home.invite("greenhouse"))
    wait_until_up(agent)
    return agent


def wait_for_reads(ledger: Path, more: int) -> None:
    """Wait until the sensor has given some more."""
    wanted = oracle.reads(ledger) + more
    wait_until(lambda: oracle.reads(ledger) >= wanted, 60)


def stop_and_judge(home: Household, agent: programs.Program) -> None:
    """Stop both as systemd would: everything that was read is stored, once."""
    assert agent.stop() == 0
    assert home.collector.stop() == 0
    verdict = oracle.judge(home.ledger, home.collector.state, SENSOR, agent.ends_ns)
    assert verdict.clean, verdict


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_one_line_lets_a_pi_in(tmp_path: Path, transport: str) -> None:
    """What was read before the join arrives too; the agent connects at once, under its new name."""
    with household(tmp_path) as home:
        home.collector.start()
        agent = home.agent("pi", transport)
        agent.start()
        wait_for_reads(home.ledger, 5)
        assert agent.ask("status")["link"] == "down"
        said = joins(agent, home.invite("greenhouse"))
        assert "joined as greenhouse" in said
        assert "connects with it now" in said
        wait_until_up(agent)
        wait_for_reads(home.ledger, 5)
        assert re.search(r"greenhouse +joined +connected", home.says("devices"))
        if transport == "tcp":
            stop_and_judge(home, agent)
        else:  # what was lost is counted, and no fault
            assert agent.stop() == 0
            assert home.collector.stop() == 0
        assert "tls=true" in home.collector.said()


def test_agent_that_does_not_run_finds_its_key(tmp_path: Path) -> None:
    """Joining says what is next, and the agent connects when it is started; also after both died."""
    with household(tmp_path) as home:
        home.collector.start()
        agent = home.agent("pi")
        assert "Next: " in joins(agent, home.invite("greenhouse"))
        agent.start()
        wait_until_up(agent)
        home.collector.kill()
        agent.kill()
        home.collector.start()
        agent.start()
        wait_until_up(agent)
        wait_for_reads(home.ledger, 5)
        stop_and_judge(home, agent)


def test_revoked_device_is_cut_and_keeps_its_readings(tmp_path: Path) -> None:
    """Once `revoke` has returned nothing more is stored; invited again it sends what it kept."""
    with household(tmp_path) as home:
        home.collector.start()
        agent = joined_agent(home)
        wait_for_reads(home.ledger, 5)
        home.says("revoke", "greenhouse")
        stored = oracle.stored(home.collector.state, SENSOR)
        wait_until(lambda: "revoked" in agent.ask("status")["last_end"])
        wait_for_reads(home.ledger, 15)
        assert oracle.stored(home.collector.state, SENSOR) == stored
        assert re.search(r"greenhouse +revoked", home.says("devices"))
        joins(agent, home.invite("greenhouse"))
        wait_until_up(agent)
        wait_for_reads(home.ledger, 5)
        stop_and_judge(home, agent)


def test_new_key_over_the_session(tmp_path: Path) -> None:
    """`rotate` returns when the device has come back with its new key; the old one is worth nothing."""
    with household(tmp_path) as home:
        home.collector.start()
        agent = joined_agent(home)
        former = (agent.state / "credentials").read_bytes()
        assert "uses its new key" in home.says("rotate", "greenhouse")
        assert (agent.state / "credentials").read_bytes() != former
        thief = home.agent("thief")
        (thief.state / "credentials").write_bytes(former)
        (thief.state / "credentials").chmod(0o600)
        thief.start()
        wait_until(lambda: "not_accepted" in thief.ask("status")["last_end"])
        wait_until_up(agent)
        assert agent.stop() == 0
        assert thief.stop() == 0


def test_new_card_takes_over_the_name(tmp_path: Path) -> None:
    """`invite` of a known name: the newcomer goes on with the series, and the old card's key is dead."""
    with household(tmp_path) as home:
        home.collector.start()
        old, new = joined_agent(home, "old"), home.agent("new")
        new.start()
        joins(new, home.invite("greenhouse"))
        wait_until(lambda: "not_accepted" in old.ask("status")["last_end"])
        wait_until_up(new)
        assert old.stop() == 0
        assert new.stop() == 0


def test_one_line_for_a_class(tmp_path: Path) -> None:
    """Three devices join by the same line, get the next name each, and a fourth gets none."""
    with household(tmp_path) as home:
        home.collector.start()
        token = home.invite("pi-{:02}", "--count", "3")
        agents = [home.agent(f"agent-{number}") for number in range(4)]
        said = [joins(agent, token) for agent in agents[:3]]
        assert [f"pi-{number:02}" in each for number, each in enumerate(said, 1)] == [True] * 3
        refused = agents[3].command("join", token)
        assert refused.returncode == 2
        assert "used already" in refused.stderr


def test_token_of_another_collector(tmp_path: Path) -> None:
    """Who answers at the address is not who made the token: nothing is said, and a person is told."""
    with household(tmp_path / "a") as home, household(tmp_path / "b") as other:
        home.collector.start()
        other.collector.start()
        token = other.invite("greenhouse", "--address", f"127.0.0.1:{home.port}")
        refused = home.agent("pi").command("join", token)
        assert refused.returncode == 1
        assert "another collector" in refused.stderr


def test_local_name_that_was_invited_needs_its_key(tmp_path: Path) -> None:
    """On loopback too: from the invitation on nobody comes in by the name alone."""
    with household(tmp_path) as home:
        agent = home.plain_agent("pi")
        home.collector.start()
        agent.start()
        wait_until_up(agent)
        token = home.invite("pi")
        home.collector.stop()
        home.collector.start()
        wait_until(lambda: "not_accepted" in agent.ask("status")["last_end"], 60)
        joins(agent, token)
        wait_until_up(agent)
        assert agent.stop() == 0


def test_plain_device_that_joins_leaves_nothing_behind(tmp_path: Path) -> None:
    """It is the same collector: what it was offered and did not acknowledge comes after the join."""
    with household(tmp_path) as home:
        agent = home.plain_agent("pi")
        home.collector.start()
        agent.start()
        wait_until_up(agent)
        wait_for_reads(home.ledger, 5)
        home.collector.kill()
        wait_until(lambda: agent.ask("status")["link"] == "down")
        wait_for_reads(home.ledger, 15)
        home.take_plain(False)
        home.collector.start()
        joins(agent, home.invite("pi"))
        wait_until_up(agent)
        wait_for_reads(home.ledger, 5)
        assert agent.ask("status")["spool"]["others_epochs"] == 0
        stop_and_judge(home, agent)
        assert oracle.gaps(home.collector.state) == []


def test_what_is_invited_while_nothing_runs(tmp_path: Path) -> None:
    """Invite, list and revoke work on the files where no collector runs."""
    with household(tmp_path) as home:
        token = home.invite("greenhouse")
        assert re.search(r"greenhouse +invited +unknown", home.says("devices"))
        home.collector.start()
        agent = home.agent("pi")
        began_s = time.monotonic()
        joins(agent, token)
        assert time.monotonic() - began_s < 30
        home.collector.stop()
        home.says("revoke", "greenhouse")
        assert re.search(r"greenhouse +revoked", home.says("devices"))
