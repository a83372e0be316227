"""The Debian packages that the system tests install; `scripts/test` builds them before the tests."""

from pathlib import Path

import pytest

from kit.cache import CACHE

# What was released first, and can be put back.
FORMER = "0.1.0"


def built(former: bool = False) -> Path:
    """Return the folder with the two packages of this tree, or of the former version; else skip."""
    folder = CACHE / (f"packages-{FORMER}" if former else "packages")
    if len(list(folder.glob("telegauge-*.deb"))) < 2:
        pytest.skip(
            f"{folder} has no packages: scripts/test builds them as root, and needs git for v{FORMER}"
        )
    return folder
