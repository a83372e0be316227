"""The Debian packages that the system tests install; `scripts/test` builds them before the tests."""

import os
from pathlib import Path

import pytest

from kit.cache import CACHE

# What was released first, and can be put back.
FORMER = "0.1.0"


def native() -> str:
    """Debian's word for this machine's processor."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def folder(architecture: str, version: str = "present") -> Path:
    """Return where the packages of this tree, or of a former version, are put for tests."""
    return CACHE / f"packages-{version}-{architecture}"


def found(architecture: str, version: str = "present") -> list[Path]:
    """Return both packages; [] where they were not built."""
    packages = sorted(folder(architecture, version).glob("telegauge-*.deb"))
    return packages if len(packages) == 2 else []


def built(version: str = "present") -> Path:
    """Return the folder with the two packages for this machine; skip where they were not built."""
    if not found(native(), version):
        pytest.skip(
            f"{folder(native(), version)} has no packages: scripts/test builds them as root, those of "
            "a former version where git knows it"
        )
    return folder(native(), version)
