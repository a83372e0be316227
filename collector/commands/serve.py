"""telegauge-collector serve: the collector itself."""

import argparse
import sys
from contextlib import ExitStack
from functools import partial

from collector.commands import PROGRAM, settings_of, store_file
from service import folders

# 1024 sessions, those at the door, and the store.
_FILES = 4096
HELP = "accept devices and store their readings, until stopped"

# How long a thread may keep others from Python. The writer needs it for moments, and often, while what it
# waits for computes.
_SWITCH_S = 0.00005


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Run the collector; 0 after a stop that was asked for, 1 after the store failed."""
    from service import reload

    reload.hold_hangups()
    settings = settings_of(options)

    import asyncio

    from collector.collector import Collector
    from service import logs

    runtime_folder, file = folders.runtime_folder(PROGRAM), store_file(settings)
    state_folder = folders.state_folder(PROGRAM)

    async def main() -> bool:
        load = partial(settings_of, options)
        return await Collector(settings, file, runtime_folder, state_folder, load).run()

    _allow_many_files()
    sys.setswitchinterval(_SWITCH_S)
    with ExitStack() as stack:
        for folder in {runtime_folder, file.parent, state_folder}:
            stack.enter_context(folders.owned(folder))
        logs.configure(settings.logs)
        return 0 if asyncio.run(main()) else 1


def _allow_many_files() -> None:
    """Make room for the sessions: by hand a program may open 1024 files, which are too few."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _FILES)), hard))
