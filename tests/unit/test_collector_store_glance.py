"""collector.store.glance: for a line of status, and never an error."""

from pathlib import Path

from collector.store import devices_of, names_in
from collector.store.database import FILE_NAME
from kit.stores import batch, commit


def test_store_that_others_write(tmp_path: Path) -> None:
    """Its devices are told by name; of one that is not there or is no store there are none."""
    file = tmp_path / FILE_NAME
    for name in ("greenhouse", "cellar"):
        commit(file, name, batch(1))
    assert names_in(file) == ["cellar", "greenhouse"]
    assert [row.name for row in devices_of(file)] == ["cellar", "greenhouse"]
    missing = file.with_name("missing")
    assert (names_in(missing), devices_of(missing)) == ([], [])
    file.write_bytes(b"not a database any more " * 500)
    assert (names_in(file), devices_of(file)) == ([], [])
