"""The libraries that sensors are read by: whether an import would find them. None is imported."""

import contextlib
from importlib.util import find_spec

from device.doctor.finding import Finding, bad, good
from device.doctor.needs import Needs
from device.sensors import libraries
from device.sensors.source import SourceError

_SUBJECT = "libraries"
_PREFIX, _PACKAGES = "adafruit_", "adafruit-circuitpython-"


def is_installed(module: str) -> bool:
    """Say whether a library is there, also where the agent looks besides."""
    with contextlib.suppress(SourceError):  # others may write there: the agent does not look then
        libraries.findable()
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def look(needs: Needs) -> frozenset[str]:
    """Return which of those that are needed are missing."""
    return frozenset(module for module in needs.modules if not is_installed(module))


def judge(missing: frozenset[str], needs: Needs, told: frozenset[str]) -> list[Finding]:
    """Say which are missing; `told` are sensors of which something else has been said already."""
    found = []
    for module, who in needs.modules.items():
        names = ", ".join(name for name in who if name not in told)
        if names and module in missing:
            message = f"{module} is not installed; needed by {names}"
            found.append(bad(_SUBJECT, message, install(_package(module))))
        elif names:
            found.append(good(_SUBJECT, f"{module} is there: {names}"))
    return found


def install(package: str) -> str:
    """Return what installs a library where the agent looks."""
    return f"{libraries.INSTALL} {package}\nsudo systemctl restart telegauge-device"


def _package(module: str) -> str:
    """Return the usual name of a library's package."""
    return module.replace(_PREFIX, _PACKAGES).replace("_", "-")
