"""telegauge-collector alert: what is wrong now, that somebody has seen it, and a test of who is told."""

import argparse
import sys
from datetime import tzinfo
from typing import TYPE_CHECKING

from collector.commands import PROGRAM, control_socket, settings_of
from service import control, folders, table
from service.cli import UsageError, add_json, to_json

if TYPE_CHECKING:
    from collector.alerts.report import AlertReport, Report, Tested
    from collector.settings import CollectorSettings

HELP = "list what is wrong now and was, say that it was seen, or test who is told"
_WITHIN_S = 50.0
_WORDS = """\
  list       what is wrong now; with --all also what was
  seen ID... it was seen: the page shows it less loudly, until it is over
  test       tell everybody who stands below `notify:`, or the one that is named, that this is a test
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is to be done, and the options."""
    parser.epilog = _WORDS
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("act", nargs="?", default="list", choices=("list", "seen", "test"))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of seen: numbers of alerts; of test: a notifier"
    )
    parser.add_argument("--all", action="store_true", help="list also what is over")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Do it. 1 where a test failed."""
    settings = settings_of(options)
    if options.act == "test":
        return _test(options, settings)
    return _seen(options) if options.act == "seen" else _list(options, settings)


def _list(options: argparse.Namespace, settings: "CollectorSettings") -> int:
    from collector.times import zone_of

    if options.names:
        raise UsageError("list takes no names: alert seen ID, or alert test NAME")
    report = _report()
    found = [each for each in report.alerts if options.all or each.alert.state != "resolved"]
    if options.json:
        print(to_json({"alerts": found, "notifiers": report.notifiers, "trouble": report.trouble}))
        return 0
    zone = zone_of(settings.time_zone)
    heads = (">ID", "STATE", "SINCE", "RULE", "WHAT", "TOLD")
    if found:
        print("\n".join(table.lines(heads, [_row(each, zone) for each in found])))
    else:
        print("nothing is wrong" if not options.all else "there never was an alert")
    _tell_troubles(report)
    return 0


def _report() -> "Report":
    from collector.alerts.report import Report

    try:
        return control.ask_for(Report, control_socket(), "alerts", _WITHIN_S)
    except control.NotRunning:
        print("the collector is not running; this is how it was", file=sys.stderr)
        return _report_offline()


def _report_offline() -> "Report":
    import sqlite3

    from collector.alerts.history import History
    from collector.alerts.keeping import FILE_NAME, kept_in
    from collector.alerts.report import report
    from collector.errors import AlertError

    file = folders.state_folder(PROGRAM) / FILE_NAME
    try:
        kept = kept_in(file)
    except (OSError, sqlite3.Error) as error:
        raise AlertError(f"{file} cannot be read: {error}") from None
    return report(History(kept.alerts, kept.notifications))


def _seen(options: argparse.Namespace) -> int:
    from collector.alerts.report import AlertReport

    if not options.names:
        raise UsageError("which? telegauge-collector alert seen ID")
    for text in options.names:
        if not text.isdecimal():
            raise UsageError(f"`{text}` is no number of an alert: the column ID of the list")
        seen = control.ask_for(AlertReport, control_socket(), "alert_seen", _WITHIN_S, id=int(text))
        if options.json:
            print(to_json(seen))
        else:
            print(f"{seen.alert.id} was seen: {seen.alert.words}")
    return 0


def _test(options: argparse.Namespace, settings: "CollectorSettings") -> int:
    if len(options.names) > 1:
        raise UsageError("one name at a time, or none for all")
    tested = _tested(options.names[0] if options.names else None, settings)
    if options.json:
        print(to_json(tested))
    else:
        for each in tested:
            print(f"{each.to}: {each.error or 'told'}")
    return 1 if any(each.error for each in tested) else 0


def _tested(name: str | None, settings: "CollectorSettings") -> "list[Tested]":
    from collector.alerts.report import Tested

    try:
        return control.ask_for(list[Tested], control_socket(), "alert_test", _WITHIN_S, to=name)
    except control.NotRunning:
        import asyncio

        from collector.alerts.telling import chosen_notifiers, tell_all
        from collector.times import zone_of

        chosen = chosen_notifiers(settings.alerts.notify, name)
        return asyncio.run(tell_all(chosen, zone_of(settings.time_zone)))


def _tell_troubles(report: "Report") -> None:
    if report.trouble:
        print(f"! {report.trouble}")
    for each in report.notifiers:
        if each.last_error:
            print(f"! {each.name}: {each.waiting} wait to be told: {each.last_error}")


def _row(report: "AlertReport", zone: tzinfo) -> tuple[str, ...]:
    from collector.times import told

    alert = report.alert
    waiting = [each for each in report.notified if each.at_ns is None]
    names = {each.to: ("" if each not in waiting else " (waits)") for each in report.notified}
    state = alert.state if alert.until_ns is None else f"over since {told(alert.until_ns, zone)}"
    return (
        str(alert.id),
        state,
        told(alert.since_ns, zone),
        alert.rule,
        alert.words,
        ", ".join(f"{name}{note}" for name, note in names.items()),
    )
