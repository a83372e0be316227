"""The command line of a program: one module a verb, known errors to one line and an exit code.

A command module offers HELP, `arguments(parser)` and `run(options) -> int`, and imports what is
heavy inside `run`: `--help` and `check` must not pay for a server.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from config.problems import ConfigError
from wire import __version__

GOOD = 0
FAILED = 1
USAGE = 2

_CONFIG_HELP = "the YAML; left out: the one in /etc/telegauge, else the one shipped"


class UsageError(Exception):
    """The command was asked in a way it does not know; the message says which it knows."""


def run_program(
    program: str,
    purpose: str,
    package: str,
    commands: Sequence[str],
    known: Mapping[type[Exception], int],
    argv: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Parse, run one command of `package`, and turn what a person can mend into one line.

    `known` are the errors whose message is all that a person needs, with the exit code of each;
    `tell` gets it in one line too: under systemd it stands in the head of `systemctl status`.
    """
    parser = argparse.ArgumentParser(prog=program, description=purpose)
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in commands:
        module = importlib.import_module(f"{package}.{name}")
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP)
        verb.add_argument("-c", "--config", metavar="FILE", help=_CONFIG_HELP)
        verb.set_defaults(run=module.run)
        module.arguments(verb)
    options = parser.parse_args(argv)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return USAGE
    except tuple(known) as error:
        print(f"{program}: {error}", file=sys.stderr)
        tell(_in_one_line(error))
        return next(code for kind, code in known.items() if isinstance(error, kind))
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        print(f"{program}: cannot write the output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return GOOD


def _in_one_line(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return error.in_short
    return str(error).partition("\n")[0]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def to_json(answer: object) -> str:
    """Return an answer as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
