"""Two machines with the packages on them: a LAN host with the collector, and a Pi that joined it.

Everything is typed as a person would. The Pi has a sensor that keeps a ledger, for the oracle.
"""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from collector.store import Reader
from collector.store.database import FILE_NAME, VERSION, open_for_writing
from collector.times import END_OF_TIME_NS
from kit import nspawn, oracle, packages
from kit.lan import Host, two_hosts
from kit.nspawn import Container
from kit.programs import boottime_ns
from kit.waiting import wait_until

COLLECTOR, DEVICE = "telegauge-collector", "telegauge-device"
# Not in the state folder, which a test fills up.
_LEDGER = "/ledger/count"
_COUNT = f"""
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {{ledger: {_LEDGER}}}
"""
_STORED_WITHIN_S = 120.0


def install(machine: Container, *programs: str) -> None:
    """Type `apt install` in the folder with the packages."""
    names = " ".join(f"./{program}*.deb" for program in programs)
    machine.shell(f"cd /packages && apt install --yes {names}")


def token_of(machine: Container, name: str) -> str:
    """Type `invite` and return the command that it prints for the Pi."""
    said = machine.run(COLLECTOR, "invite", name)
    found = re.search(r"sudo (telegauge-device join \S+)", said)
    assert found, said
    return found.group(1)


def stored(machine: Container, pattern: str = "*") -> int:
    """How many readings lie in the store of a machine."""
    file = machine.file(f"/var/lib/{COLLECTOR}/{FILE_NAME}")
    if not file.exists():
        return 0
    with TemporaryDirectory() as folder:
        reader = Reader(of_this_version(file, Path(folder)))
        try:
            answer = reader.range(pattern, 0, END_OF_TIME_NS)
        finally:
            reader.close()
    return sum(len(part.values) for part in answer.parts)


def of_this_version(file: Path, folder: Path) -> Path:
    """A store that this version can read: itself, or a copy that was brought up to date."""
    copy = folder / "up_to_date" / FILE_NAME
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        if store.execute("PRAGMA user_version").fetchone() == (VERSION,):
            return file
        copy.parent.mkdir()
        with closing(sqlite3.connect(copy)) as made:
            store.backup(made)
    open_for_writing(copy).close()
    return copy


def wait_for_readings(machine: Container, pattern: str = "*") -> None:
    """Wait until one more is stored."""
    before = stored(machine, pattern)
    wait_until(lambda: stored(machine, pattern) > before, _STORED_WITHIN_S)


class Pair:
    """A server and a Pi that has joined it, as `greenhouse`."""

    def __init__(self, server: Container, pi: Container, hosts: tuple[Host, Host]) -> None:
        self.server = server
        self.pi = pi
        self.hosts = hosts
        self.ends_ns: list[int] = []

    def install(self) -> None:
        """Install both, join, and let the sensor with the ledger run."""
        install(self.server, COLLECTOR)
        install(self.pi, DEVICE)
        self.edit("sensors:", f"sensors:{_COUNT}", "min_free: 1GiB", "min_free: 1MiB")
        self.pi.shell(f"install -d -o {DEVICE} /ledger && install -o {DEVICE} /dev/null {_LEDGER}")
        drop_in = self.pi.file(f"/etc/systemd/system/{DEVICE}.service.d/ledger.conf")
        drop_in.parent.mkdir(parents=True)
        drop_in.write_text("[Service]\nReadWritePaths=/ledger\n")
        self.pi.run("systemctl", "daemon-reload")
        self.pi.run("systemctl", "restart", DEVICE)
        self.server.run("systemctl", "reload", COLLECTOR)
        self.pi.shell(token_of(self.server, "greenhouse"))
        self.wait_for_acknowledgement()

    def edit(self, of_device: str, by: str, of_collector: str = "", by_other: str = "") -> None:
        """Replace text in the YAML of the Pi, and of the server."""
        for machine, name, old, new in (
            (self.pi, "device", of_device, by),
            (self.server, "collector", of_collector, by_other),
        ):
            file = machine.file(f"/etc/telegauge/{name}.yaml")
            text = file.read_text()
            assert old in text
            file.write_text(text.replace(old, new, 1) if old else text)

    def reads(self) -> int:
        """How many reads the sensor with the ledger has given."""
        return oracle.reads(self.pi.mounted_file(_LEDGER))

    def wait_for_reads(self, more: int = 10) -> None:
        """Wait until that sensor has given some more."""
        wanted = self.reads() + more
        wait_until(lambda: self.reads() >= wanted, 60)

    def wait_for_acknowledgement(self) -> None:
        """Wait until a reading that is yet to be given is stored."""
        wait_until(lambda: self.pi.mounted_file(_LEDGER).exists(), 60)
        self.wait_for_reads(1)
        wanted = self.reads()
        wait_until(lambda: self._last_stored() >= wanted, _STORED_WITHIN_S)

    def kill(self, program: str) -> None:
        """Kill a program as `kill -9` does, and wait until systemd has it running again."""
        machine = self.pi if program == DEVICE else self.server
        before = machine.property(program, "MainPID")
        machine.shell(f"kill -9 {before}")
        self.ended(program)
        self.wait_for_another(machine, program, before)

    def ended(self, program: str) -> None:
        """Note for the oracle that the agent has just ended."""
        if program == DEVICE:
            self.ends_ns.append(boottime_ns())

    def wait_for_another(self, machine: Container, program: str, before: str) -> None:
        """Wait until a unit runs as another process than before."""
        wait_until(
            lambda: (
                machine.property(program, "ActiveState") == "active"
                and machine.property(program, "MainPID") != before
            ),
            90,
        )

    def verdict(self, folder: Path) -> oracle.Verdict:
        """Stop both and ask the oracle, on a copy of the store."""
        self.wait_for_acknowledgement()
        self.pi.run("systemctl", "stop", DEVICE)
        self.ended(DEVICE)
        self.server.run("systemctl", "stop", COLLECTOR)
        copy = folder / f"store-{time.monotonic_ns()}"
        shutil.copytree(self.server.file(f"/var/lib/{COLLECTOR}"), copy)
        of_this_version(copy / FILE_NAME, folder).replace(copy / FILE_NAME)
        return oracle.judge(
            self.pi.mounted_file(_LEDGER), copy, "count", self.ends_ns, device="greenhouse"
        )

    def start(self) -> None:
        """Start both again."""
        self.server.run("systemctl", "start", COLLECTOR)
        self.pi.run("systemctl", "start", DEVICE)

    def _last_stored(self) -> float:
        file = self.server.file(f"/var/lib/{COLLECTOR}/{FILE_NAME}")
        with TemporaryDirectory() as folder:
            kept = oracle.stored(of_this_version(file, Path(folder)).parent, "count")
        return max(kept.get("value", [0.0]))


@contextmanager
def machines(suite: str, folder: Path, version: str = "present") -> Iterator[Pair]:
    """Two freshly booted machines on a network, with the packages in a folder on each."""
    shared = {"/packages": packages.built(version)}
    nspawn.rootfs(suite)
    with (
        two_hosts() as hosts,
        nspawn.container("server", suite, folder / "server", hosts[0], shared) as server,
        nspawn.container("pi", suite, folder / "pi", hosts[1], shared) as pi,
    ):
        yield Pair(server, pi, hosts)
