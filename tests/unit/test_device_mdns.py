"""device.mdns: a name of the local network is found, or nothing is; it costs nothing before."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import zeroconf

from config.addresses import Address
from device import mdns
from kit.programs import ROOT

# Nothing of these tests leaves this machine.
HERE = {"interfaces": ["127.0.0.1"]}


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask on the loopback interface alone."""
    monkeypatch.setattr(zeroconf, "Zeroconf", partial(zeroconf.Zeroconf, **HERE))


@contextmanager
def known_as(host: str, *addresses: str) -> Iterator[None]:
    """Let a machine of that name answer on the loopback interface."""
    service = zeroconf.ServiceInfo(
        "_telegauge-test._tcp.local.",
        "collector._telegauge-test._tcp.local.",
        port=1,
        server=host + ".",
        parsed_addresses=list(addresses),
    )
    with zeroconf.Zeroconf() as network:
        network.register_service(service)
        yield


def can_multicast() -> bool:
    """Say whether this machine hears itself on the loopback interface."""
    with known_as("telegauge-probe.local", "192.0.2.7"):
        return bool(mdns.find(Address("telegauge-probe.local", 1)))


def test_name_is_found() -> None:
    """With the port that was asked for, however the name ends."""
    with known_as("telegauge-hub.local", "192.0.2.7"):
        found = mdns.find(Address("telegauge-hub.local", 8889))
        if not found and not can_multicast():
            pytest.skip("no multicast on the loopback interface here")
        assert found == [Address("192.0.2.7", 8889)]
        assert mdns.find(Address("telegauge-hub.local.", 1)) == [Address("192.0.2.7", 1)]


def test_name_that_nobody_has_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, not for ever."""
    monkeypatch.setattr(mdns, "_WITHIN_MS", 200)
    assert mdns.find(Address("telegauge-nobody.local", 8888)) == []


@pytest.mark.parametrize("missing", ["zeroconf", "AddressResolver"])
def test_library_that_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Or older than what is needed of it: nothing is found, nothing raised."""
    if missing == "zeroconf":
        monkeypatch.setitem(sys.modules, "zeroconf", None)
    else:
        monkeypatch.delattr(zeroconf, missing)
    assert mdns.find(Address("hub.local", 8888)) == []


def test_network_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without an interface that takes multicast: nothing is found."""

    def no_network() -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(zeroconf, "Zeroconf", no_network)
    assert mdns.find(Address("hub.local", 8888)) == []


def test_library_is_not_loaded_before_it_is_needed() -> None:
    """16 MB: neither by the agent nor by a join that has not asked yet."""
    script = (
        "import sys; import device.agent, device.joining, device.mdns;"
        "from device.commands import check, join, run;"
        "sys.exit('zeroconf' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, timeout=60)
    assert done.returncode == 0
