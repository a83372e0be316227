"""collector.store.matching: which series a pattern means is found once."""

from pathlib import Path
from typing import Any

import pytest

from collector.store import history, seal_store
from collector.store.database import FILE_NAME
from kit.histories import ALL
from kit.stores import batch, commit, open_reader, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / FILE_NAME


def test_series_are_matched_once_until_there_are_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that goes through many windows does not compare all names in each."""
    commit(file, "cellar", batch(1))
    seal_store(file)
    asked = []
    stored_series = history.stored_series

    def noted(database: Any, pattern: str) -> object:
        """Match series, and note for which pattern."""
        asked.append(pattern)
        return stored_series(database, pattern)

    monkeypatch.setattr(history, "stored_series", noted)
    with open_reader(file) as reader:
        for _ in range(5):
            assert [part.series for part in reader.range("*", *ALL).parts] == [
                "cellar/air.temperature"
            ]
            assert reader.range("green*", *ALL).parts == []
        assert asked == ["*", "green*"]
        commit(file, "greenhouse", batch(1, read(1, unit="V")))
        seal_store(file)
        assert [part.unit for part in reader.range("green*", *ALL).parts] == ["V"]
        for number in range(20):
            reader.range(f"x{number}*", *ALL)
        assert len(reader._matching._matched) <= 8
