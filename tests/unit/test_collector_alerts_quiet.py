"""collector.alerts.quiet: quiet hours by the clock on the wall, over midnight and through a change of clocks."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from collector.alert_settings import QuietHours
from collector.alerts.quiet import is_quiet

NIGHT = QuietHours(from_min=22 * 60 + 30, to_min=7 * 60)
NOON = QuietHours(from_min=12 * 60, to_min=13 * 60)


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        (NIGHT, "2026-11-23T22:29:59+01:00", False),
        (NIGHT, "2026-11-23T22:30:00+01:00", True),
        (NIGHT, "2026-11-24T06:59:59+01:00", True),
        (NIGHT, "2026-11-24T07:00:00+01:00", False),
        (NIGHT, "2026-11-24T05:59:59+00:00", True),
        (NIGHT, "2026-07-01T05:30:00+00:00", False),
        (NIGHT, "2026-10-25T05:30:00+00:00", True),
        (NOON, "2026-11-23T12:00:00+01:00", True),
        (NOON, "2026-11-23T13:00:00+01:00", False),
        (None, "2026-11-23T03:00:00+01:00", False),
    ],
)
def test_quiet(hours: QuietHours | None, at: str, expected: bool) -> None:
    """From the first minute up to before the last, in the zone of the YAML, summer and winter."""
    now_ns = int(datetime.fromisoformat(at).timestamp()) * 10**9
    assert is_quiet(hours, now_ns, ZoneInfo("Europe/Berlin")) is expected
