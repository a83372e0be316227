"""Named places where a test lets a program die as by kill -9: between two steps that must agree.

Armed by the environment: TELEGAUGE_CRASH_AT=NAME, or NAME:3 for the third time the place is passed.
Unarmed, which is always outside of tests, a place costs one comparison.
"""

import itertools
import os
import signal

_name, _, _times = os.environ.get("TELEGAUGE_CRASH_AT", "").partition(":")
_passes = itertools.count(1)  # one atomic step, whichever thread passes
_fatal_pass = int(_times or 1)


def crash_point(name: str) -> None:
    """Die here if this place is armed; no handler and no `finally` runs."""
    if name == _name and next(_passes) == _fatal_pass:
        os.kill(os.getpid(), signal.SIGKILL)
