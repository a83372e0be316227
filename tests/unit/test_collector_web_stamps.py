"""collector.web.stamps: many instants as text, the same as one by one."""

import json
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.times import told
from collector.web.stamps import json_texts, texts

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns",
        "Africa/Monrovia", "Pacific/Apia",
    )
]  # fmt: skip
INSTANTS = st.integers(-(2**63), 2**63 - 1) | st.integers(1_700_000_000, 1_900_000_000).map(
    lambda second: second * 10**9 + 123_456_789
)


@given(st.lists(INSTANTS, max_size=40), st.sampled_from(ZONES))
def test_as_one_by_one(times_ns: list[int], zone: ZoneInfo) -> None:
    """Any instant in any zone, in any order."""
    array = np.array(times_ns, np.int64)
    expected = [told(each, zone) for each in times_ns]
    assert [each.decode() for each in texts(array, zone)] == expected
    assert json.loads(json_texts(array, zone)) == expected


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_year_with_its_changes_of_the_clock(zone: ZoneInfo) -> None:
    """Every quarter of an hour of it, half a millisecond before the full one."""
    times_ns = np.arange(1_767_225_600, 1_798_761_600, 900, dtype=np.int64) * 10**9 - 500_000
    expected = [told(each, zone).encode() for each in times_ns.tolist()]
    assert texts(times_ns, zone) == expected
