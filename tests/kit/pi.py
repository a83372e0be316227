"""A machine that both packages were installed on; a counting sensor of its agent keeps a ledger."""

import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from config.quantities import format_duration
from kit import oracle
from kit.machine import JOB_WITHIN_S, Machine
from kit.programs import boottime_ns
from kit.waiting import wait_until

SENSOR = "count"
_SENSORS = """
name: pi
sensors:
  count:
    driver: synthetic:counter
    interval: {interval}
    options: {{channels: {channels}, ledger: /exchange/ledger}}
"""
_PYTHON = "Environment=PYTHONPATH=/exchange/python"
# The ledger lies where no power cut reaches it; and which Pi this is, gpiozero reads there.
_DROP_INS = {
    "telegauge-device": f"""[Service]
{_PYTHON}
ReadWritePaths=/exchange
BindReadOnlyPaths=/usr/local/share/cpuinfo:/proc/cpuinfo
""",
    "telegauge-collector": f"""[Service]
{_PYTHON}
""",
}
# What turns CLOCK_BOOTTIME there into UTC.
CLOCK = "import time; print(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME))"
UNITS = tuple(_DROP_INS)


class Pi(Machine):
    """One such machine.

    Attributes:
        ledger: what the sensor gave in all boots, told in CLOCK_BOOTTIME of where the test runs, as the
            oracle wants it.
    """

    def __init__(self, folder: Path, disk: Path) -> None:
        super().__init__(folder, disk)
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self._told = self.exchange / "ledger"
        self._told.touch()
        self._told.chmod(0o666)
        self._taken = 0
        self._ahead_ns = 0
        self._interval_s = 0.0

    def boot(self, *arguments: str) -> None:
        """Switch it on, and wait until it is up."""
        super().boot(*arguments)
        here_ns = time.time_ns() - boottime_ns()
        self._ahead_ns = int(self.run(f"python3 -c '{CLOCK}'")) - here_ns

    def cut_power(self) -> None:
        """End it at once."""
        super().cut_power()
        self._take()

    def configure(
        self, more: str = "", *, interval_s: float = 0.1, channels: int = 3, python: str = ""
    ) -> None:
        """Write the YAML of an agent with the counting sensor and more, and restart the programs.

        `python` is what they load before anything else.
        """
        self._interval_s = interval_s
        sensors = _SENSORS.format(interval=format_duration(interval_s), channels=channels)
        (self.exchange / "python").mkdir(exist_ok=True)
        (self.exchange / "python" / "sitecustomize.py").write_text(python)
        (self.exchange / "device.yaml").write_text(sensors + more)
        for unit, lines in _DROP_INS.items():
            (self.exchange / f"{unit}.conf").write_text(lines)
        self.run(
            f"""
            cp /exchange/device.yaml /etc/telegauge/
            for unit in {" ".join(UNITS)}; do
                mkdir -p /etc/systemd/system/$unit.service.d
                cp /exchange/$unit.conf /etc/systemd/system/$unit.service.d/
            done
            systemctl daemon-reload
            systemctl restart {" ".join(UNITS)}
            sync
            """
        )

    def wait_for_reads(self, more: int) -> None:
        """Wait until the sensor has given some more."""
        wanted = oracle.reads(self._told) + more
        wait_until(lambda: oracle.reads(self._told) >= wanted, JOB_WITHIN_S)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd says it."""
        return self.run(f"systemctl show --value -p {name} {unit}").strip()

    def journal(self) -> str:
        """The last that the programs have said."""
        units = " ".join(f"-u {unit}" for unit in UNITS)
        return self.run(f"journalctl --no-pager -n 60 {units}")

    def store(self) -> Path:
        """Stop the programs when all is handed over, and copy the collector's folder."""
        wait_until(self._is_sent, JOB_WITHIN_S)
        self.run(
            """
            systemctl stop telegauge-device
            systemctl stop telegauge-collector
            rm -rf /exchange/store
            cp -r /var/lib/telegauge-collector /exchange/store
            """
        )
        self._take()
        return self.exchange / "store"

    def ends_ns(self) -> list[int]:
        """When the agent ended, each time: before the sensor gave nothing for ten reads."""
        hole_ns = 10 * self._interval_s * 1e9
        times_ns = [read.given_ns for read in oracle.given(self.ledger).values()]
        holes = [before for before, after in pairwise(times_ns) if after - before > hole_ns]
        return [*holes, *times_ns[-1:]]

    def lost_ns(self, store: Path) -> Sequence[int]:
        """When that was given which the store does not hold."""
        kept = oracle.stored(store, SENSOR)
        return [
            read.given_ns
            for read in oracle.given(self.ledger).values()
            if any(value not in kept[channel] for channel, value in read.values.items())
        ]

    def verdict(self, store: Path) -> oracle.Verdict:
        """Ask the oracle."""
        return oracle.judge(self.ledger, store, SENSOR, self.ends_ns())

    def _is_sent(self) -> bool:
        """Whether hardly anything waits: what was read in the last moments."""
        status = json.loads(self.run("telegauge-device status --json"))
        return bool(status["link"] == "up" and status["spool"]["held_readings"] < 100)

    def _take(self) -> None:
        """Take over what the sensor has given since, by the clocks of this boot."""
        whole, _, _ = self._told.read_text().rpartition("\n")
        lines = whole.splitlines()
        with self.ledger.open("a") as file:
            for line in lines[self._taken :]:
                *what, given_ns = line.split()
                print(*what, int(given_ns) + self._ahead_ns, file=file)
        self._taken = len(lines)
