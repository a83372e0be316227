"""Disks that are full or fail: a small file system, and system calls that return an error."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def sized_tmpfs(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a memory file system of a size on a folder, which is made; skip where that is not allowed.

    Its size may be changed with `resize`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mounted = _mount("-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", folder)
    if mounted.returncode:
        pytest.skip(f"no memory file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a program that a failed test left there must not keep the mount.
        subprocess.run(["umount", "--lazy", folder], check=True)


def resize(folder: Path, size_bytes: int) -> None:
    """Give a `sized_tmpfs` another size."""
    resized = _mount("-o", f"remount,size={size_bytes}", folder)
    assert resized.returncode == 0, resized.stderr


def fill(disk: Path) -> Path:
    """Leave no byte free; return the file that takes it all."""
    file = disk / "ballast"
    with file.open("ab", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    return file


def strace_inject(
    calls: str, error: str, when: str, log: Path, files: Sequence[Path] = ()
) -> Sequence[str]:
    """Return what to put before a command so that some of its system calls fail.

    The program keeps its process id. Skip the test where strace is missing or may not trace.

    Args:
        calls: the system calls, as "pwrite64,fdatasync".
        error: what they return, as "EIO"; they are not carried out.
        when: which of them, counted for each of these calls and in each thread by itself: "3" the
            third, "3+" from the third on.
        log: where strace writes which calls it saw; `INJECTED` stands behind those that failed.
        files: only calls on these files count; left out: all do.
    """
    command = strace_log(calls, log, files)
    return [*command, "-e", f"inject={calls}:error={error}:when={when}"]


def strace_log(calls: str, log: Path, files: Sequence[Path] = ()) -> Sequence[str]:
    """Return the same, where no call is to fail: strace writes which it saw."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    # -D: strace is the grandchild, not the parent, so that signals reach the program itself.
    command = ["strace", "-D", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}"]
    probe = subprocess.run(
        [*command, "true"], check=False, capture_output=True, text=True, timeout=60
    )
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    return [*command, *(word for file in files for word in ("-P", str(file)))]


def _mount(*arguments: "str | os.PathLike[str]") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["mount", *arguments], check=False, capture_output=True, text=True, timeout=60
    )
