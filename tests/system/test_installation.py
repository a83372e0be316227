"""An evening: what is typed on freshly booted machines is all that is needed, and it goes away again."""

import time
from pathlib import Path

import pytest

from kit import nspawn, packages
from kit.installed import COLLECTOR, DEVICE, install, machines, stored, token_of, wait_for_readings
from kit.lan import two_hosts
from kit.results import Results
from kit.waiting import wait_until

SUITES = pytest.mark.parametrize("suite", ["bookworm", "trixie"])
# On a machine without load it takes a few seconds; what came of it stands in docs/install.md.
_FIRST_READING_WITHIN_S = 180.0
_LEFT = r"find / -xdev -iname '*telegauge*' -not -path '/packages*' -not -path '/var/log/*' -not -path '/var/cache/*'"


@SUITES
def test_another_pi_is_one_line(suite: str, tmp_path: Path) -> None:
    """apt install on the server, invite; apt install on the Pi, the printed line: readings are stored."""
    with machines(suite, tmp_path) as pair:
        install(pair.server, COLLECTOR)
        line = token_of(pair.server, "pi1")
        began_s = time.monotonic()
        install(pair.pi, DEVICE)
        pair.pi.shell(line)
        wait_until(lambda: stored(pair.server, "pi1/*") > 0, _FIRST_READING_WITHIN_S)
        took_s = round(time.monotonic() - began_s, 1)
        Results("installation").add(suite, install_to_stored_s=took_s)
        assert "tls=true" in pair.server.run("journalctl", "-u", COLLECTOR)


@SUITES
def test_one_machine_needs_nothing_and_keeps_nothing(suite: str, tmp_path: Path) -> None:
    """apt install of both, and readings are stored; removed, what was measured stays until it is asked for."""
    shared = {"/packages": packages.built()}
    nspawn.rootfs(suite)
    with (
        two_hosts() as (host, _),
        nspawn.container("one", suite, tmp_path / "one", host, shared) as machine,
    ):
        machine.shell("groupadd --system gpio && groupadd --system spi")
        before = machine.shell("getent group | cut -d: -f1")
        install(machine, COLLECTOR, DEVICE)
        wait_for_readings(machine)
        assert machine.shell(f"id -nG {DEVICE}").split()[1:] == ["dialout", "video", "gpio", "spi"]
        added = set(machine.shell("getent group | cut -d: -f1").split()) - set(before.split())
        assert added == {COLLECTOR, DEVICE}
        machine.file("/etc/telegauge/device.yaml").write_text("# mine\n")
        remove(machine)
        forget(machine)
        assert machine.shell(_LEFT) == ""
        assert DEVICE not in machine.run("getent", "passwd")


def remove(machine: nspawn.Container) -> None:
    """`apt remove` stops both and leaves the YAML, what was measured, and nothing of the programs."""
    machine.run("apt", "remove", "--yes", COLLECTOR, DEVICE)
    assert machine.shell("ls -d /opt/telegauge /run/telegauge* 2>/dev/null", code=None) == ""
    assert (
        machine.shell(
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[b]in/telegauge-'", code=1
        )
        == "0\n"
    )
    assert machine.file("/etc/telegauge/device.yaml").read_text() == "# mine\n"
    assert stored(machine) > 0


def forget(machine: nspawn.Container) -> None:
    """`apt purge` leaves what was measured and says where; only with the answer yes it goes too."""
    said = machine.run("apt", "purge", "--yes", DEVICE)
    assert "/var/lib/telegauge-device is kept" in said
    assert machine.file("/var/lib/telegauge-device/spool.db").exists()
    machine.shell(
        f"echo {COLLECTOR} {COLLECTOR}/remove-state boolean true | debconf-set-selections"
    )
    machine.run("apt", "purge", "--yes", COLLECTOR)
    assert not machine.file(f"/var/lib/{COLLECTOR}").exists()
    machine.shell(f"rm -r /var/lib/{DEVICE} && userdel {DEVICE}")
