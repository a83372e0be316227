"""collector.store.durable: what was written is on disk."""

from pathlib import Path

import pytest

from collector.store.durable import sync


def test_files_and_folders(tmp_path: Path) -> None:
    """Both can be waited for."""
    (tmp_path / "file").write_bytes(b"x")
    sync(tmp_path / "file")
    sync(tmp_path)


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    """Whoever waits for a file that is not there must not think that it is safe."""
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "file")
