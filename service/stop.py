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
            # The kernel's own way: Python's SIGINT could wait until the loop wakes up.
            signal.signal(each, signal.SIG_DFL)
        if not asked.done():
            asked.set_result(number.name)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ask, each)
    return asked
