"""telegauge-device run: the agent itself."""

import argparse

from device.commands import runtime_folder, settings_of

HELP = "read the sensors and send their readings, until stopped"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing beyond what every command has."""


def run(options: argparse.Namespace) -> int:
    """Run the agent; 0 after a stop that was asked for."""
    settings = settings_of(options)

    import asyncio

    from device.agent import Agent
    from service import folders, logs

    async def main() -> None:
        await Agent(settings, runtime_folder()).run()

    with folders.owned(runtime_folder()):
        logs.configure(settings.logs)
        asyncio.run(main())
    return 0
