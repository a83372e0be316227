"""telegauge-collector: arguments in, an exit code out; the work is in collector.commands."""

import sys
from collections.abc import Sequence

from collector.errors import CollectorError
from config import ConfigError
from service.cli import FAILED, USAGE, run_program
from service.control import ControlError
from service.folders import FolderError
from service.keyfile import KeyFileError

COMMANDS = (
    "serve", "check", "schema", "status",
    "series", "query", "tail", "top", "alert", "gaps", "export", "backup", "verify", "seal", "delete", "command",
    "invite", "devices", "revoke", "rotate", "password", "token",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    return run_program(
        "telegauge-collector",
        "Accepts devices, stores every reading, answers questions about them.",
        "collector.commands",
        COMMANDS,
        {
            ConfigError: USAGE,
            ControlError: FAILED,
            FolderError: FAILED,
            KeyFileError: FAILED,
            CollectorError: FAILED,
        },
        argv,
        _tell,
    )


def _tell(status: str) -> None:
    from service.notify import Notifier

    Notifier().status(status)


if __name__ == "__main__":
    sys.exit(main())
