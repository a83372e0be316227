"""The packages on the architecture of a Pi, emulated, and on this machine's: loaded, checked, run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit import chroots, oracle
from kit.chroots import Chroot, Installed
from kit.programs import Program
from kit.waiting import wait_until

pytestmark = pytest.mark.arm

# Under emulation each is installed in minutes.
DEBIANS = [
    pytest.param(("bookworm", "amd64"), id="bookworm-amd64"),
    pytest.param(("bookworm", "arm64"), id="bookworm-arm64"),
    pytest.param(("trixie", "arm64"), id="trixie-arm64", marks=pytest.mark.full),
]
PARTS = ("device", "collector")
CHANNELS = 3
A_MINUTE_OF_READS = 600
# At 100 ms a read, with turns skipped where emulation is too slow for them.
A_MINUTE_WITHIN_S = 240.0
UP_WITHIN_S = 90.0
# The agent, emulated, hears of its stop so much later.
UNSURE_NS = 3 * 10**9
PORT = 8888

COLLECTOR = """
devices:
  listen: 127.0.0.1:{port}
  plain_on_loopback: {plain}
store:
  min_free: 1MiB
"""
DEVICE = """
{name}
collector: {{transport: {transport}}}
sensors:
  host: {{driver: host, interval: 1s}}
  count:
    driver: synthetic:counter
    interval: 100ms
    options: {{channels: {channels}, ledger: {ledger}}}
"""

# Imports every module of ours, and loads every compiled library that the package carries.
LOADS = """
import ctypes, importlib, pkgutil, sys
from pathlib import Path

site = Path(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
for name in ("config", "service", "wire", sys.argv[1]):
    package = importlib.import_module(name)
    assert Path(package.__file__).is_relative_to(site), package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
libraries = [file for file in site.rglob("*.so*") if file.is_file()]
for file in libraries:
    ctypes.CDLL(str(file))
print(len(libraries))
"""


class Pair:
    """Both programs on one machine, and the ledger of the agent's counting sensor."""

    def __init__(
        self, debian: Chroot, folder: Path, *, plain: bool = True, transport: str = "tcp"
    ) -> None:
        self.ledger = folder / "ledger"
        yaml = COLLECTOR.format(port=PORT, plain=str(plain).lower())
        self.collector = Installed(debian, "collector", "serve", folder / "collector", yaml)
        yaml = DEVICE.format(
            name="name: pi" if plain else "",
            transport=transport,
            channels=CHANNELS,
            ledger=self.ledger,
        )
        self.device = Installed(debian, "device", "run", folder / "device", yaml)
        self.ledger.touch()
        self.device.give(self.ledger)

    def start(self) -> None:
        """Start both."""
        self.collector.start()
        self.device.start()

    def wait_for_reads(self, more: int, within_s: float = UP_WITHIN_S) -> None:
        """Wait until the sensor has given some more."""
        wanted = oracle.reads(self.ledger) + more
        wait_until(lambda: oracle.reads(self.ledger) >= wanted, within_s)

    def wait_until_up(self) -> None:
        """Wait until batches flow."""
        wait_until(lambda: self.device.ask("status")["link"] == "up", UP_WITHIN_S)

    def stop(self) -> oracle.Verdict:
        """Stop both as systemd would, and ask the oracle."""
        for program in (self.device, self.collector):
            assert program.stop() == 0, program.said()
            assert "Traceback" not in program.said()
        return oracle.judge(
            self.ledger, self.collector.state, "count", self.device.ends_ns, unsure_ns=UNSURE_NS
        )

    def end(self) -> None:
        """Leave no process behind."""
        self.device.end()
        self.collector.end()


@pytest.fixture(scope="module", params=DEBIANS)
def debian(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chroot]:
    """A Debian that both packages were installed in."""
    suite, architecture = request.param
    with chroots.chroot(suite, architecture, tmp_path_factory.mktemp("debian")) as made:
        yield made


@contextmanager
def pair_in(debian: Chroot, name: str, **how: Any) -> Iterator[Pair]:
    """A pair that runs, and leaves no process behind."""
    made = Pair(debian, debian.shared / name, **how)
    try:
        made.start()
        yield made
    finally:
        made.end()


def says(program: Program, *arguments: str) -> str:
    """What a command of a program prints; it must work."""
    ran = program.command(*arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("part", PARTS)
def test_every_module_and_library_loads(debian: Chroot, part: str) -> None:
    """What the package carries for this Python is of this architecture and finds what it needs."""
    python = f"/opt/telegauge/{part}/bin/python3"
    assert int(debian.run(python, "-sP", "-c", LOADS, part)) > 2


def test_installed_files_are_good_and_this_machine_is_read(debian: Chroot) -> None:
    """`check` accepts both files as installed; `read` gives good readings of the host, by the agent's user."""
    for part in PARTS:
        said = debian.run(f"telegauge-{part}", "check")
        assert said.startswith(f"/etc/telegauge/{part}.yaml: good")
    read = json.loads(debian.run("telegauge-device", "read", "--json", user="telegauge-device"))
    assert {each["quality"] for each in read} == {"good"}
    assert {"load_1m", "cpu_used", "memory_available", "disk_free", "uptime"} <= {
        each["series"].rpartition(".")[2] for each in read
    }


def test_a_minute_of_readings(debian: Chroot) -> None:
    """From the agent to the collector over loopback: each reading is stored once, none is missing."""
    with pair_in(debian, "minute") as pair:
        pair.wait_for_reads(A_MINUTE_OF_READS, A_MINUTE_WITHIN_S)
        series = json.loads(says(pair.collector, "series", "--json"))
        assert {"pi/host.load_1m", "pi/count.value_1"} <= {each["name"] for each in series}
        assert says(pair.device, "status").startswith("pi")
        verdict = pair.stop()
        assert verdict.clean, verdict
        assert oracle.gaps(pair.collector.state) == []
        told = says(pair.collector, "query", "pi/count.*", "--json").splitlines()
        assert len(told) == verdict.stored >= CHANNELS * (A_MINUTE_OF_READS - 50)


def test_a_join_and_sealed_datagrams(debian: Chroot) -> None:
    """One line lets the agent in over TLS; its readings come as datagrams, each at most once."""
    with pair_in(debian, "joined", plain=False, transport="udp") as pair:
        invited = json.loads(says(pair.collector, "invite", "pi", "--json"))
        says(pair.device, "join", invited["token"])
        pair.wait_until_up()
        pair.wait_for_reads(20)
        assert pair.device.ask("status")["datagrams"]["sent"] > 0
        verdict = pair.stop()
        assert "tls=true" in pair.collector.said()
        assert verdict.stored > 0
        assert not verdict.doubled
        assert not verdict.invented
