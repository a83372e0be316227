"""The libraries that sensors are read by: whether an import would find them. None is imported."""

from device.doctor.finding import Finding, bad, good
from device.doctor.needs import Needs
from device.sensors import libraries

_SUBJECT = "libraries"


def look(needs: Needs) -> frozenset[str]:
    """Return which of those that are needed are missing."""
    return frozenset(module for module in needs.modules if not libraries.is_installed(module))


def judge(missing: frozenset[str], needs: Needs, told: frozenset[str]) -> list[Finding]:
    """Say which are missing; `told` are sensors of which something else has been said already."""
    found = []
    for module, who in needs.modules.items():
        names = ", ".join(name for name in who if name not in told)
        if names and module in missing:
            message = f"{module} is not installed; needed by {names}"
            found.append(bad(_SUBJECT, message, install(libraries.package_of(module))))
        elif names:
            found.append(good(_SUBJECT, f"{module} is there: {names}"))
    return found


def install(package: str) -> str:
    """Return what installs a library where the agent looks."""
    return f"{libraries.INSTALL} {package}\nsudo systemctl restart telegauge-device"
