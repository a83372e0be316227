"""collector.store.amount: about how much a selection is, before it is deleted."""

from pathlib import Path

import pytest

from collector.store import Selection, amount_of
from collector.store.database import FILE_NAME
from kit.histories import Step, regular, stored
from kit.stores import at_ns


@pytest.mark.parametrize("is_sealed", [True, False])
def test_amount(tmp_path: Path, is_sealed: bool) -> None:
    """Sealed or not: which series, how many readings, from when to when."""
    file = tmp_path / FILE_NAME
    stored(file, [Step(regular(1000), is_sealed)])
    whole = amount_of(file, Selection("*/air.*"))
    assert whole == (
        ["cellar/air.temperature", "greenhouse/air.temperature"],
        1000,
        at_ns(1),
        at_ns(1000),
    )
    part = amount_of(file, Selection("greenhouse/air.*", at_ns(500), at_ns(600)))
    assert part.readings == pytest.approx(100, abs=1)
    assert part.first_ns == at_ns(500)
    assert part.last_ns is not None
    assert at_ns(599) <= part.last_ns < at_ns(600)
    assert amount_of(file, Selection("attic/*")) == ([], 0, None, None)
