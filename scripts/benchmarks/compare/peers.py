"""The peers: InfluxDB and VictoriaMetrics from Debian's packages, as processes of our own.

Each runs with a new folder and on ports of 127.0.0.1 that nobody uses, never as the system's
service. What differs from a package's defaults stands here, and favours the peer.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.compare import formats, web
from benchmarks.compare.posts import post_all, post_paced
from benchmarks.compare.signals import Device
from benchmarks.compare.trees import Tree
from benchmarks.processes import free_port

_STARTS_WITHIN_S = 30.0
_VISIBLE_WITHIN_S = 120.0
_POLL_S = 0.01
Load = list[list[bytes]]


class Peer:
    """What both have in common: lines of InfluxDB's protocol over HTTP."""

    name = ""
    package = ""
    binary = ""
    target = ""

    @classmethod
    def is_there(cls) -> bool:
        """Whether its program is installed."""
        return shutil.which(cls.binary) is not None

    @classmethod
    def encoded(cls, devices: Iterator[Device], per_batch: int) -> Load:
        """Return the requests of every device."""
        return [formats.requests(device, per_batch, cls.target) for device in devices]

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.port = port
        self.process = process
        self.tree = Tree(process.pid)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **settings: str) -> "Iterator[Peer]":
        """Run it in a folder until the block ends."""
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command, environment = cls._command(folder, port, settings)
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, env=os.environ | environment, stdout=log, stderr=log, cwd=folder
            )
        try:
            peer = cls(folder, port, process)
            _wait_until(peer._answers, _STARTS_WITHIN_S)
            peer.began()
            yield peer
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)

    def send(self, load: Load, connections: int) -> float:
        """Post everything; return the seconds until the last answer."""
        return post_all(self.port, load, connections)

    def send_paced(self, load: Load, every_s: float) -> list[float]:
        """Post at a pace, a connection a device; return how long each request took."""
        return post_paced(self.port, load, every_s)

    def began(self) -> None:
        """Hook: it answers, and nothing was stored yet."""

    def make_visible(self, readings: int) -> None:
        """Hook: return when all that was sent is there for queries."""

    def facts(self) -> dict[str, Any]:
        """Hook: what it tells of itself after an ingest."""
        return {}

    def _answers(self) -> bool:
        try:
            return web.get(self.port, "/ping").status < 300
        except OSError:
            return False

    @classmethod
    def _command(
        cls, folder: Path, port: int, settings: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError


class InfluxDB(Peer):
    """InfluxDB 1.x. Its 204 comes after the fsync of its log (default); queries see it then.

    Not as in the package: no log line a request, and no statistics of its own in the store.
    """

    name = "influxdb"
    package = "influxdb"
    binary = "influxd"
    target = "/write?db=bench&precision=ns"

    def began(self) -> None:
        """Make the database."""
        web.get(self.port, "/query?q=" + urllib.parse.quote("CREATE DATABASE bench"), "POST")

    def count(self, start_ns: int, end_ns: int) -> int:  # noqa: ARG002 - it counts all
        """Return how many readings its own query counts."""
        answer = self.ask("SELECT count(*) FROM bench")
        (series,) = answer["results"][0]["series"]
        return sum(series["values"][0][1:])

    def ask(self, query: str) -> Any:
        """Return the answer to a query, decoded."""
        target = "/query?db=bench&epoch=ms&q=" + urllib.parse.quote(query)
        return json.loads(web.get(self.port, target).body)

    @classmethod
    def merged_bytes(cls, folder: Path) -> dict[str, int]:
        """Return what its data takes, without its log, after it has compacted all of it.

        By itself it does so when a shard was not written for hours; here after a second.
        """
        soon = {
            "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s",
            "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "1s",
        }
        with cls.running(folder, **soon) as again:
            time.sleep(5.0)  # its compaction looks once a second
            again.tree.wait_until_quiet()
        return {"bytes": allocated_bytes(folder / "data")}

    @classmethod
    def _command(
        cls, folder: Path, port: int, settings: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        places = {
            "INFLUXDB_META_DIR": str(folder / "meta"),
            "INFLUXDB_DATA_DIR": str(folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        }
        (folder / "config").touch()  # else it looks for the system's
        return [cls.binary, "-config", str(folder / "config")], places | settings


class VictoriaMetrics(Peer):
    """VictoriaMetrics, single node. Its 204 promises nothing: readings stay in memory for seconds.

    Not as in the package: nothing is deleted for its age.
    """

    name = "victoria-metrics"
    package = "victoria-metrics"
    binary = "victoria-metrics"
    target = "/write?precision=ns"

    def make_visible(self, readings: int) -> None:
        """Ask it to show what it has (else within a second), and wait until that is everything."""
        web.get(self.port, "/internal/force_flush")
        _wait_until(lambda: self.rows() >= readings, _VISIBLE_WITHIN_S)

    def rows(self) -> int:
        """Return how many readings are in parts that queries see, as its metrics say."""
        return self._metric('vm_rows{type="storage/')

    def count(self, start_ns: int, end_ns: int) -> int:
        """Return how many readings its own query counts."""
        seconds = -(-(end_ns - start_ns) // 10**9)
        query = f'sum(count_over_time({{__name__=~"bench_.*"}}[{seconds}s]))'
        at = urllib.parse.urlencode({"query": query, "time": end_ns / 1e9, "nocache": 1})
        (found,) = json.loads(web.get(self.port, "/api/v1/query?" + at).body)["data"]["result"]
        return int(found["value"][1])

    def merge(self) -> None:
        """Merge all parts of each month into one."""
        web.get(self.port, "/internal/force_flush")
        web.get(self.port, "/internal/force_merge")
        self.tree.wait_until_quiet()

    @classmethod
    def merged_bytes(cls, folder: Path) -> dict[str, int]:
        """Return what its parts and its index take after all parts were merged, without its caches."""
        with cls.running(folder) as again:
            again.merge()
        raw = allocated_bytes(folder / "data" / "data")
        files = [each for each in (folder / "data" / "data").rglob("*") if each.is_file()]
        return {
            "bytes": raw + allocated_bytes(folder / "data" / "indexdb"),
            "raw_bytes": raw,
            "raw_payload_bytes": sum(each.stat().st_size for each in files),
        }

    def _metric(self, head: str) -> int:
        lines = web.get(self.port, "/metrics").body.decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(head))

    @classmethod
    def _command(
        cls, folder: Path, port: int, settings: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        flags = {
            "storageDataPath": str(folder / "data"),
            "httpListenAddr": f"127.0.0.1:{port}",
            "retentionPeriod": "100y",
        }
        return [cls.binary, *(f"-{key}={value}" for key, value in flags.items())], settings


PEERS: Sequence[type[Peer]] = (InfluxDB, VictoriaMetrics)


def install() -> None:
    """Install what is missing of the peers, and see that no service of theirs runs or starts."""
    missing = [peer.package for peer in PEERS if not peer.is_there()]
    if not missing:
        return
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"]
    for verb in (["update"], ["install", "--no-install-recommends", *missing]):
        subprocess.run(
            [*sudo, "apt-get", "-q", "-y", *verb], env=quiet, check=True, stdout=subprocess.DEVNULL
        )
    if shutil.which("systemctl"):  # also where systemd does not run: it takes the links away
        for verb in ("stop", "disable"):
            subprocess.run([*sudo, "systemctl", verb, *missing], check=False, capture_output=True)


def allocated_bytes(folder: Path) -> int:
    """Return the blocks that all files below a folder take."""
    return sum(each.stat().st_blocks * 512 for each in folder.rglob("*") if each.is_file())


def _wait_until(condition: Callable[[], bool], within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(f"not so within {within_s:g} s: {condition}")
        time.sleep(_POLL_S)
