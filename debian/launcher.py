#!/opt/telegauge/@PART@/bin/python3 -sP
"""Starts telegauge-@PART@ with the libraries that this package has for the Python of this machine."""

import sys
from pathlib import Path

python = f"{sys.version_info.major}.{sys.version_info.minor}"
if not Path(sys.prefix, "lib", f"python{python}", "site-packages", "@PART@").is_dir():
    print(
        f"telegauge-@PART@: this machine's Python is {python}, and the package has its libraries for "
        f"{' and '.join('@PYTHONS@'.split())} alone. With another Python use install.sh of the "
        "source, which makes an environment for it (docs/install.md)",
        file=sys.stderr,
    )
    sys.exit(2)

from @PART@.__main__ import main  # noqa: E402 - only now is it known to be there

sys.exit(main())
