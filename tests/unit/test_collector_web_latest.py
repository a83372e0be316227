"""collector.web.latest: what is remembered is what the store would say."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.store import Reader, open_for_writing, seal_store
from collector.web import latest
from collector.web.encoding import Clock
from collector.web.latest import Latest, told
from kit.stores import batch, commit, described, open_reader, read, transaction


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of two devices."""
    path = tmp_path / "telegauge.db"
    open_for_writing(path).close()
    with transaction(path) as group:
        group.describe("pi", described("air.temperature", "soil.temperature"))
        group.describe("cellar", described("air.temperature"))
    commit(path, "pi", batch(1, read(1, 20.0), read(1, 5.0, sensor="soil")))
    commit(path, "cellar", batch(1, read(1, 12.0)))
    return path


@pytest.fixture
def reader(file: Path) -> Iterator[Reader]:
    """What reads it."""
    with open_reader(file) as opened:
        yield opened


def test_only_what_is_new_is_read(
    file: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first question the store is not asked for the latest any more."""
    memo = Latest()
    assert [each.value for each in memo.of(reader, "*")] == [12.0, 20.0, 5.0]
    monkeypatch.setattr(reader, "latest", None)
    commit(file, "pi", batch(2, read(3, 21.0), read(2, 20.5), before=2))
    assert [each.value for each in memo.of(reader, "*")] == [12.0, 21.0, 5.0]
    assert [each.series for each in memo.of(reader, "*/air.*")] == [
        "cellar/air.temperature", "pi/air.temperature",
    ]  # fmt: skip
    commit(file, "pi", batch(3, read(1.5, 1.0), before=4))  # late
    assert [each.value for each in memo.of(reader, "pi/air.*")] == [21.0]


def test_all_is_read_anew_where_it_has_to_be(file: Path, reader: Reader) -> None:
    """Rows that are sealed already, too many, or a store that was changed otherwise."""
    memo = Latest()
    memo.of(reader, "*")
    commit(file, "pi", batch(2, read(3, 21.0), before=2))
    seal_store(file)
    assert [each.value for each in memo.of(reader, "pi/air.*")] == [21.0]
    memo.forget()
    assert [each.value for each in memo.of(reader, "pi/air.*")] == [21.0]


def test_too_many_rows_are_not_read_one_by_one(
    file: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store itself is faster then."""
    monkeypatch.setattr(latest, "_MAX_ROWS", 1)
    memo = Latest()
    memo.of(reader, "*")
    monkeypatch.setattr(reader, "after", None)
    for seq in (2, 3):
        commit(file, "pi", batch(seq, read(seq, 30.0 + seq), before=seq))
    assert [each.value for each in memo.of(reader, "pi/air.*")] == [33.0]


def test_what_is_told(file: Path, reader: Reader) -> None:
    """Time, value and quality of each, in whatever form of time."""
    found = Latest().of(reader, "cellar/*")
    for form in ("rfc3339", "s", "ms", "ns"):
        clock = Clock(form, ZoneInfo("UTC"))
        [facts] = told(found, clock)
        assert facts == {
            "series": "cellar/air.temperature",
            "time": clock.one(found[0].time_ns),
            "value": 12.0,
            "unit": "degC",
            "quality": "good",
            "reason": "",
            "time_known": "synced",
            "time_error_ns": 0,
        }
