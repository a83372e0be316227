"""Where people put sensor libraries of their own: `sudo pip install --target /etc/telegauge/sensors.d NAME`.

It stands behind all other places of an import, so nothing of ours can be replaced from there, and only
if nobody but root and the agent's own user may write to it.
"""

import contextlib
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

from device.sensors import source
from device.sensors.source import SourceError

FOLDER = Path("/etc/telegauge/sensors.d")
INSTALL = f"sudo pip install --target {FOLDER}"


def findable(folder: Path = FOLDER) -> None:
    """Let imports find what is installed there, from now on.

    Raises:
        SourceError: others may write to it.
    """
    if str(folder) in sys.path or not folder.is_dir():
        return
    source.check_writers(folder)
    sys.path.append(str(folder))
    importlib.invalidate_caches()


def is_installed(module: str) -> bool:
    """Say whether an import would find a library, without importing it."""
    with contextlib.suppress(SourceError):  # others may write there: nobody looks there then
        findable()
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def package_of(module: str) -> str:
    """Return the usual name of the package of a CircuitPython driver."""
    top = module.partition(".")[0]
    return top.replace("adafruit_", "adafruit-circuitpython-").replace("_", "-")
