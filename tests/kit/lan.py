"""Two machines on a network: namespaces of this one, joined by a cable (network_namespaces(7))."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

_NETWORK = "10.99.77"


class Host(NamedTuple):
    """One machine; `prefix` is what stands before a command that runs on it."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """What enters it and keeps its process id."""
        return ["ip", "netns", "exec", self.name]


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two machines that reach each other and nobody else; skip where that cannot be made here."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    tag = secrets.token_hex(3)
    hosts = [Host(f"tg-{tag}-{end}", f"{_NETWORK}.{end}") for end in (1, 2)]
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
        one, other = hosts
        _ip("link", "add", "eth0", "netns", one.name, "type", "veth",
            "peer", "name", "eth0", "netns", other.name)  # fmt: skip
        for host in hosts:
            _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.name, "link", "set", "lo", "up")
            _ip("-n", host.name, "link", "set", "eth0", "up")
        yield one, other
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host.name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    ran = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"no network namespace can be made here: {ran.stderr.strip()}")
