"""From the first version on: an upgrade keeps everything, and the former version can be put back."""

import shutil
from pathlib import Path

import pytest

from kit import packages
from kit.installed import COLLECTOR, DEVICE, Pair, machines, stored
from kit.nspawn import Container
from kit.waiting import wait_until

# Ten a second, for as long as a collector takes to start again.
RESTART_READS = 50


@pytest.mark.parametrize("suite", ["bookworm", pytest.param("trixie", marks=pytest.mark.full)])
def test_there_and_back(suite: str, tmp_path: Path) -> None:
    """v0.1.0, this version, v0.1.0: one line of readings through all of it, and an edited YAML stays."""
    newer = packages.built()
    with machines(suite, tmp_path / "machines", version=packages.FORMER) as pair:
        pair.install()
        before = stored(pair.server)
        for machine, program in ((pair.pi, DEVICE), (pair.server, COLLECTOR)):
            (deb,) = newer.glob(f"{program}_*.deb")
            shutil.copy(deb, machine.file(f"/root/{deb.name}"))
            put(pair, machine, program, f"/root/{deb.name}")
        pair.wait_for_acknowledgement()
        assert stored(pair.server) > before
        assert "synthetic:counter" in pair.pi.file("/etc/telegauge/device.yaml").read_text()
        put_back(pair.server)
        before = stored(pair.server)
        put(pair, pair.pi, DEVICE, f"/packages/{DEVICE}_{packages.FORMER}_*.deb")
        pair.wait_for_acknowledgement()
        assert stored(pair.server) > before
        verdict = pair.verdict(tmp_path)
        # What was on its way while the copy was taken is older than the gap that v0.1.0 records.
        assert verdict._replace(missing=[]).clean, verdict
        assert len(verdict.missing) < RESTART_READS, verdict


def put(pair: Pair, machine: Container, program: str, deb: str) -> None:
    """Install a version over another; the program runs again afterwards."""
    before = machine.property(program, "MainPID")
    machine.shell(f"apt install --yes --allow-downgrades -o Dpkg::Options::=--force-confold {deb}")
    pair.ended(program)
    wait_until(lambda: machine.property(program, "ActiveState") == "active", 60)
    assert machine.property(program, "MainPID") != before


def put_back(server: Container) -> None:
    """Install the former collector over this one, with the store that this one has kept for it."""
    server.shell(
        f"""
        apt install --yes --allow-downgrades -o Dpkg::Options::=--force-confold /packages/{COLLECTOR}_{packages.FORMER}_*.deb
        systemctl stop {COLLECTOR}
        cd /var/lib/{COLLECTOR}
        rm -f telegauge.db-wal telegauge.db-shm
        mv telegauge.db aside.db
        mv telegauge.db.version-2 telegauge.db
        systemctl reset-failed {COLLECTOR}
        systemctl start {COLLECTOR}
        """
    )
    wait_until(lambda: server.property(COLLECTOR, "ActiveState") == "active", 60)
