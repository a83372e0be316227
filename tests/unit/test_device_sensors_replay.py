"""Replaying: pace, end, loop and errors, over a real file."""

import math

import pytest

from device.sensors import SensorError, make, problems
from kit.listening import Ear, held
from kit.programs import ROOT, boottime_ns
from kit.waiting import wait_until
from wire.readings import Quality

AIR = ROOT / "tests/recordings/air.csv"
MS_NS = 10**6


@pytest.fixture
def replay(tmp_path):
    """Makes an open adapter of a text or file, with an ear; closed ones leave nothing behind."""
    before, made = held(), []

    def replay(source, **options):
        if isinstance(source, str):
            file = tmp_path / "file.csv"
            file.write_text(source)
            source = file
        adapter = make(f"replay:{source}", options)
        adapter.ear = Ear()
        adapter.listen(adapter.ear)
        made.append(adapter)
        adapter.open()
        return adapter

    yield replay
    for adapter in made:
        adapter.close()
    assert held() == before


def test_what_was_recorded_happens_again(replay):
    """At its own offsets, faster if that is asked for; units and what was not good as they were."""
    before_ns = boottime_ns()
    adapter = replay(AIR, speed=100)
    wait_until(adapter.read)
    assert before_ns < adapter.ear.times_ns[0]
    assert [time_ns - adapter.ear.times_ns[0] for time_ns in adapter.ear.times_ns] == [
        0,
        100 * MS_NS,
        200 * MS_NS,
    ]
    first, second, third = (samples for _, samples in adapter.ear.events)
    assert first == [("humidity", 40.5, "%", 0), ("temperature", 21.5, "degC", 0)]
    assert (second[0].quality, second[1].quality) == (Quality.TIMED_OUT, Quality.POWER_ON_VALUE)
    assert math.isnan(second[0].value)
    assert third[1].value == 21.75
    assert [(each.name, each.unit) for each in adapter.channels] == [
        ("humidity", "%"),
        ("temperature", "degC"),
    ]


def test_nothing_comes_before_it_is_due(replay):
    """Half an hour is waited for, and close does not wait for it."""
    adapter = replay("time,a\n0,1\n1800,2\n")
    wait_until(lambda: adapter.ear.events)
    assert adapter.read() == []
    adapter.close()
    assert adapter.ear.values == [{"a": 1}]


def test_behind_its_end_it_is_stale(replay):
    """All channels, at each read; opened again it begins again."""
    adapter = replay("time,a,b\n0,1,2\n")
    wait_until(adapter.read)
    for _ in range(2):
        assert [(each.channel, each.quality) for each in adapter.read()] == [
            ("a", Quality.STALE),
            ("b", Quality.STALE),
        ]
    adapter.close()
    with pytest.raises(SensorError, match="not open"):
        adapter.read()
    adapter.open()
    wait_until(lambda: len(adapter.ear.events) == 2)


def test_a_loop_goes_on_in_step(replay):
    """The first comes as long after the last as the last after the one before."""
    adapter = replay("time,a\n0,1\n1,2\n3,3\n", speed=100, loop=True)
    wait_until(lambda: len(adapter.ear.events) >= 7)
    assert [each["a"] for each in adapter.ear.values[:7]] == [1, 2, 3, 1, 2, 3, 1]
    since_ms = [(time_ns - adapter.ear.times_ns[0]) // MS_NS for time_ns in adapter.ear.times_ns]
    assert since_ms[:7] == [0, 10, 30, 50, 60, 80, 100]
    assert adapter.read() == []


def test_a_loop_of_one_row_does_not_spin(replay):
    """It comes each second."""
    adapter = replay("time,a\n0,1\n", speed=100, loop=True)
    wait_until(lambda: len(adapter.ear.events) >= 3)
    first, second, third = adapter.ear.times_ns[:3]
    assert (second - first, third - second) == (10 * MS_NS, 10 * MS_NS)


def test_nobody_need_listen():
    """It may be opened and read alone."""
    adapter = make(f"replay:{AIR}", {"speed": 10_000})
    adapter.open()
    wait_until(adapter.read)
    adapter.close()


def test_an_error_in_the_file_is_the_reads(replay):
    """What came before it was given; each read says it."""
    adapter = replay("time,a\n0,1\n1,x\n", speed=100)
    wait_until(lambda: adapter._play.failure)
    assert adapter.ear.values == [{"a": 1}]
    for _ in range(2):
        with pytest.raises(SensorError, match=r"file\.csv, line 3, column `a`: `x` is no number"):
            adapter.read()


def test_a_file_without_rows_is_an_error(replay):
    """Of the sensor that was asked for, too."""
    for source, options in (("time,a\n", {}), (AIR, {"sensor": "soil"})):
        adapter = replay(source, loop=True, **options)
        wait_until(lambda adapter=adapter: adapter._play.failure)
        with pytest.raises(SensorError, match="has no rows"):
            adapter.read()


def test_a_missing_file_fails_to_open(tmp_path):
    """With its path; and close may follow."""
    before = held()
    adapter = make(f"replay:{tmp_path}/none.csv", {})
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        adapter.open()
    adapter.close()
    assert held() == before


@pytest.mark.parametrize(
    ("driver", "options", "at_fault"),
    [
        ("replay", {}, None),
        ("replay:", {}, None),
        ("replay:/a\nb", {}, None),
        ("replay:/a", {"speed": 0}, "speed"),
        ("replay:/a", {"speed": 100_000}, "speed"),
        ("replay:/a", {"loop": 1}, "loop"),
        ("replay:/a", {"sensor": ""}, "sensor"),
        ("replay:/a", {"from": "now"}, "from"),
    ],
)
def test_wrong_options_are_found(driver, options, at_fault):
    """With the option at fault; the file need not be there yet."""
    assert [problem.option for problem in problems(driver, options)] == [at_fault]
