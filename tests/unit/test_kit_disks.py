"""kit.disks: disks that are full or fail."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.disks import resize, sized_tmpfs, strace_inject
from kit.waiting import wait_until

WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
other = os.open(sys.argv[1] + "-other", os.O_RDWR | os.O_CREAT)
for n in range(3):
    os.pwrite(other, b"x", n)
    os.fdatasync(other)
for n in range(5):
    try:
        os.pwrite(file, b"x", n)
        os.fdatasync(file)
        print("done")
    except OSError as error:
        print(os.strerror(error.errno))
"""


def test_a_small_disk_is_full_and_can_grow(tmp_path: Path) -> None:
    """ENOSPC at its size; more room after a resize; nothing mounted afterwards."""
    with sized_tmpfs(tmp_path / "disk", 1024 * 1024) as disk:
        with pytest.raises(OSError, match="No space") as failed:
            (disk / "file").write_bytes(bytes(2 * 1024 * 1024))
        assert failed.value.errno == errno.ENOSPC
        resize(disk, 4 * 1024 * 1024)
        (disk / "file").write_bytes(bytes(2 * 1024 * 1024))
    assert not os.path.ismount(tmp_path / "disk")
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_program_left_there_does_not_keep_the_mount(tmp_path: Path) -> None:
    """It is unmounted lazily."""
    with sized_tmpfs(tmp_path / "disk", 1024 * 1024) as disk:
        file = (disk / "file").open("wb")
    file.close()
    assert not os.path.ismount(tmp_path / "disk")


@pytest.mark.parametrize(
    ("calls", "when", "outcomes"),
    [
        ("fdatasync", "2", ["done", "fails", "done", "done", "done"]),
        ("pwrite64,fdatasync", "2+", ["done", *["fails"] * 4]),
    ],
)
def test_system_calls_fail_as_asked(
    tmp_path: Path, calls: str, when: str, outcomes: list[str]
) -> None:
    """The nth or all from the nth on, of those on the file; strace's log says which."""
    prefix = strace_inject(calls, "EIO", when, tmp_path / "strace", [tmp_path / "file"])
    command = [*prefix, sys.executable, "-c", WRITER, str(tmp_path / "file")]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    expected = [each.replace("fails", "Input/output error") for each in outcomes]
    assert said.splitlines() == expected
    wait_until(lambda: "(INJECTED)" in (tmp_path / "strace").read_text())


def test_the_program_keeps_its_process_id(tmp_path: Path) -> None:
    """So that a kill reaches it, and not strace alone."""
    prefix = strace_inject("fdatasync", "EIO", "1", tmp_path / "strace")
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    command = [*prefix, sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == child.pid
        child.kill()
        assert child.wait(20) == -signal.SIGKILL
