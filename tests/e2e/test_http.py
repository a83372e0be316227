"""HTTP with the real programs: on the same machine, and from another one as a person would."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import shipped
from kit import programs
from kit.lan import Host, two_hosts
from kit.programs import Program
from kit.waiting import wait_until
from kit.webs import Client, Reply, is_closed_by_peer, listening, trusting

SENSORS = "  air: {driver: 'synthetic:sine', interval: 100ms}\n"
PASSWORD = "correct horse battery"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Program, Program, Client]]:
    """A collector, a device that sends to it, and a client."""
    port, web_port = programs.free_port(), programs.free_port()
    collector = programs.collector(tmp_path / "collector", port, web_port=web_port)
    device = programs.device(tmp_path / "device", port, SENSORS)
    collector.start()
    device.start()
    yield collector, device, Client(web_port)
    device.end()
    collector.end()


def test_readings_are_there_once_they_are_stored(pair: tuple[Program, Program, Client]) -> None:
    """Devices, latest, readings and summaries agree; what comes live is what is read later."""
    collector, device, client = pair
    wait_until(lambda: client.get("/api/v1/latest?pattern=pi/air.*").json["latest"])
    assert client.get("/api/v1/devices").json["devices"][0]["connected"] is True
    heard: dict[int, float] = {}
    with listening(client, "?pattern=pi/air.*&time=ns") as events:
        event = events.read()
        last_id = event["id"]
    for piece in event["data"]["readings"]:
        heard |= dict(zip(piece["times"], piece["values"], strict=True))
    with listening(client, "?pattern=pi/air.*&time=ns", Last_Event_ID=last_id) as events:
        for _ in range(3):
            event = events.read()
            assert int(event["id"]) > int(last_id)
            last_id = event["id"]
            for piece in event["data"]["readings"]:
                heard |= dict(zip(piece["times"], piece["values"], strict=True))
    answer = client.get("/api/v1/readings?last=1h&time=ns&pattern=pi/air.*").json
    stored = {
        when: value
        for piece in answer["readings"]
        for when, value in zip(piece["times"], piece["values"], strict=True)
    }
    assert heard.items() <= stored.items()
    summed = client.get("/api/v1/readings?last=1h&points=10&pattern=pi/air.*").json["summaries"]
    assert sum(sum(each["count"]) for each in summed) >= len(stored)
    assert "telegauge_commits_total" in client.get("/metrics").body.decode()
    assert device.stop() == 0
    assert collector.stop() == 0, collector.said()


def test_door_stands_what_strangers_do(pair: tuple[Program, Program, Client]) -> None:
    """Other names, other origins, too many connections: devices do not notice."""
    collector, _, client = pair
    assert client.get("/", Host="evil.example").status == 421
    assert client.post("/logout", Origin="http://evil.example").status == 403
    crowd = [client.connect() for _ in range(64)]
    with client.connect() as late:
        assert is_closed_by_peer(late)
    for each in crowd:
        each.close()
    wait_until(lambda: collector.ask("status")["web"]["connections"] == 0)
    before = client.get("/metrics").status
    assert before == 200
    assert collector.ask("status")["sessions"] == 1


def test_taken_port_does_not_keep_the_collector_from_storing(tmp_path: Path) -> None:
    """It says who has it, and goes on."""
    port, web_port = programs.free_port(), programs.free_port()
    first = programs.collector(tmp_path / "first", port, web_port=web_port)
    second = programs.collector(tmp_path / "second", programs.free_port(), web_port=web_port)
    try:
        first.start()
        second.start()
        status = second.command("status")
        assert f"(pid {first.pid}) has this port" in status.stdout
        assert "web.listen" in status.stdout
        assert Client(web_port).get("/healthz").status == 200
    finally:
        first.end()
        second.end()


def set_password(collector: Program, *prefix: str) -> str:
    """Set the password as a person does; return what that says."""
    ran = subprocess.run(
        [*prefix, sys.executable, "-m", "collector", "password", "-c", collector.config],
        check=False, env=collector.environment, input=f"{PASSWORD}\n", text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def change(client: Client, path: str, *, headers: Any = (), **body: Any) -> Reply:
    """Ask for a change, by default with the password."""
    whole = {"password": PASSWORD} | body
    return client.post(path, json.dumps(whole), **dict(headers))


def device_of(client: Client, name: str) -> dict[str, Any]:
    """What is said of a device; empty where nothing is."""
    devices = client.get("/api/v1/devices").json["devices"]
    return next((each for each in devices if each["device"] == name), {})


def test_invitation_over_http_is_accepted(tmp_path: Path) -> None:
    """A real join takes its token; the device gets another key, obeys, and is shut out."""
    port, web_port = programs.free_port(), programs.free_port()
    collector = programs.collector(tmp_path / "collector", port, plain=False, web_port=web_port)
    agent = Program("device", "run", tmp_path / "device", f"sensors:\n{SENSORS}")
    client = Client(web_port)
    try:
        collector.start()
        set_password(collector)
        agent.start()
        made = change(client, "/api/v1/invitations", name="greenhouse").json
        invited = device_of(client, "greenhouse")
        assert (invited["state"], invited["standing"]) == ("never_seen", "invited")
        joined = agent.command("join", made["token"])
        assert joined.returncode == 0, joined.stderr
        wait_until(lambda: device_of(client, "greenhouse")["state"] == "live", 60)
        here = device_of(client, "greenhouse")
        assert (here["standing"], here["session"]["over_tls"]) == ("joined", True)
        wait_until(lambda: device_of(client, "greenhouse")["clock"])
        wait_until(lambda: device_of(client, "greenhouse")["agent"])

        path = "/api/v1/devices/greenhouse"
        read = change(client, f"{path}/command", name="read_now", arguments=["air"]).json
        assert read["outcome"] == "done", read
        assert list(read["values"]) == ["greenhouse/air.value"]
        forbidden = change(client, f"{path}/command", name="output", arguments=["fan", "on"]).json
        assert forbidden["outcome"] == "failed"
        assert "not allowed" in forbidden["detail"]
        assert change(client, f"{path}/rotate").json == {"is_used": True}

        assert change(client, f"{path}/revoke").status == 200
        gone = device_of(client, "greenhouse")
        assert (gone["standing"], gone["connected"], gone["session"]) == ("revoked", False, None)
        assert collector.stop() == 0, collector.said()
    finally:
        agent.end()
        collector.end()


def test_changes_want_the_password(pair: tuple[Program, Program, Client]) -> None:
    """On the collector's own machine, from its own page, and by no token; who guesses waits."""
    collector, _, client = pair
    ping = "/api/v1/devices/pi/command"
    wait_until(lambda: device_of(client, "pi").get("state") == "live")
    assert change(client, ping, name="ping").json["password"] == "unset"
    set_password(collector)
    assert change(client, ping, name="ping").json["outcome"] == "done"
    assert change(client, ping, name="ping", headers={"Origin": ""}).status == 403
    token = json.loads(collector.command("token", "reader", "--json").stdout)["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    refused = change(client, ping, name="ping", headers=bearer)
    assert (refused.status, refused.json["detail"]) == (403, "a token only reads")
    for given, why in ((None, "missing"), ("wrong", "wrong")):
        refused = change(client, "/api/v1/devices/pi/revoke", password=given)
        assert (refused.status, refused.json["password"]) == (403, why)
    guesses = [change(client, ping, name="ping", password="guess").status for _ in range(11)]
    assert guesses[-1] == 429
    assert change(client, ping, name="ping").status == 429
    assert device_of(client, "pi")["standing"] == "no key"


def test_killed_agent_turns_late(pair: tuple[Program, Program, Client]) -> None:
    """Within seconds, with what went wrong; and is live again when it is back."""
    _, device, client = pair
    wait_until(lambda: device_of(client, "pi").get("state") == "live")
    device.kill()
    wait_until(lambda: device_of(client, "pi")["state"] == "late", 40)
    [trouble] = device_of(client, "pi")["troubles"]
    assert trouble["what"] == "connection_lost"
    device.start()
    wait_until(lambda: device_of(client, "pi")["state"] in ("live", "draining"), 40)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """The collector's machine, and somebody else's."""
    if shutil.which("curl") is None:
        pytest.skip("somebody on the other machine uses curl")
    with two_hosts() as both:
        yield both


def test_from_another_machine(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """As shipped: closed, then by password with a cookie, by token, over TLS that can be pinned."""
    server, other = hosts
    config = shipped("collector.yaml").read_text().replace("min_free: 1GiB", "min_free: 1MiB")
    collector = Program("collector", "serve", tmp_path / "collector", config, host=server)
    base = f"https://{server.address}:8889"

    def curl(*arguments: str) -> str:
        ran = subprocess.run(
            [*other.prefix, "curl", "-sS", "--max-time", "20", *arguments],
            check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    code = ("-o", "/dev/null", "-w", "%{http_code}", "-k")
    try:
        collector.start()
        assert "telegauge-collector password" in curl("-k", "-H", "Accept: text/html", base)
        assert curl(*code, f"{base}/api/v1/latest") == "403"
        assert json.loads(curl("-k", f"{base}/healthz")) == {"status": "ok"}
        moved = curl("-o", "/dev/null", "-w", "%{redirect_url}", f"http://{server.address}:8889/")
        assert moved == f"{base}/"

        assert base in set_password(collector, *server.prefix)
        assert curl(*code, f"{base}/api/v1/latest") == "401"
        log_in = ("--data-urlencode", f"password={PASSWORD}", "-c", "jar", f"{base}/login")
        assert curl(*code, *log_in) == "403"  # without Origin
        assert curl(*code, "-H", f"Origin: {base}", *log_in) == "303"
        assert curl(*code, "-b", "jar", f"{base}/api/v1/latest") == "200"

        made = json.loads(collector.command("token", "reader", "--json").stdout)
        bearer = ("-H", f"Authorization: Bearer {made['token']}")
        assert curl(*code, *bearer, f"{base}/api/v1/latest") == "200"
        pem = (collector.state / "web.pem").read_text()
        (tmp_path / "pi.crt").write_text(pem[pem.index("-----BEGIN CERT") :])
        assert json.loads(curl("--cacert", "pi.crt", *bearer, f"{base}/api/v1/devices"))
        assert collector.stop() == 0, collector.said()
    finally:
        collector.end()


def test_certificate_is_not_the_devices(pair: tuple[Program, Program, Client]) -> None:
    """What devices pin is shown to no browser."""
    collector, _, client = pair
    secure = Client(client.port, tls=trusting())
    assert secure.get("/healthz").status == 200
    own, web = (collector.state / name for name in ("collector.pem", "web.pem"))
    assert own.read_bytes() != web.read_bytes()
