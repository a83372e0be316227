"""collector.web.latest: what is remembered is what the store would say."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.store import (
    Keep,
    Reader,
    Selection,
    delete_from,
    open_for_writing,
    seal_store,
)
from collector.web import latest
from collector.web.encoding import Clock
from collector.web.latest import Latest, told
from kit.histories import retained
from kit.stores import at_ns, batch, change, commit, described, open_reader, read, transaction


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


def values(memo: Latest, reader: Reader, pattern: str = "*") -> list[float]:
    """What is answered, by name."""
    return [each.value for each in memo.of(reader, pattern).readings.values()]


def test_only_what_is_new_is_read(
    file: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first question the store is not asked for the latest any more."""
    memo = Latest()
    assert values(memo, reader) == [12.0, 20.0, 5.0]
    monkeypatch.setattr(reader, "latest", None)
    commit(file, "pi", batch(2, read(3, 21.0), read(2, 20.5), before=2))
    assert values(memo, reader) == [12.0, 21.0, 5.0]
    assert list(memo.of(reader, "*/air.*").readings) == [
        "cellar/air.temperature", "pi/air.temperature",
    ]  # fmt: skip
    commit(file, "pi", batch(3, read(1.5, 1.0), before=4))  # late
    assert values(memo, reader, "pi/air.*") == [21.0]


def test_all_is_read_anew_where_it_has_to_be(file: Path, reader: Reader) -> None:
    """Of rows that were sealed before they were looked at, and behind a question that failed."""
    memo = Latest()
    memo.of(reader, "*")
    commit(file, "pi", batch(2, read(3, 21.0), before=2))
    seal_store(file)
    assert values(memo, reader, "pi/air.*") == [21.0]
    commit(file, "pi", batch(3, read(4, 22.0), before=3))
    with closing(Reader(file)) as broken:
        broken.after = None  # type: ignore[method-assign,assignment]
        with pytest.raises(TypeError):
            memo.of(broken, "*")
    seal_store(file)
    assert values(memo, reader, "pi/air.*") == [22.0]


def test_deleted_readings_are_shown_no_more(
    file: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor those that have expired: of their device all is asked anew, of no other."""
    commit(file, "pi", batch(2, read(9, 21.0), before=2))
    memo = Latest()
    assert values(memo, reader) == [12.0, 21.0, 5.0]
    asked = []
    latest_of = reader.latest

    def noted(pattern: str) -> object:
        """Ask the store, and note for what."""
        asked.append(pattern)
        return latest_of(pattern)

    monkeypatch.setattr(reader, "latest", noted)
    delete_from(file, Selection("pi/air.*", at_ns(5)))
    assert values(memo, reader) == [12.0, 20.0, 5.0]
    retained(file, Keep("pi/soil.*", raw_ns=1), now_ns=at_ns(100))
    assert values(memo, reader) == [12.0, 20.0, 5.0], "the newest of the store is of that age"
    delete_from(file, Selection("pi/soil.*"))
    assert values(memo, reader) == [12.0, 20.0]
    assert asked == ["pi/*", "pi/*"]


def test_damage_is_told_by_pattern(file: Path, reader: Reader) -> None:
    """What came before it is shown; also of a batch that came since the last question."""
    memo = Latest()
    memo.of(reader, "*")
    commit(file, "pi", batch(2, read(9, 21.0), before=2))
    change(file, "UPDATE batch SET sealed = zeroblob(99) WHERE to_ns = ?", at_ns(9))
    assert values(memo, reader, "*/air.*") == [12.0, 20.0]
    for pattern, damaged in {"*": {"pi/*"}, "pi/soil.*": {"pi/*"}, "cellar/*": set()}.items():
        assert memo.of(reader, pattern).damaged == damaged
        assert Latest().of(reader, pattern).damaged == damaged


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
    assert values(memo, reader, "pi/air.*") == [33.0]


def test_what_is_told(file: Path, reader: Reader) -> None:
    """Time, value and quality of each, in whatever form of time."""
    found = Latest().of(reader, "cellar/*")
    for form in ("rfc3339", "s", "ms", "ns"):
        clock = Clock(form, ZoneInfo("UTC"))
        answer = told(found, clock)
        assert answer["damaged"] == []
        [facts] = answer["latest"]
        assert facts == {
            "series": "cellar/air.temperature",
            "time": clock.one(found.readings["cellar/air.temperature"].time_ns),
            "value": 12.0,
            "unit": "degC",
            "quality": "good",
            "reason": "",
            "time_known": "synced",
            "time_error_ns": 0,
        }
