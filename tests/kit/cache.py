"""Where large things are kept that tests need and scripts make: root file systems, packages, a kernel."""

import os
from pathlib import Path

CACHE = Path(
    os.environ.get("TELEGAUGE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telegauge-tests"
)
