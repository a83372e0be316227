"""Reload, end to end: the YAML is edited and SIGHUP sent, as `systemctl reload` does, while readings flow."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import oracle
from kit.programs import STOP_WITHIN_S, Program
from kit.rigs import Rig, rig
from kit.systemd import Manager, manager
from kit.waiting import wait_until

MORE = """
  more:
    driver: synthetic:counter
    interval: 100ms
    options: {{channels: 2, ledger: {ledger}}}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Rig]:
    """A collector and an agent with one sensor, both running."""
    with rig(tmp_path) as made:
        yield made


def edit(program: Program, former: str, now: str) -> None:
    """Change a program's YAML."""
    yaml = program.config.read_text()
    assert former in yaml
    program.config.write_text(yaml.replace(former, now))


def reloaded(program: Program, systemd: Manager) -> str:
    """Send SIGHUP, and wait until the reload is over; return the status that systemd has then."""
    before = len(systemd.states)
    os.kill(program.pid, signal.SIGHUP)
    wait_until(lambda: systemd.states[before:] == ["RELOADING=1", "READY=1"])
    (reloading,) = [each for each in systemd.told if each.startswith("RELOADING=1")][-1:]
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reloading)
    return systemd.status


def test_agent_takes_up_its_file_while_it_samples(pair: Rig, tmp_path: Path) -> None:
    """A new sensor arrives, the other's line has no hole; a bad file changes nothing; then one goes."""
    ledger = tmp_path / "more"
    ledger.touch()
    with manager(tmp_path / "notify", pair.device) as systemd:
        pair.start()
        pair.wait_for_reads(5)
        good = pair.device.config.read_text()

        pair.device.config.write_text(good + MORE.format(ledger=ledger))
        assert reloaded(pair.device, systemd).startswith("2 sensors, link up")
        wait_until(lambda: oracle.reads(ledger) >= 5)
        assert "event=reloaded changed=sensors.more" in pair.device.said()

        pair.device.config.write_text(good + "  broken:\n    driver: synthetic:sinus\n")
        status = reloaded(pair.device, systemd)
        problem = f"{pair.device.config}:\\d+:\\d+: sensors.broken.driver: no kind `sinus`"
        assert f"the file is not in force: {pair.device.config}"[:120] in status
        assert re.search(f'event=reload_refused problem="{problem}', pair.device.said())
        refused = pair.device.ask("status")["configuration"]["refused"]
        assert re.match(problem, refused)
        assert f"! the file is not in force: {refused}" in pair.device.command("status").stdout

        pair.device.config.write_text(good)
        assert reloaded(pair.device, systemd).startswith("1 sensor, link up")
        last = oracle.reads(ledger)
        pair.wait_for_reads(5)
        assert oracle.reads(ledger) == last
        count, _ = pair.device.ask("status")["sensors"]
        assert count["reads"] >= oracle.reads(pair.ledger) - 1, "all of them by the same adapter"
        pair.stop()
    assert pair.verdict().clean, pair.verdict()
    more = oracle.judge(ledger, pair.collector.state, "more")
    assert more.clean, more


def test_what_a_running_agent_cannot_take_up_is_named(pair: Rig, tmp_path: Path) -> None:
    """It keeps its former value, and says what a restart is needed for, until the file says so no more."""
    with manager(tmp_path / "notify", pair.device) as systemd:
        pair.start()
        yaml = pair.device.config.read_text()
        pair.device.config.write_text(f"{yaml}spool: {{at_risk: 20s}}\nlabel: Shed\n")
        assert reloaded(pair.device, systemd).endswith("a restart is needed for spool.at_risk")
        status = pair.device.ask("status")
        assert status["configuration"] == {"refused": "", "waiting": ["spool.at_risk"]}
        assert status["spool"]["at_risk_limit_s"] == 10.0
        assert "event=reloaded changed=label" in pair.device.said()
        assert "event=restart_needed keys=spool.at_risk" in pair.device.said()
        edit(pair.device, "spool: {at_risk: 20s}\n", "")
        assert "restart" not in reloaded(pair.device, systemd)
        assert "event=reloaded changed=nothing" in pair.device.said()
        pair.stop()


def test_collector_takes_up_its_file_while_devices_are_connected(pair: Rig, tmp_path: Path) -> None:
    """The floor counts at once, both ways; what cannot change is named; nothing gets lost meanwhile."""
    with manager(tmp_path / "notify", pair.collector) as systemd:
        pair.start()
        pair.wait_for_reads(3)
        edit(pair.collector, "min_free: 1MiB", "min_free: 1024GiB")
        assert "nothing is accepted" in reloaded(pair.collector, systemd)
        pair.wait_for_reads(3)
        edit(pair.collector, "min_free: 1024GiB", "min_free: 1MiB\n  folder: /srv/elsewhere")
        assert reloaded(pair.collector, systemd).endswith("a restart is needed for store.folder")
        assert pair.collector.ask("status")["configuration"]["waiting"] == ["store.folder"]
        assert "a restart is needed" in pair.collector.command("status").stdout
        edit(pair.collector, "  folder: /srv/elsewhere", "")
        edit(pair.collector, "min_free: 1MiB", "min_fre: 1MiB")
        assert "the file is not in force: " in reloaded(pair.collector, systemd)
        assert (
            "Did you mean `min_free`?" in pair.collector.ask("status")["configuration"]["refused"]
        )
        edit(pair.collector, "min_fre: 1MiB", "min_free: 1MiB")
        assert "not in force" not in reloaded(pair.collector, systemd)
        pair.wait_for_reads(3)
        pair.stop()
        assert systemd.states[-1] == "STOPPING=1"
    assert pair.verdict().clean, pair.verdict()


def hangs_up_in_vain(program: Program) -> bool:
    """Send SIGHUP to a program that is about to end; say whether it has."""
    if not program.is_dead():
        os.kill(program.pid, signal.SIGHUP)
    return program.is_dead()


def test_hangup_ends_neither_program(pair: Rig) -> None:
    """Neither while it starts nor while it stops: the exit code is that of a clean stop."""
    for program in (pair.collector, pair.device):
        program.start()
        for _ in range(20):
            os.kill(program.pid, signal.SIGHUP)
        wait_until(lambda program=program: "event=reloaded" in program.said())
    for program in (pair.device, pair.collector):
        os.kill(program.pid, signal.SIGTERM)
        wait_until(lambda program=program: hangs_up_in_vain(program), STOP_WITHIN_S)
        assert program._reap() == 0
