"""A station: a real collector with its page, and a real agent that sends to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from collector.web.access import Access, new_password
from kit import programs
from kit.programs import Program
from kit.waiting import wait_until
from kit.webs import Client

SENSORS = """
  air:
    driver: synthetic:sine
    interval: 500ms
    label: Air at the door
    options: {mean: 20, amplitude: 2, period: 30, unit: degC}
  weight:
    driver: synthetic:walk
    interval: 500ms
    options: {start: 1013, step: 0.4, unit: hPa}
  dust:
    driver: synthetic:failing
    interval: 500ms
    options: {every: 4, unit: ug/m3}
  count: {driver: 'synthetic:counter', interval: 500ms}
"""


class Station(NamedTuple):
    """A collector and a device that sends to it; `port` is the one for devices."""

    collector: Program
    device: Program
    client: Client
    port: int

    @property
    def base(self) -> str:
        """The address of its page."""
        return f"http://127.0.0.1:{self.client.port}"

    @property
    def store(self) -> Path:
        """The file of its readings."""
        return self.collector.state / "telegauge.db"

    def latest(self, pattern: str = "*") -> list[dict[str, Any]]:
        """What it has last heard."""
        found: list[dict[str, Any]] = self.client.get(f"/api/v1/latest?pattern={pattern}").json[
            "latest"
        ]
        return found


@contextmanager
def running_station(folder: Path, more: str = "", password: str | None = None) -> Iterator[Station]:
    """A station of its own, whose device has sent something; `more` is YAML of the collector."""
    port, web_port = programs.free_port(), programs.free_port()
    collector = programs.collector(
        folder / "collector", port, f"time_zone: Asia/Seoul\n{more}", web_port=web_port
    )
    if password:
        Access(collector.state).set_password(new_password(password))
    device = programs.device(folder / "device", port, SENSORS, "label: Greenhouse, north\n")
    station = Station(collector, device, Client(web_port), port)
    try:
        collector.start()
        device.start()
        wait_until(lambda: len(station.latest("pi/*.value")) == 4)
        yield station
    finally:
        device.end()
        collector.end()
