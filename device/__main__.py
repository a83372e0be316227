"""telegauge-device: arguments in, an exit code out; the work is in device.commands."""

import sys
from collections.abc import Sequence

from config import ConfigError
from device.errors import JoinError, SpoolError, TokenRefused
from service.cli import FAILED, USAGE, run_program
from service.control import ControlError
from service.folders import FolderError
from service.keyfile import KeyFileError

COMMANDS = ("run", "check", "schema", "read", "doctor", "join", "status")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    return run_program(
        "telegauge-device",
        "Reads this machine's sensors and sends their readings to a collector.",
        "device.commands",
        COMMANDS,
        {
            ConfigError: USAGE,
            ControlError: FAILED,
            FolderError: FAILED,
            KeyFileError: FAILED,
            SpoolError: FAILED,
            TokenRefused: USAGE,
            JoinError: FAILED,
        },
        argv,
        _tell,
    )


def _tell(status: str) -> None:
    from service.notify import Notifier

    Notifier().status(status)


if __name__ == "__main__":
    sys.exit(main())
