"""Alerts, with the real programs and real servers that are told: who vanishes, what gets too high."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kit import programs
from kit.mailbox import MailServer, Webhook, serving, text_of
from kit.programs import Program
from kit.waiting import wait_until
from kit.webs import Client, listening

_SENSORS = """
  count:
    driver: synthetic:counter
    interval: 200ms
    options: {channels: 2}
"""
_ALERTS = """
alerts:
  silence: {{at_least: 2s, after_stop: 1h}}
  {more}
  notify:
    mail: {{address_file: {folder}/mail}}
    hook: {{address_file: {folder}/hook}}
    log: {{command: [/bin/sh, -c, 'cat >> {folder}/told']}}
"""


class House:
    """A collector, two devices, and who is told."""

    def __init__(self, folder: Path, mail: MailServer, hook: Webhook, more: str = "") -> None:
        self.folder, self.mail, self.hook = folder, mail, hook
        self.port, self.web_port = programs.free_port(), programs.free_port()
        for name, server in (("mail", mail), ("hook", hook)):
            file = folder / name
            file.touch(0o600)
            file.write_text(f"# who is told\n{server.address}\n")
        (folder / "told").touch()
        self.collector = programs.collector(
            folder / "collector",
            self.port,
            _ALERTS.format(folder=folder, more=more),
            web_port=self.web_port,
        )
        self.devices = [self.device(name) for name in ("pi", "shed")]
        self.client = Client(self.web_port)

    def device(self, name: str) -> Program:
        """A device of that name."""
        made = programs.device(self.folder / name, self.port, _SENSORS)
        made.config.write_text(made.config.read_text().replace("name: pi", f"name: {name}"))
        return made

    def start(self) -> None:
        """Start all, and wait until the collector knows what to expect."""
        for each in (self.collector, *self.devices):
            each.start()
        wait_until(lambda: len(self.client.get("/api/v1/latest").json["latest"]) > 20)

    def alerts(self, query: str = "") -> list[dict[str, Any]]:
        """The alerts that the API gives."""
        found: list[dict[str, Any]] = self.client.get(f"/api/v1/alerts{query}").json["alerts"]
        return found

    def wait_for(
        self, is_so: Callable[[dict[str, Any]], object], within_s: float = 40
    ) -> dict[str, Any]:
        """Wait for an alert of which something is so."""
        wait_until(lambda: any(is_so(each) for each in self.alerts()), within_s)
        return next(each for each in self.alerts() if is_so(each))

    def told(self) -> list[dict[str, Any]]:
        """What the command was told."""
        return [json.loads(line) for line in (self.folder / "told").read_text().splitlines()]

    def end(self) -> None:
        """Leave nothing behind."""
        for each in (*self.devices, self.collector):
            each.end()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes a house that runs."""
    with ExitStack() as stack:
        mail = stack.enter_context(serving(MailServer()))
        hook = stack.enter_context(serving(Webhook()))

        def make(more: str = "") -> House:
            made = House(tmp_path, mail, hook, more)
            stack.callback(made.end)
            made.start()
            return made

        yield make


def test_device_that_vanishes_and_comes_back(house: Callable[..., House]) -> None:
    """One alert, told by mail, webhook and command; live, on the API and in the log; over once it is back."""
    rig = house()
    pi = rig.devices[0]
    with listening(rig.client) as events:
        pi.kill()
        while (event := events.read()).get("event") != "alert":
            pass
    assert (event["data"]["device"], event["data"]["state"]) == ("pi", "firing")
    assert "pi/count.value_1" in event["data"]["summary_of"]
    wait_until(lambda: rig.mail.mails and rig.hook.got and rig.told(), 40)
    (alert,) = rig.alerts("?state=firing")
    assert alert["words"].startswith("pi is silent: it is away")
    wait_until(lambda: all(each["at"] for each in rig.alerts()[0]["notified"]))
    assert {each["to"] for each in rig.alerts()[0]["notified"]} == {"mail", "hook", "log"}
    metrics = rig.client.get("/metrics").body.decode()
    assert 'telegauge_alerts{state="firing"} 1' in metrics
    assert 'telegauge_alert_notifications_sent_total{notifier="mail"} 1' in metrics
    assert "S3CRET" not in metrics
    reply = rig.client.post(f"/api/v1/alerts/{alert['id']}/seen")
    assert (reply.status, reply.json["state"]) == (200, "seen")
    pi.start()
    over = rig.wait_for(lambda each: each["state"] == "resolved")
    assert over["until"] is not None
    wait_until(lambda: len(rig.told()) == 2 and len(rig.mail.mails) == 2, 40)
    assert [each["state"] for each in rig.told()] == ["firing", "resolved"]
    assert "Telegauge: silence: pi" in str(rig.mail.mails[0]["subject"])
    assert "is over after" in text_of(rig.mail.mails[1])
    said = rig.collector.said()
    for event_name in ("alert_firing", "alert_seen", "alert_resolved", "alert_told"):
        assert said.count(f"event={event_name}") >= 1, said
    assert "S3CRET" not in said


def test_all_devices_at_once_are_one_alert(house: Callable[..., House]) -> None:
    """As when the network goes: one summary that names them, one mail."""
    rig = house()
    for each in rig.devices:
        each.kill()
    alert = rig.wait_for(lambda each: each["state"] == "firing")
    assert (alert["device"], alert["summary_of"]) == (None, ["pi", "shed"])
    wait_until(lambda: rig.mail.mails, 40)
    for each in rig.devices:
        each.start()
    rig.wait_for(lambda each: each["state"] == "resolved")
    wait_until(lambda: len(rig.mail.mails) == 2, 40)
    assert len(rig.alerts()) == 1


def test_agent_that_was_stopped_is_no_alert_yet(house: Callable[..., House]) -> None:
    """Who stopped it knows; the other device, killed after it, is one."""
    rig = house()
    rig.devices[0].stop()
    rig.devices[1].kill()
    rig.wait_for(lambda each: each["device"] == "shed")
    assert [each["device"] for each in rig.alerts()] == ["shed"]


def test_value_beyond_a_limit_and_the_command(house: Callable[..., House]) -> None:
    """It fires after its time, `alert` lists it, and `alert seen` and `alert test` do what they say."""
    rule = "rules: {high: {series: 'pi/count.value_1', above: 3, for: 1s, notify: [hook]}}"
    rig = house(rule)
    alert = rig.wait_for(lambda each: each["state"] == "firing")
    assert (alert["series"], alert["rule"]) == ("pi/count.value_1", "high")
    wait_until(lambda: rig.hook.got, 40)
    assert "above 3, for 1s" in rig.hook.got[0]["message"]
    assert not rig.mail.mails
    listed = rig.collector.command("alert")
    assert "pi/count.value_1 is" in listed.stdout
    assert "hook" in listed.stdout
    seen = rig.collector.command("alert", "seen", str(alert["id"]))
    assert seen.stdout.startswith(f"{alert['id']} was seen")
    assert rig.collector.command("alert", "seen", "99").returncode == 1
    tested = rig.collector.command("alert", "test", "mail")
    assert (tested.returncode, tested.stdout) == (0, "mail: told\n")
    assert "test" in text_of(rig.mail.mails[0])
    rig.hook.status = 500
    tested = rig.collector.command("alert", "test")
    assert tested.returncode == 1
    assert "hook: Failed to send JSON POST notification: " in tested.stdout
    assert "S3CRET" not in tested.stdout + tested.stderr + rig.collector.said()


def test_without_the_web(tmp_path: Path) -> None:
    """Alerts need no page."""
    port = programs.free_port()
    (tmp_path / "told").touch()
    more = (
        "alerts:\n  rules: {high: {series: '*/count.*', above: 3}}\n"
        f"  notify: {{log: {{command: [/bin/sh, -c, 'cat >> {tmp_path}/told']}}}}\n"
    )
    collector = programs.collector(tmp_path / "collector", port, more)
    device = programs.device(tmp_path / "device", port, _SENSORS)
    try:
        collector.start()
        device.start()
        wait_until(lambda: len((tmp_path / "told").read_text().splitlines()) == 2, 40)
        assert "pi/count.value_1" in collector.command("alert").stdout
        collector.stop()
        listed = collector.command("alert")
        assert "not running" in listed.stderr
        assert "pi/count.value_1" in listed.stdout
    finally:
        device.end()
        collector.end()
