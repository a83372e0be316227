"""The machine that is looked at: its files below a root, and what its programs say."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_WITHIN_S = 20.0


def run_program(command: Sequence[str]) -> str | None:
    """Return what a program prints; None where it is missing, fails or hangs."""
    try:
        done = subprocess.run(  # noqa: S603 - the doctor's own words, no shell
            command, capture_output=True, text=True, timeout=_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


def run_nothing(_command: Sequence[str]) -> str | None:
    """Stand for the programs of a machine that is not this one."""
    return None


@dataclass(frozen=True)
class Place:
    """A machine: this one, or the recorded files of one. Paths are given as they are on it."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], str | None] = run_program

    def path(self, name: str | Path) -> Path:
        """Return where a file of that machine lies on this one."""
        return self.root / str(name).lstrip("/")

    def text(self, name: str | Path) -> str | None:
        """Return what a file says, without the end that the kernel puts there; None: it cannot be read."""
        try:
            return self.path(name).read_text(errors="replace").strip("\0\n ")
        except OSError:
            return None

    def target(self, name: str | Path) -> str:
        """Return what a path is a link to, as that machine would say it."""
        real, root = self.path(name).resolve(), self.root.resolve()
        return f"/{real.relative_to(root)}" if real.is_relative_to(root) else str(real)

    def named(self, pattern: str) -> list[Path]:
        """Return the files of a pattern, in order; none where they are not to be seen."""
        try:
            return sorted(self.root.glob(pattern.lstrip("/")))
        except OSError:
            return []

    def exists(self, name: str | Path) -> bool:
        """Say whether there is such a file, as far as one may look."""
        try:
            return self.path(name).exists()
        except OSError:
            return False
