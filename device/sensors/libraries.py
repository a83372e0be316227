"""Where people put sensor libraries of their own: `sudo pip install --target /etc/telegauge/sensors.d NAME`.

It stands behind all other places of an import, so nothing of ours can be replaced from there, and only
if nobody but root and the agent's own user may write to it.
"""

import importlib
import sys
from pathlib import Path

from device.sensors import source

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
