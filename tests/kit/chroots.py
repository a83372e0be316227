"""The packages in a Debian that is entered, not booted; also of another architecture, by qemu-user.

One process holds its mounts and its network, and ends when nobody can write to it any more: whatever
becomes of a test, they go with the last program that runs there.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kit import cache, packages
from kit.programs import Program
from kit.waiting import wait_until

# What an installation takes under emulation, where something else runs too.
_INSTALL_WITHIN_S = 1800.0
_RUN_WITHIN_S = 120.0
_START_WITHIN_S = 120.0
_TOOLS = ("unshare", "nsenter", "chroot", "ip")
_HOLD = """
layers=$1 root=$2 shared=$3
mount -t overlay -o "$layers" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
ip link set lo up
exec chroot "$root" cat
"""
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Chroot:
    """One Debian with both packages; it has no network but its own loopback.

    Args:
        rootfs: what is under it; never written to.
        folder: an empty folder on a real file system for what it writes.

    Attributes:
        shared: a folder that has the same path in it.
    """

    def __init__(self, rootfs: Path, folder: Path) -> None:
        self.shared = folder / "shared"
        parts = {name: folder / name for name in ("upper", "work", "root")}
        for each in (self.shared, *parts.values()):
            each.mkdir(parents=True)
        layers = f"lowerdir={rootfs},upperdir={parts['upper']},workdir={parts['work']}"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-euc", _HOLD, "sh", layers,
             parts["root"], self.shared],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._echo("there\n") == "there\n", "it cannot be entered"

    def install(self, *packages: Path) -> None:
        """Install packages with apt, and nothing that they only recommend: certificates take minutes."""
        for package in packages:
            shutil.copy(package, self.shared)
        files = [str(self.shared / package.name) for package in packages]
        install = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends")
        self.run(*install, *files, within_s=_INSTALL_WITHIN_S)

    def prefix(self, user: str = "root") -> list[str]:
        """What stands before a command that runs in it, as one of its users; it keeps its process id."""
        uid, gid = self.ids(user)
        return [
            "nsenter", f"--target={self._holder.pid}", "--mount", "--net", "--root", "--wd",
            f"--setuid={uid}", f"--setgid={gid}", "--",
        ]  # fmt: skip

    def run(
        self, *command: str, user: str = "root", code: int = 0, within_s: float = _RUN_WITHIN_S
    ) -> str:
        """Run a command in it and return what it printed. Another exit code fails the test."""
        ran = subprocess.run(
            [*self.prefix(user), *command], env=_ENVIRONMENT, check=False, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=within_s,
        )  # fmt: skip
        assert ran.returncode == code, (command, ran.returncode, ran.stdout, ran.stderr)
        return ran.stdout

    def ids(self, user: str) -> tuple[int, int]:
        """The numbers of one of its users and of the user's group."""
        for line in Path(f"/proc/{self._holder.pid}/root/etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == user:
                return int(uid), int(gid)
        raise LookupError(user)

    def close(self) -> None:
        """Let it go; its mounts go with the last process in it."""
        self._holder.communicate(timeout=30)

    def _echo(self, line: str) -> str:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(line)
        self._holder.stdin.flush()
        return self._holder.stdout.readline()


class Installed(Program):
    """One of the two programs as a package has installed it, run by the user of its service.

    `folder` is below the chroot's `shared`.
    """

    def __init__(self, chroot: Chroot, package: str, verb: str, folder: Path, config: str) -> None:
        super().__init__(package, verb, folder, config, environment={"PYTHONPATH": ""})
        user = f"telegauge-{package}"
        self._ids = chroot.ids(user)
        self._command = [*chroot.prefix(user), f"/usr/bin/{user}"]
        self.give(self.folder, self.state, self.runtime)

    def try_start(self) -> bool:
        """Start it as any program; where it is emulated, and not alone, it may take longer."""
        with suppress(AssertionError):
            return super().try_start()
        wait_until(lambda: self.is_dead() or self._answers(), _START_WITHIN_S)
        return not self.is_dead()

    def give(self, *files: Path) -> None:
        """Make files or folders its user's."""
        for each in files:
            os.chown(each, *self._ids)


def why_not(suite: str, architecture: str) -> str:
    """Why there can be no such chroot on this machine; empty: there can."""
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    if os.geteuid() or missing:
        return f"a chroot needs root, util-linux and iproute2: {missing}"
    if reason := cache.why_no_rootfs(suite, architecture):
        return reason
    root = cache.rootfs(suite, architecture)
    if subprocess.run(["chroot", root, "true"], check=False, capture_output=True).returncode:
        return (
            f"programs of {architecture} do not run here: qemu-user-static and binfmt_misc let them"
        )
    if not packages.found(architecture):
        folder = packages.folder(architecture)
        return f"scripts/package --into {folder} {architecture} builds what is missing"
    return ""


@contextmanager
def chroot(suite: str, architecture: str, folder: Path) -> Iterator[Chroot]:
    """A chroot with both packages; skip where there can be none, and say why."""
    if reason := why_not(suite, architecture):
        pytest.skip(reason)
    made = Chroot(cache.rootfs(suite, architecture), folder)
    try:
        made.install(*packages.found(architecture))
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
