"""collector.port_owner: who has the port, as far as this user may know."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from collector.port_owner import port_owner
from kit.programs import free_port

LISTEN = (
    "import socket, sys\n"
    "listener = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))\n"
    "print(listener.getsockname()[1], flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_owner_is_named_with_its_pid(host: str, family: int) -> None:
    """Another process, by the name `ps` shows, for either family of addresses."""
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, host, str(int(family))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        port = int(other.stdout.readline())
        name = Path(f"/proc/{other.pid}/comm").read_text().strip()
        assert port_owner(port) == f"{name} (pid {other.pid})"
        other.communicate()
    assert port_owner(port) is None


def test_a_script_is_named_whatever_options_its_interpreter_has(tmp_path: Path) -> None:
    """As the packages start the programs: nobody wants to read of a python3."""
    script = tmp_path / "telegauge-collector"
    script.write_text(LISTEN)
    with subprocess.Popen(
        [sys.executable, "-sP", script, "127.0.0.1", str(int(socket.AF_INET))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        owner = port_owner(int(other.stdout.readline()))
        other.communicate()
    assert owner == f"telegauge-collector (pid {other.pid})"


def test_own_process_is_found() -> None:
    """Descriptors that close while we look do not hide the one we look for."""
    holes = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for descriptor in holes:
            os.close(descriptor)
        owner = port_owner(listener.getsockname()[1])
    assert owner is not None
    assert owner.endswith(f"(pid {os.getpid()})")


def test_port_that_is_only_used_has_no_owner() -> None:
    """A client's end of a connection is not somebody who listens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        assert port_owner(client.getsockname()[1]) is None


def test_nobody_listens() -> None:
    """A free port has no owner."""
    assert port_owner(free_port()) is None


def test_owner_that_may_not_be_looked_at(tmp_path: Path) -> None:
    """A socket without a visible process: somebody has it, nobody can say who."""
    (tmp_path / "net").mkdir()
    line = "   0: 0100007F:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1"
    (tmp_path / "net" / "tcp").write_text(f"head\n{line}\n")
    (tmp_path / "1").mkdir()
    assert port_owner(8888, tmp_path) is None
    (tmp_path / "1" / "fd").mkdir()
    (tmp_path / "1" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "1" / "comm").write_text("python3\n")
    assert port_owner(8888, tmp_path) == "python3 (pid 1)"
    assert port_owner(8889, tmp_path) is None


def test_system_without_proc(tmp_path: Path) -> None:
    """Nothing to look at is no error."""
    assert port_owner(8888, tmp_path / "missing") is None
