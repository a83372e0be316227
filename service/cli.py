"""The command line of a program: one module a verb, known errors to one line and an exit code.

A command module offers HELP, `arguments(parser)` and `run(options) -> int`, and imports what is
heavy inside `run`: `--help` and `check` must not pay for a server.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

GOOD = 0
FAILED = 1
USAGE = 2

_CONFIG_HELP = "the YAML; left out: the one in /etc/telegauge, else the one shipped"


class CommandError(Exception):
    """A command cannot do what was asked; the message says why and what to do."""

    exit_code = FAILED


class UsageError(CommandError):
    """The command was asked in a way it does not know, or its configuration is wrong."""

    exit_code = USAGE


def run_program(
    program: str,
    purpose: str,
    package: str,
    commands: Sequence[str],
    known: tuple[type[Exception], ...],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, run one command of `package`, and turn what a person can mend into one line.

    `known` are the errors, beside CommandError, whose message is all that a person needs.
    """
    parser = argparse.ArgumentParser(prog=program, description=purpose)
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
    except CommandError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except known as error:
        print(f"{program}: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except KeyboardInterrupt:
        return GOOD
