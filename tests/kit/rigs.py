"""A rig: one collector, one agent with a counting sensor, and the ledger that the sensor writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device import credentials
from device.sensors.own import Own
from kit import oracle, programs
from kit.keys import let_in
from kit.waiting import wait_until

SENSOR = "count"
_SENSORS = """
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {{channels: {channels}, ledger: {ledger}}}
"""


def is_own(readings: int) -> bool:
    """Say whether so many readings can be those of the sensor `agent`, of which the oracle knows nothing."""
    own = Own(dict)
    own.open()
    return readings >= 0 and readings % len(own.channels) == 0


def ballast(name: str, channels: int, ledger: Path | None = None) -> str:
    """YAML of a sensor that fills a spool: values which do not deflate, ten reads a second."""
    told = f", ledger: {ledger}" if ledger else ""
    return f"""
  {name}:
    driver: synthetic:walk
    interval: 100ms
    options: {{channels: {channels}, step: 1.0e+9{told}}}
"""


class Rig:
    """The two programs on folders of their own; `more` is YAML of the device, `others` of sensors.

    `collectors` is YAML of the collector. With `tls` the collector takes nothing else, and the device was let in.
    """

    def __init__(
        self,
        folder: Path,
        channels: int = 3,
        more: str = "",
        transport: str = "tcp",
        others: str = "",
        tls: bool = False,
        collectors: str = "",
    ) -> None:
        self.port = programs.free_port()
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.collector = programs.collector(
            folder / "collector", self.port, collectors, plain=not tls
        )
        self._is_tls = tls
        self._sensors = _SENSORS.format(channels=channels, ledger=self.ledger) + others
        self._folder = folder
        self._more = f"  transport: {transport}\n{more}"
        self.send_through(self.port)
        if tls:
            credentials.store(self.device.state, let_in(self.collector.state, "pi", self.port))

    def send_through(self, port: int) -> None:
        """Let the agent connect to another port than the collector's."""
        self.device = programs.device(self._folder / "device", port, self._sensors, self._more)

    def start(self) -> None:
        """Start both."""
        self.collector.start()
        self.device.start()
        if self._is_tls:
            wait_until(lambda: "session_started" in self.collector.said(), 60)
            assert "tls=true" in self.collector.said()

    def wait_for_reads(self, more: int) -> None:
        """Wait until the sensor has given some more."""
        wanted = oracle.reads(self.ledger) + more
        wait_until(lambda: oracle.reads(self.ledger) >= wanted, 60)

    def wait_dead(self, timeout_s: float = 60) -> None:
        """Wait until the agent has died by itself: not before it gave its last read, whenever seen."""
        self.device.wait_dead(timeout_s)
        self.device.ends_ns += [read.given_ns for read in oracle.given(self.ledger).values()][-1:]

    def held(self) -> int:
        """How many readings wait in the agent's spool."""
        return int(self.device.ask("status")["spool"]["held_readings"])

    def wait_until_sent(self, timeout_s: float = 120, but: int = 100) -> None:
        """Wait until hardly anything waits: what was read in the last moments."""
        wait_until(lambda: self.device.ask("status")["link"] == "up", timeout_s)
        least = oracle.reads(self.ledger)
        wait_until(lambda: oracle.reads(self.ledger) > least and self.held() < but, timeout_s)

    def stop(self) -> None:
        """Stop both as systemd would; the agent hands over everything first."""
        assert self.device.stop() == 0, self.device.said()
        assert self.collector.stop() == 0, self.collector.said()

    def verdict(self, **how: object) -> oracle.Verdict:
        """Ask the oracle."""
        return oracle.judge(self.ledger, self.collector.state, SENSOR, self.device.ends_ns, **how)


@contextmanager
def rig(folder: Path, **how: object) -> Iterator[Rig]:
    """A rig that leaves no process behind."""
    made = Rig(folder, **how)
    try:
        yield made
    finally:
        made.device.end()
        made.collector.end()
