"""A thousand devices at one collector over TLS: what a session costs, and how soon it is answered."""

import asyncio
import resource
from pathlib import Path

import pytest

from kit import steady
from kit.houses import House, house, memory_kib
from kit.results import Results
from kit.steady import Steady

SESSION_LIMIT_KIB = 48
RSS_LIMIT_KIB = 120 * 1024
P99_LIMIT_S = 0.05


@pytest.fixture(autouse=True)
def _files() -> None:
    """This process holds the other end of every session."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def names(count: int) -> list[str]:
    """So many devices."""
    return [f"pi-{number}" for number in range(count)]


async def leave(devices: list[Steady]) -> None:
    """Let all of them go."""
    await asyncio.gather(*(device.leave() for device in devices))


async def idle_kib(home: House, warm_up: int) -> float:
    """Connect all devices; return what each session costs the collector beyond the first ones."""
    devices = await steady.connect_all(home.port, home.credentials[:warm_up])
    before_kib = memory_kib(home.collector, "VmRSS")
    devices += await steady.connect_all(home.port, home.credentials[warm_up:])
    after_kib = memory_kib(home.collector, "VmRSS")
    assert home.collector.ask("status")["sessions"] == len(devices)
    await leave(devices)
    return (after_kib - before_kib) / (len(devices) - warm_up)


async def steadily(home: House, seconds: int) -> list[float]:
    """Let each device send a batch a second, in turn; return how long all ACKs took."""
    devices = await steady.connect_all(home.port, home.credentials)
    first_s = asyncio.get_running_loop().time() + 1.0
    try:
        await asyncio.gather(
            *(
                device.send(first_s + number / len(devices), 1.0, seconds)
                for number, device in enumerate(devices)
            )
        )
    finally:
        await leave(devices)
    return [took_s for device in devices for took_s in device.took_s]


def test_an_idle_session_is_small(tmp_path: Path) -> None:
    """200 sessions over TLS that say nothing but PING: less than 48 KiB each."""
    with house(tmp_path, names(250)) as home:
        assert asyncio.run(idle_kib(home, 50)) < SESSION_LIMIT_KIB
        assert home.collector.stop() == 0


@pytest.mark.full
@pytest.mark.parametrize("number", range(3))
def test_a_thousand_devices(tmp_path: Path, number: int) -> None:
    """1,000 devices, a batch a second each, for a minute."""
    results = Results("a thousand devices over TLS")
    if results.has(number):
        pytest.skip("done in an earlier run")
    with house(tmp_path, names(1000)) as home:
        took_s = asyncio.run(steadily(home, 60))
        figures = {
            "acks": len(took_s), "p50_ms": round(steady.quantile(took_s, 0.5) * 1000, 1),
            "p99_ms": round(steady.quantile(took_s, 0.99) * 1000, 1),
            "p999_ms": round(steady.quantile(took_s, 0.999) * 1000, 1), "most_kib": home.most_kib(),
        }  # fmt: skip
        assert home.collector.stop() == 0
    with house(tmp_path / "idle", names(1000)) as home:
        figures["idle_kib"] = round(asyncio.run(idle_kib(home, 50)), 1)
    assert figures["most_kib"] < RSS_LIMIT_KIB, figures
    assert figures["p99_ms"] < P99_LIMIT_S * 1000, figures
    assert figures["idle_kib"] < SESSION_LIMIT_KIB, figures
    results.add(number, **figures)
