"""From the first version on: an upgrade keeps everything, and the former version can be put back."""

import shutil
from pathlib import Path

import pytest

from kit import packages
from kit.installed import COLLECTOR, DEVICE, Pair, machines, stored
from kit.nspawn import Container
from kit.waiting import wait_until


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
        before = stored(pair.server)
        for machine, program in ((pair.server, COLLECTOR), (pair.pi, DEVICE)):
            put(pair, machine, program, f"/packages/{program}_{packages.FORMER}_*.deb")
        pair.wait_for_acknowledgement()
        assert stored(pair.server) > before
        verdict = pair.verdict(tmp_path)
        assert verdict.clean, verdict


def put(pair: Pair, machine: Container, program: str, deb: str) -> None:
    """Install a version over another; the program runs again afterwards."""
    before = machine.property(program, "MainPID")
    machine.shell(f"apt install --yes --allow-downgrades {deb}")
    pair.ended(program)
    wait_until(lambda: machine.property(program, "ActiveState") == "active", 60)
    assert machine.property(program, "MainPID") != before
