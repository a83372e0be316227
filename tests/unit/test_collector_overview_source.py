"""collector.overview_source: the overview from the store, and from a collector where one runs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from collector.membership import MemberStatus
from collector.overview_source import BARS, Ask, Source
from collector.report import DeviceStatus, Status
from collector.store import Reader
from kit.stores import Read, batch, commit, described, open_reader, read, transaction
from kit.waiting import wait_until
from wire.batches import ClockPair

_T = TypeVar("_T")
STATUS = Status(True, "s", 1, [DeviceStatus("cellar", None, True, 1, 1, state="draining")])
MEMBERS = [MemberStatus("attic", "invited", False, False, None, None, None)]


@pytest.fixture
def clock() -> ClockPair:
    """What is read 200 s after boot is read now."""
    return ClockPair(0, time.time_ns() - 200 * 10**9, synchronised=True)


@pytest.fixture
def reader(tmp_path: Path, clock: ClockPair) -> Iterator[Reader]:
    """A store of one device, whose last readings are of this minute."""
    file = tmp_path / "telegauge.db"
    with transaction(file) as group:
        group.describe("cellar", described("air.temperature", "agent.spooled_readings"))
    reads: list[Read] = [read(at_s, float(at_s)) for at_s in range(199)]
    spooled = read(199, 7.0, sensor="agent", channel="spooled_readings", unit="")
    commit(file, "cellar", batch(1, *reads, spooled, clock=clock))
    with open_reader(file) as opened:
        yield opened


def answering(asked: list[str]) -> Ask:
    """A collector that runs; what it is asked is noted."""

    def ask(kind: type[_T], name: str) -> _T | None:
        asked.append(name)
        return {"status": STATUS, "devices": MEMBERS}[name]  # type: ignore[return-value]

    return ask


def silence(_kind: type[_T], _name: str) -> _T | None:
    """Where no collector runs."""
    return None


def test_store_alone_is_shown_too(reader: Reader) -> None:
    """It is said that no collector runs."""
    source = Source(reader, "*", 60.0, silence)
    [cellar] = source.devices(time.time_ns())
    assert (cellar.state, cellar.connected, cellar.standing) == ("live", None, None)
    assert cellar.spooled_readings == 7.0
    assert [each.series for each in cellar.series] == ["cellar/air.temperature"]
    assert cellar.series[0].value == 198.0
    assert "NOT RUNNING" in source.trouble


def test_running_collector_knows_more(reader: Reader) -> None:
    """States and members are its; it is not asked at every glance."""
    asked: list[str] = []
    source = Source(reader, "*", 60.0, answering(asked))
    for _ in range(3):
        cellar, attic = source.devices(time.time_ns())
    assert (cellar.state, attic.standing, source.trouble) == ("draining", "invited", "")
    assert asked == ["status", "devices"]


@pytest.mark.parametrize(
    ("pattern", "series"),
    [
        ("*/agent.*", ["cellar/agent.spooled_readings"]),
        ("cellar/air.*", ["cellar/air.temperature"]),
    ],
)
def test_pattern_chooses_series(reader: Reader, pattern: str, series: list[str]) -> None:
    """The health of agents as well; devices without any are left out."""
    source = Source(reader, pattern, 60.0, answering([]))
    [cellar] = source.devices(time.time_ns())
    assert [each.series for each in cellar.series] == series


def test_what_came_since_is_seen(reader: Reader, clock: ClockPair) -> None:
    """At the next glance."""
    source = Source(reader, "*", 60.0, silence)
    source.devices(time.time_ns())
    commit(reader.path, "cellar", batch(2, read(200, 5.0), clock=clock, before=200))
    [cellar] = source.devices(time.time_ns())
    assert cellar.series[0].value == 5.0


@pytest.mark.parametrize("last_s", [60.0, 600.0, 86_400.0, 365 * 86_400.0])
def test_past_is_summed_up(reader: Reader, last_s: float) -> None:
    """Into bars of which there are not too many; the newest is the last, whatever it spans."""
    source = Source(reader, "*", last_s, silence)
    source.read_past()
    bars = source.past["cellar/air.temperature"]
    assert 0 < len(bars) <= BARS + 1
    known = [bar for bar in bars if bar is not None]
    assert known == sorted(known)
    assert max(known) >= 90.0


def test_past_is_summed_up_meanwhile(reader: Reader) -> None:
    """By a thread, with a connection of its own; a store that is gone ends nothing."""
    source = Source(reader, "*", 60.0, silence)
    with source.reading_past():
        wait_until(lambda: source.past)
    gone = Source(reader, "*", 60.0, silence)
    reader.path.rename(reader.path.with_suffix(".gone"))
    with gone.reading_past():
        assert gone.past == {}
