"""What happens to a Pi: both programs are killed, stopped, cut off, filled, misconfigured and rebooted.

Nothing that was accepted is lost and nothing is there twice, says the oracle.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit import oracle
from kit.installed import COLLECTOR, DEVICE, Pair, machines
from kit.waiting import wait_until

# The quick form of what takes long by nature.
_WATCHDOG = "[Service]\nWatchdogSec=4\n"
_CUT_S = 5.0
_LONG_CUT_S = 60.0


@pytest.fixture(
    scope="module",
    params=["bookworm", pytest.param("trixie", marks=pytest.mark.full)],
)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A server and a Pi that joined it; each test leaves both running."""
    with machines(request.param, tmp_path_factory.mktemp("machines")) as pair:
        pair.install()
        yield pair


@pytest.fixture(autouse=True)
def nothing_lost(pair: Pair, tmp_path: Path) -> Iterator[None]:
    """After each test the oracle is asked, and both go on."""
    yield
    verdict = pair.verdict(tmp_path)
    pair.start()
    assert verdict.clean, verdict
    assert verdict.stored > 0


@pytest.mark.parametrize("program", [DEVICE, COLLECTOR])
def test_kill_9_is_survived(pair: Pair, program: str) -> None:
    """systemd has it back at once; what was accepted is stored."""
    pair.wait_for_reads()
    pair.kill(program)
    pair.wait_for_acknowledgement()


def test_a_hung_agent_is_restarted(pair: Pair) -> None:
    """An agent that stands still no longer feeds the watchdog, and the journal says where it stood."""
    drop_in = pair.pi.file(f"/etc/systemd/system/{DEVICE}.service.d/quick.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(_WATCHDOG)
    pair.pi.run("systemctl", "daemon-reload")
    pair.pi.run("systemctl", "restart", DEVICE)
    pair.ended(DEVICE)
    pair.wait_for_reads()
    before = pair.pi.property(DEVICE, "MainPID")
    pair.pi.shell(f"kill -STOP {before}")
    pair.ended(DEVICE)
    pair.wait_for_another(pair.pi, DEVICE, before)
    said = pair.pi.run("journalctl", "--unit", DEVICE, f"_PID={before}", "+", "_PID=1")
    assert "watchdog" in said.lower()
    assert "Current thread" in said  # PYTHONFAULTHANDLER
    drop_in.unlink()
    pair.pi.run("systemctl", "daemon-reload")


@pytest.mark.parametrize("cut_s", [_CUT_S, pytest.param(_LONG_CUT_S, marks=pytest.mark.full)])
def test_the_link_is_down_and_back(pair: Pair, cut_s: float) -> None:
    """Readings wait, and the status line of the unit says so; then all of them arrive."""
    set_link(pair, "down")
    try:
        pair.wait_for_reads(int(cut_s * 10))
        wait_until(lambda: "link down" in pair.pi.property(DEVICE, "StatusText"), 60)
    finally:
        set_link(pair, "up")
    pair.wait_for_acknowledgement()
    wait_until(lambda: "link up" in pair.pi.property(DEVICE, "StatusText"), 60)


def set_link(pair: Pair, state: str) -> None:
    """Pull the Pi's cable, or put it back."""
    host = pair.hosts[1].name
    subprocess.run(["ip", "-n", host, "link", "set", "eth0", state], check=True, timeout=30)


def test_a_wrong_edit_changes_nothing_until_it_is_right(pair: Pair) -> None:
    """A reload refuses it and the agent reads on; a restart fails with place and mend; mended, it starts."""
    pair.edit("interval: 100ms", "intervall: 100ms")
    said = pair.pi.run("systemctl", "reload", DEVICE, code=1)
    said += pair.pi.run("systemctl", "status", "--full", DEVICE)
    assert "Did you mean `interval`?" in said
    pair.wait_for_reads()
    pair.pi.run("systemctl", "restart", DEVICE, code=1)
    pair.ended(DEVICE)
    said = pair.pi.run("systemctl", "status", "--full", DEVICE, code=3)
    status = next(line for line in said.splitlines() if "Status:" in line)
    assert "/etc/telegauge/device.yaml:" in status
    assert "Did you mean `interval`?" in status
    assert pair.pi.property(DEVICE, "ActiveState") == "failed"
    assert pair.pi.property(DEVICE, "NRestarts") == "0"
    pair.edit("intervall: 100ms", "interval: 100ms")
    pair.pi.run("systemctl", "start", DEVICE)
    pair.wait_for_reads()


def test_a_reload_takes_an_edit_up(pair: Pair) -> None:
    """The same process reads a sensor that was added; the sensor that was not touched has no hole."""
    before = pair.pi.property(DEVICE, "MainPID")
    pair.edit("sensors:", "sensors:\n  air:\n    driver: synthetic:sine\n    interval: 200ms\n")
    pair.pi.run("systemctl", "reload", DEVICE)
    store = pair.server.file(f"/var/lib/{COLLECTOR}")
    wait_until(lambda: len(oracle.stored(store, "air")) > 0, 60)
    assert pair.pi.property(DEVICE, "MainPID") == before
    pair.edit("  air:\n    driver: synthetic:sine\n    interval: 200ms\n", "")
    pair.pi.run("systemctl", "reload", DEVICE)


def test_a_full_card_is_survived(pair: Pair) -> None:
    """While the link is down the card fills up: the agent goes on, and what had to make place is in a gap."""
    state = f"/var/lib/{DEVICE}"
    pair.edit("at_risk: 10s", "at_risk: 1s")
    with stopped(pair):  # as if the state folder were on a card of 2 MiB
        pair.pi.shell(
            f"cp -a {state} /root/card && mount -t tmpfs -o size=2m,mode=700 card {state} && "
            f"chown {DEVICE}: {state} && cp -a /root/card/. {state} && rm -r /root/card"
        )
    pair.wait_for_acknowledgement()
    set_link(pair, "down")
    try:
        pair.pi.shell(f"head -c 4M /dev/zero >{state}/filler", code=1)
        pair.wait_for_reads(50)
        assert pair.pi.property(DEVICE, "ActiveState") == "active"
        pair.pi.run("rm", f"{state}/filler")
    finally:
        set_link(pair, "up")
    pair.wait_for_acknowledgement()
    pair.edit("at_risk: 1s", "at_risk: 10s")
    with stopped(pair):
        pair.pi.shell(
            f"cp -a {state} /root/card && umount {state} && cp -a /root/card/. {state} && rm -r /root/card"
        )


@contextmanager
def stopped(pair: Pair) -> Iterator[None]:
    """Stop the agent for a while."""
    pair.pi.run("systemctl", "stop", DEVICE)
    pair.ended(DEVICE)
    yield
    pair.pi.run("systemctl", "start", DEVICE)


def test_a_reboot_is_survived(pair: Pair) -> None:
    """Both machines are shut down and come back; nobody logs in."""
    pair.ended(DEVICE)
    pair.pi.reboot()
    pair.server.reboot()
    pair.wait_for_acknowledgement()
