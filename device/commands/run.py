"""telegauge-device run: the agent itself."""

import argparse
from contextlib import ExitStack
from functools import partial

from device import PROGRAM
from device.commands import runtime_folder, settings_of

HELP = "read the sensors and send their readings, until stopped"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Run the agent; 0 after a stop that was asked for."""
    from service import reload

    reload.hold_hangups()
    settings = settings_of(options)

    import asyncio

    from device.agent import run_agent
    from service import folders, logs

    runtime, state = runtime_folder(), folders.state_folder(PROGRAM)
    with ExitStack() as stack:
        for folder in dict.fromkeys((runtime, state)):
            stack.enter_context(folders.owned(folder))
        logs.configure(settings.logs)
        asyncio.run(run_agent(settings, runtime, state, partial(settings_of, options)))
    return 0
