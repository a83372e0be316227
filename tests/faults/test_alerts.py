"""Alerts when things fail: the collector is killed before and after somebody was told, servers hang or refuse."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import programs
from kit.mailbox import Webhook, serving
from kit.programs import Program
from kit.waiting import wait_until
from service.control import Failed

_SENSORS = """
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {channels: 1}
"""
_ALERTS = """
alerts:
  silence: {{except: ['*']}}
  rules: {{high: {{series: '*/count.*', above: 3}}}}
  notify:
    hook: {{address_file: {folder}/hook}}
    log: {{command: [/bin/sh, -c, 'cat >> {folder}/told']}}
"""


class Pair:
    """A collector and a device, whose first alert comes within a second."""

    def __init__(self, folder: Path, hook: Webhook) -> None:
        self.hook = hook
        self._told = folder / "told"
        self._told.touch()
        (folder / "hook").touch(0o600)
        (folder / "hook").write_text(hook.address)
        port = programs.free_port()
        self.collector = programs.collector(
            folder / "collector", port, _ALERTS.format(folder=folder)
        )
        self.device: Program = programs.device(folder / "device", port, _SENSORS)

    @property
    def told(self) -> list[int]:
        """The numbers of the alerts that the command was told of."""
        return [json.loads(line)["id"] for line in self._told.read_text().splitlines()]

    def begin(self) -> None:
        """Start the collector, and wait until its alerts have begun."""
        self.collector.start()
        wait_until(self._has_begun, 40)

    def _has_begun(self) -> bool:
        try:
            return bool(self.collector.ask("alerts"))
        except Failed:  # it is being opened
            return False

    def waiting(self) -> int:
        """How many notifications wait."""
        report = self.collector.ask("alerts")
        return sum(each["waiting"] for each in report["notifiers"])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """The two, and a webhook that is told."""
    with serving(Webhook()) as hook:
        made = Pair(tmp_path, hook)
        try:
            yield made
        finally:
            made.device.end()
            made.collector.end()


def run_into(pair: Pair, place: str) -> None:
    """Start both, let the collector die at a place, and start it again without that."""
    pair.collector.environment["TELEGAUGE_CRASH_AT"] = place
    pair.collector.start()
    pair.device.start()
    pair.collector.wait_dead()
    del pair.collector.environment["TELEGAUGE_CRASH_AT"]
    pair.begin()


def test_killed_between_firing_and_telling(pair: Pair) -> None:
    """All are told after the restart, once; the alert is the same one."""
    run_into(pair, "alert-fired")
    assert pair.told == []
    wait_until(lambda: pair.told and pair.hook.got, 40)
    wait_until(lambda: pair.waiting() == 0, 40)
    assert pair.told == [1]
    assert len(pair.hook.got) == 1
    (report,) = pair.collector.ask("alerts")["alerts"]
    assert (report["alert"]["id"], report["alert"]["state"]) == (1, "firing")


def test_killed_between_telling_and_noting_that(pair: Pair) -> None:
    """Who was told already is told once more at most."""
    run_into(pair, "alert-told")
    wait_until(lambda: pair.told and pair.hook.got, 40)
    wait_until(lambda: pair.waiting() == 0, 40)
    assert set(pair.told) == {1}
    assert 1 <= len(pair.told) <= 2
    assert 1 <= len(pair.hook.got) <= 2


def test_server_that_hangs_delays_nothing(pair: Pair) -> None:
    """Others are told, readings are stored, and the collector stops at once; it is told after the restart."""
    pair.hook.hang()
    pair.begin()
    pair.device.start()
    wait_until(lambda: pair.told, 40)
    before = pair.collector.ask("status")["commits"]
    wait_until(lambda: pair.collector.ask("status")["commits"] > before + 3, 40)
    assert pair.waiting() == 1
    assert pair.collector.stop() == 0
    pair.hook.go_on.set()
    pair.hook.got.clear()
    pair.collector.start()
    wait_until(lambda: pair.hook.got, 40)


def test_server_that_refuses_is_tried_again(pair: Pair) -> None:
    """What failed is shown, in `alert`, in `status` of systemd and in the log, until it is told."""
    pair.hook.status = 503
    pair.begin()
    pair.device.start()

    def errors() -> list[str]:
        return [each["last_error"] for each in pair.collector.ask("alerts")["notifiers"]]

    wait_until(lambda: any(errors()), 40)
    assert "! hook: 1 wait to be told: Failed to send JSON POST" in (
        pair.collector.command("alert").stdout
    )
    assert "event=alert_not_told to=hook" in pair.collector.said()
    pair.hook.status = 200
    wait_until(lambda: pair.hook.got, 60)
    wait_until(lambda: not any(errors()), 40)
    assert "after_failures=" in pair.collector.said()


def test_damaged_file_stops_nothing(pair: Pair) -> None:
    """It is set aside, and alerts begin anew."""
    file = pair.collector.state / "alerts.db"
    pair.collector.state.mkdir(exist_ok=True)
    file.write_bytes(b"no database" * 100)
    file.chmod(0o600)
    pair.begin()
    pair.device.start()
    wait_until(lambda: pair.told, 40)
    assert file.with_name("alerts.db.damaged").exists()
    assert "alerts_set_aside" in pair.collector.said()
