"""telegauge-collector token: let a program of another machine read over HTTP."""

import argparse
from typing import TYPE_CHECKING

from collector.commands import ask_or_open, settings_of
from service import table
from service.cli import UsageError, add_json, to_json

if TYPE_CHECKING:
    from collector.settings import CollectorSettings

HELP = "make a token by which a program of another machine reads over HTTP"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the name, and what is to be done."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="what the token is called here, such as grafana"
    )
    parser.add_argument("--remove", action="store_true", help="let that token read no more")
    parser.add_argument("--list", action="store_true", help="list the tokens there are")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Make, remove or list tokens."""
    settings = settings_of(options)
    if options.list:
        _list(settings, options.json)
    elif options.name is None:
        raise UsageError("a name is wanted, such as grafana; or --list")
    elif options.remove:
        _remove(settings, options.name)
    else:
        _make(settings, options.name, options.json)
    return 0


def _make(settings: "CollectorSettings", name: str, is_json: bool) -> None:
    from collector.web.access import digest_of, new_token
    from collector.web.granting import ADD_TOKEN

    token = new_token()
    ask_or_open(settings, type(None), ADD_TOKEN, name=name, digest=digest_of(token))
    if is_json:
        print(to_json({"name": name, "token": token}))
        return
    print("\n".join((
        "this is shown once, and kept by nobody else:", "", f"  {token}", "",
        "A program says it with each request: Authorization: Bearer TOKEN",
    )))  # fmt: skip


def _remove(settings: "CollectorSettings", name: str) -> None:
    from collector.web.granting import REMOVE_TOKEN

    ask_or_open(settings, type(None), REMOVE_TOKEN, name=name)
    print(f"the token {name} reads no more; who was logged in has to log in again")


def _list(settings: "CollectorSettings", is_json: bool) -> None:
    from collector.times import told, zone_of
    from collector.web.access import TokenStatus
    from collector.web.granting import TOKENS

    tokens = ask_or_open(settings, list[TokenStatus], TOKENS)
    if is_json:
        print(to_json(tokens))
        return
    zone = zone_of(settings.time_zone)
    rows = [(each.name, told(each.made_ns, zone)) for each in tokens]
    print("\n".join(table.lines(("TOKEN", "MADE"), rows)))
    if not tokens:
        print("none yet: telegauge-collector token NAME makes one")
