"""collector.times: instants as people write and read them."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import times
from collector.times import END_OF_TIME_NS, parse_when, told, zone_name, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
SEOUL = ZoneInfo("Asia/Seoul")
NOW_NS = 1_790_000_000_123_456_789
ZONES = [UTC, BERLIN, SEOUL, ZoneInfo("America/St_Johns"), ZoneInfo("Australia/Lord_Howe")]


def utc_ns(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, us: int = 0
) -> int:
    """An instant of UTC, told by its calendar."""
    instant = datetime(year, month, day, hour, minute, second, us, tzinfo=UTC)
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


@pytest.mark.parametrize(
    ("text", "when_ns"),
    [
        ("now", NOW_NS),
        ("24h", NOW_NS - 86_400 * 10**9),
        ("-24h", NOW_NS - 86_400 * 10**9),
        ("-500ms", NOW_NS - 5 * 10**8),
        ("0s", NOW_NS),
        ("1790000000", 1_790_000_000 * 10**9),
        ("1790000000.123", 1_790_000_000_123_000_000),
        ("1790000000.123456789", 1_790_000_000_123_456_789),
        ("0", 0),
        ("2026-11-23T12:00:00+01:00", utc_ns(2026, 11, 23, 11)),
        ("2026-11-23T12:00:00Z", utc_ns(2026, 11, 23, 12)),
        ("2026-11-23T12:00:00-03:30", utc_ns(2026, 11, 23, 15, 30)),
        ("2026-11-23 12:00", utc_ns(2026, 11, 23, 11)),
        ("2026-11-23 12:00:30.125", utc_ns(2026, 11, 23, 11, 0, 30, 125_000)),
        ("2026-11-23", utc_ns(2026, 11, 22, 23)),
        ("1969-12-31T23:59:59.999Z", -1_000_000),
    ],
)
def test_every_accepted_form(text: str, when_ns: int) -> None:
    """What has no offset is in the zone; nothing is lost to rounding."""
    assert parse_when(text, BERLIN, NOW_NS) == when_ns


def test_what_is_told_to_be_accepted_is() -> None:
    """The examples of the error message work."""
    for example in times.ACCEPTED.replace("seconds since 1970", "1790000000").split(", "):
        parse_when(example.removeprefix("or ").partition(" (")[0], UTC, NOW_NS)


@pytest.mark.parametrize(
    ("text", "when_ns"),
    [
        ("2026-03-29 01:59", utc_ns(2026, 3, 29, 0, 59)),
        ("2026-03-29 03:00", utc_ns(2026, 3, 29, 1)),
        ("2026-03-29 02:30", utc_ns(2026, 3, 29, 1, 30)),
        ("2026-10-25 02:30", utc_ns(2026, 10, 25, 0, 30)),
        ("2026-10-25T02:30+01:00", utc_ns(2026, 10, 25, 1, 30)),
        ("2026-10-25 03:00", utc_ns(2026, 10, 25, 2)),
    ],
)
def test_summer_time_begins_and_ends(text: str, when_ns: int) -> None:
    """An hour that is missing is taken as before the change, one that is twice as its first."""
    assert parse_when(text, BERLIN, NOW_NS) == when_ns


@pytest.mark.parametrize(
    "text",
    [
        "yesterday", "", " ", "-", "--1h", "24x", "1e9", "NaN", "inf", "2026-13-01", "1.5h", "+1h",
        "2026-11-23T25:00", "23.11.2026", "12:00", "99999-01-01", "1_000", "\u0661",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_explained(text: str) -> None:
    """The message quotes what was written, and says what is accepted."""
    with pytest.raises(ValueError, match="Accepted: ") as caught:
        parse_when(text, UTC, NOW_NS)
    assert f"`{text.removeprefix('-')}`" in str(caught.value) or f"`{text}`" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "when_ns"),
    [
        ("9999-12-31", END_OF_TIME_NS),
        ("9" * 400, END_OF_TIME_NS),
        ("0001-01-01", -END_OF_TIME_NS),
        ("0001-01-01T00:00:00+23:59", -END_OF_TIME_NS),
        ("9999-12-31T23:59:59-23:59", END_OF_TIME_NS),
        ("-1000y", -END_OF_TIME_NS),
    ],
)
def test_instants_beyond_64_bits_become_the_ends_of_time(text: str, when_ns: int) -> None:
    """`--end 9999-12-31` means no end, and breaks no question."""
    assert parse_when(text, BERLIN, NOW_NS) == when_ns


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1)),  # noqa: DTZ001 - given a zone below
    st.integers(-(24 * 60 - 1), 24 * 60 - 1),
)
def test_every_offset_is_understood(local: datetime, offset_minutes: int) -> None:
    """RFC 3339 with any offset, against the standard library."""
    instant = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    expected_ns = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert parse_when(instant.isoformat(), BERLIN, NOW_NS) == expected_ns


@given(
    st.integers(-8_000_000_000, 9_000_000_000).map(lambda s: s * 10**9),
    st.integers(0, 10**9 - 1),
    st.sampled_from(ZONES),
)
def test_what_is_told_can_be_asked_for(second_ns: int, rest_ns: int, zone: tzinfo) -> None:
    """Whatever is printed and pasted into a question is the same instant, to the millisecond."""
    time_ns = second_ns + rest_ns
    assert parse_when(told(time_ns, zone), zone, NOW_NS) == time_ns // 10**6 * 10**6


@pytest.mark.parametrize(
    ("time_ns", "zone", "text"),
    [
        (0, UTC, "1970-01-01T00:00:00.000+00:00"),
        (utc_ns(2026, 11, 23, 11, 0, 0, 125_999), BERLIN, "2026-11-23T12:00:00.125+01:00"),
        (utc_ns(2026, 10, 25, 0, 30), BERLIN, "2026-10-25T02:30:00.000+02:00"),
        (utc_ns(2026, 10, 25, 1, 30), BERLIN, "2026-10-25T02:30:00.000+01:00"),
        (-1, SEOUL, "1970-01-01T08:59:59.999+09:00"),
    ],
)
def test_told_with_the_offset_of_that_day(time_ns: int, zone: tzinfo, text: str) -> None:
    """RFC 3339 with milliseconds; summer time is that of the instant, not of today."""
    assert told(time_ns, zone) == text


@pytest.mark.parametrize("zone", ZONES)
@given(time_ns=st.integers(-(2**64), 2**64))
def test_absurd_times_are_told_somehow(zone: tzinfo, time_ns: int) -> None:
    """A device with a mad clock breaks no table."""
    assert told(time_ns, zone)


def test_year_that_no_calendar_has_is_told_as_a_number() -> None:
    """The fact remains, even where no date can be given for it."""
    assert told(2**70, UTC) == f"{2**70} ns"


def test_zone_is_the_one_named() -> None:
    """Not this machine's."""
    assert zone_of("Asia/Seoul") == SEOUL


def test_zone_of_this_machine_knows_summer_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`system` follows the link that timedatectl sets; a fixed offset would be wrong half a year."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setattr(times, "_LOCAL_TIME", link)
    zone = zone_of("system")
    assert told(utc_ns(2026, 7, 1), zone).endswith("+02:00")
    assert told(utc_ns(2026, 12, 1), zone).endswith("+01:00")


@pytest.mark.parametrize("target", [None, "zoneinfo/No/Where", "zoneinfo/", "elsewhere"])
def test_machine_without_a_named_zone_has_an_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    """A container without /etc/localtime, or with one of its own, is told times too."""
    link = tmp_path / "localtime"
    if target is not None:
        link.symlink_to(tmp_path / target)
    monkeypatch.setattr(times, "_LOCAL_TIME", link)
    assert told(NOW_NS, zone_of("system")).startswith("2026-09-2")


def test_zone_as_browsers_know_it() -> None:
    """By its name; a machine that has none tells its offset."""
    assert zone_name(SEOUL, NOW_NS) == "Asia/Seoul"
    assert zone_name(timezone(timedelta(hours=-3, minutes=-30)), NOW_NS) == "-03:30"
