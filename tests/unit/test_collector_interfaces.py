"""collector.interfaces: under which addresses other machines find this one."""

import ipaddress
import socket
import subprocess
from pathlib import Path

import pytest

from collector import interfaces
from collector.interfaces import reachable_at
from config.addresses import Address, parse_address
from wire.tokens import MAX_ADDRESSES

HERE = socket.gethostname().partition(".")[0] + ".local"


def of_kernel(family: str) -> set[str]:
    """The addresses of this machine as `hostname -I` lists them."""
    said = subprocess.run(
        ["hostname", "-I"], capture_output=True, text=True, check=True, timeout=20
    )
    version = 6 if family == "::" else 4
    return {each for each in said.stdout.split() if ipaddress.ip_address(each).version == version}


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "[::1]:1", "192.0.2.1:8888", "pi.lan:9"])
def test_one_address_is_where_it_is_reached(listen: str) -> None:
    """Whoever named one has decided."""
    address = parse_address(listen)
    assert reachable_at(address) == [address]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_those_of_the_interfaces(host: str) -> None:
    """Each once, with the port; none that only this machine reaches; the mDNS name at the end."""
    if not of_kernel(host):
        pytest.skip("this machine has no such network")
    *found, last = reachable_at(Address(host, 8888))
    assert last == Address(HERE, 8888)
    assert {address.port for address in found} <= {8888}
    hosts = [address.host for address in found]
    assert len(set(hosts)) == len(hosts)
    for each in hosts:
        parsed = ipaddress.ip_address(each)
        assert parsed.version == 4 or host == "::", "who listens on :: listens on both"
        assert not parsed.is_loopback
        assert not parsed.is_link_local
    assert set(hosts) <= of_kernel(host) | of_kernel("0.0.0.0")


def test_address_of_the_default_route_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the likeliest; nobody is asked twice, and it stands once."""
    monkeypatch.setattr(interfaces, "_of_default_route", lambda _: iter(["192.0.2.9"]))
    monkeypatch.setattr(interfaces, "_ipv4", lambda: iter(["192.0.2.1", "192.0.2.9"]))
    found = reachable_at(Address("0.0.0.0", 1))
    assert found == [Address("192.0.2.9", 1), Address("192.0.2.1", 1), Address(HERE, 1)]


@pytest.mark.parametrize("far", ["127.0.0.1", "no such address"])
def test_machine_without_a_network_still_has_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, far: str
) -> None:
    """No route but to itself, or none at all, and no interface: devices of its own find it."""
    monkeypatch.setattr(interfaces, "_FAR", dict.fromkeys(interfaces._FAR, far))
    monkeypatch.setattr(interfaces, "_DEVICES", tmp_path / "none")
    assert reachable_at(Address("0.0.0.0", 1)) == [Address("127.0.0.1", 1), Address(HERE, 1)]


def test_name_has_its_place_beside_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It outlasts them all, so it is not what a token leaves out."""
    hosts = [f"192.0.2.{number}" for number in range(20)]
    monkeypatch.setattr(interfaces, "_of_default_route", lambda _: iter(hosts[:1]))
    monkeypatch.setattr(interfaces, "_ipv4", lambda: iter(hosts))
    found = [address.host for address in reachable_at(Address("0.0.0.0", 1))]
    assert found == [*hosts[: MAX_ADDRESSES - 1], HERE]


def test_name_that_no_network_knows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may be called what a device could not look for."""
    monkeypatch.setattr(socket, "gethostname", lambda: "my_pi")
    assert all("my_pi" not in each.host for each in reachable_at(Address("0.0.0.0", 1)))


def test_interfaces_of_this_machine_alone_are_left_out() -> None:
    """Containers and virtual machines have addresses that nobody else can reach."""
    names = [
        "lo",
        "eth0",
        "docker0",
        "br-1a2b",
        "veth3",
        "wlan0",
        "virbr0",
        "cni0",
        "podman1",
        "br0",
    ]
    assert list(filter(interfaces._is_outer, names)) == ["eth0", "wlan0", "br0"]
