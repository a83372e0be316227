"""The wish to stop: SIGTERM from systemd, SIGINT from a terminal."""

import asyncio
import signal


def stop_signal() -> "asyncio.Future[str]":
    """Return a future that gets the signal's name; a second signal ends the program at once."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[str] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        if not asked.done():
            asked.set_result(number.name)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ask, each)
    return asked
