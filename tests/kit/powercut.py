"""A folder whose power a test can cut, for real programs: a FUSE mount over a backing folder.

`PowerCut.folder` is what programs write to; `PowerCut.durable` is what survives a cut, as plain files.
The model is in `kit.unsynced` and `kit.powerfs`. To cut and go on: `cut`, end the programs (they
meet EIO only), `power_on`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from kit.waiting import wait_until

How = Literal["drop", "torn"]
_TESTS = Path(__file__).parents[1]
_END_WITHIN_S = 10.0


def why_not() -> str:
    """Why there can be no such mount here; empty: there can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no /dev/fuse that this user may use"
    if shutil.which("fusermount3") is None:
        return "no fusermount3 (package fuse3)"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError, AttributeError) as error:
        return f"mfusepy cannot be used: {error}"
    return ""


class PowerCut:
    """A mounted folder. Made by `power_cut`."""

    def __init__(self, folder: Path, durable: Path) -> None:
        self.folder = folder
        self.durable = durable
        self._process = subprocess.Popen(
            [sys.executable, str(_TESTS / "kit" / "powerfs.py"), str(durable), str(folder)],
            env=os.environ | {"PYTHONPATH": str(_TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cut(self, how: How, seed: int = 0) -> None:
        """Cut the power now: unsynced writes are forgotten, or torn as the seed has it."""
        self._ask("cut", how, seed)

    def cut_after(self, operations: int, how: How, seed: int = 0) -> None:
        """Cut it before the operation behind the next so many that write, sync, or change names."""
        self._ask("cut_after", operations, how, seed)

    def power_on(self) -> None:
        """Go on with what was durable; no program may have a file open from before."""
        self._ask("power_on")

    @property
    def is_off(self) -> bool:
        """Whether it was cut, and is off still."""
        return bool(self._ask("status")["is_off"])

    @property
    def operations(self) -> int:
        """How many operations have changed something so far."""
        return int(self._ask("status")["operations"])

    @property
    def unsynced_bytes(self) -> int:
        """What a cut could forget now."""
        return int(self._ask("status")["unsynced_bytes"])

    def mounted(self) -> bool:
        """Whether it is mounted."""
        return _is_mounted(self.folder)

    def wait_mounted(self) -> None:
        """Wait for the mount."""
        wait_until(lambda: self.mounted() or self._process.poll() is not None)
        assert self.mounted(), f"not mounted: {' '.join(map(str, self._process.args))}"

    def end(self) -> None:
        """Unmount, whoever still has files open there, and leave no process."""
        try:
            self._process.communicate(timeout=_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        if self.mounted():
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def _ask(self, *command: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the file system has died"
        return json.loads(answer)


@contextmanager
def power_cut(parent: Path) -> Iterator[PowerCut]:
    """Mount `parent`/mount over `parent`/durable; skip the test where that is not possible."""
    if reason := why_not():
        pytest.skip(f"no power can be cut here: {reason}")
    folder, durable = parent / "mount", parent / "durable"
    for each in (folder, durable):
        each.mkdir(parents=True, exist_ok=True)
    mount = PowerCut(folder, durable)
    try:
        mount.wait_mounted()
        yield mount
    finally:
        mount.end()


def _is_mounted(folder: Path) -> bool:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return str(folder.absolute()) in {line.split()[4] for line in mounts}
