"""Whole machines: a Debian of its own with a real systemd in a container (systemd-nspawn(1)).

Each has the root file system that `tests/system/rootfs` made, with what it writes on top of it
(overlayfs), and a host of `kit.lan` as its network. It has no other way out. Clock and boot id are
this machine's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kit import cache, packages
from kit.lan import Host
from kit.waiting import wait_until

_BOOT_WITHIN_S = 60.0
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
}


class CommandError(Exception):
    """A command on a machine ended with another code than 0; the message has what it said."""


class Container:
    """One machine. It keeps what was written on it over `halt` and `boot`, until `remove`.

    Args:
        name: its host name, and its name here; nobody else's at the same time.
        rootfs: what is under it; never written to.
        folder: an empty folder on a real file system for what it writes.
        host: its network.
        shared: folders of this machine that it sees, as place there -> folder here.
    """

    def __init__(
        self, name: str, rootfs: Path, folder: Path, host: Host, shared: Mapping[str, Path]
    ) -> None:
        self.name = name
        self.root = folder / "root"
        self.console = folder / "console"
        self._host = host
        self._shared = shared
        self._rootfs = rootfs
        self._folder = folder
        self._cgroup = _cgroup_root() / f"telegauge-{name}-{os.getpid()}"
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Start it and wait until everything that starts with it has started or failed."""
        self._mount()
        self._cgroup.mkdir(exist_ok=True)
        binds = [f"--bind={here}:{there}" for there, here in self._shared.items()]
        command = [
            "sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._cgroup / "cgroup.procs"),
            "systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={self.name}",
            "--boot", f"--network-namespace-path=/run/netns/{self._host.name}", "--register=no",
            "--keep-unit", "--console=pipe", "--link-journal=no", "--resolv-conf=off", *binds,
        ]  # fmt: skip
        with self.console.open("ab") as console:
            self._supervisor = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )  # fmt: skip
        wait_until(self._has_init, _BOOT_WITHIN_S)
        wait_until(lambda: self._state() in ("running", "degraded"), _BOOT_WITHIN_S)

    def run(self, *command: str, code: int | None = 0, within_s: float = 120.0) -> str:
        """Run a command on it as root and return what it said, errors too.

        Raises:
            CommandError: it ended with another code; None accepts any.
        """
        ran = subprocess.run(
            ["nsenter", f"--target={self._init}", "--all", "--", "env", "-i",
             *(f"{key}={value}" for key, value in _ENVIRONMENT.items()), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=within_s, check=False,
        )  # fmt: skip
        if code is not None and ran.returncode != code:
            said = f"{self.name}: {command} ended with {ran.returncode}:\n{ran.stdout}"
            if command[0] == "systemctl":
                said += self.run("journalctl", "--lines=30", code=None)
            raise CommandError(said)
        return ran.stdout

    def shell(self, line: str, code: int | None = 0) -> str:
        """Run a line of shell on it, as `run` does."""
        return self.run("sh", "-c", line, code=code)

    def file(self, path: str) -> Path:
        """Return where one of its files is, seen from here, without what it has mounted itself."""
        return self.root / path.lstrip("/")

    def mounted_file(self, path: str) -> Path:
        """Return the same with what it has mounted, while it runs. SQLite cannot open such a path."""
        return Path(f"/proc/{self._init}/root") / path.lstrip("/")

    def property(self, unit: str, name: str) -> str:
        """Return a property of a unit, as `systemctl show` says it."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def reboot(self) -> None:
        """Shut it down cleanly and boot it again."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.run("systemctl", "poweroff", code=None)
        self._ended(120.0)
        self.boot()

    def halt(self) -> None:
        """Kill everything on it at once."""
        if self._supervisor is None:
            return
        with contextlib.suppress(OSError):  # the kernel takes the others with the first process
            os.kill(self._init, signal.SIGKILL)
        self._supervisor.kill()
        self._ended(30.0)

    def remove(self) -> None:
        """Halt it and remove what it wrote."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _state(self) -> str:
        return self.run("systemctl", "is-system-running", code=None).strip()

    def _has_init(self) -> bool:
        assert self._supervisor is not None
        assert self._supervisor.poll() is None, self.console.read_text(errors="replace")
        children = Path(f"/proc/{self._supervisor.pid}/task/{self._supervisor.pid}/children")
        for child in children.read_text().split():  # for a moment also one that only prepares
            if _id_inside(child) == "1":
                self._init = int(child)
        return self._init > 0

    def _mount(self) -> None:
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        layers = (
            f"lowerdir={self._rootfs},upperdir={self._folder}/upper,workdir={self._folder}/work"
        )
        subprocess.run(
            ["mount", "-t", "overlay", "-o", layers, "overlay", self.root], check=True, timeout=30
        )
        (self.root / "etc" / "hostname").write_text(self.name + "\n")
        (self.root / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")

    def _ended(self, within_s: float) -> None:
        assert self._supervisor is not None
        self._supervisor.wait(within_s)
        self._supervisor, self._init = None, 0
        until_s = time.monotonic() + within_s
        while subprocess.run(["umount", self.root], check=False, capture_output=True).returncode:
            assert time.monotonic() < until_s, f"{self.root} stays busy"
            time.sleep(0.05)
        for each in sorted(self._cgroup.rglob("*"), reverse=True):
            if each.is_dir():
                with contextlib.suppress(OSError):
                    each.rmdir()
        with contextlib.suppress(OSError):
            self._cgroup.rmdir()


def _id_inside(process: str) -> str:
    """Return the id that a process has in its own namespace."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return ""
    return next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]


def rootfs(suite: str) -> Path:
    """Return a root file system of Debian; skip where none was made, and say why.

    `scripts/test` makes them before the tests, which need no network.
    """
    missing = [tool for tool in ("systemd-nspawn", "nsenter", "ip") if not shutil.which(tool)]
    if os.geteuid() or missing:
        pytest.skip(f"a machine of its own needs root, systemd-nspawn and iproute2: {missing}")
    if reason := cache.why_no_rootfs(suite, packages.native()):
        pytest.skip(reason)
    return cache.rootfs(suite, packages.native())


def _cgroup_root() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    pytest.skip("a machine of its own needs the unified control groups")


@contextlib.contextmanager
def container(
    name: str, suite: str, folder: Path, host: Host, shared: Mapping[str, Path] | None = None
) -> Iterator[Container]:
    """Boot a machine; it is removed afterwards, whatever came."""
    made = Container(name, rootfs(suite), folder, host, shared or {})
    try:
        made.boot()
        yield made
    finally:
        made.remove()
