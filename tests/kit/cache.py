"""Where large things are kept that tests need and scripts make: root file systems, packages, a kernel."""

import os
from pathlib import Path

CACHE = Path(
    os.environ.get("TELEGAUGE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telegauge-tests"
)


def rootfs(suite: str, architecture: str) -> Path:
    """Return where the root file system of a Debian is, if it was made."""
    return CACHE / f"{suite}-{architecture}"


def why_no_rootfs(suite: str, architecture: str) -> str:
    """Return why there is none; empty: there is."""
    root = rootfs(suite, architecture)
    if root.with_name(f"{root.name}.ready").exists():
        return ""
    return f"{root} is missing: tests/system/rootfs {suite} {architecture} makes it"
