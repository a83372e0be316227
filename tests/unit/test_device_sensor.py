"""device.sensor: what a read becomes, and what is said about a fault."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from device.clock import boottime_ns
from device.reader import Outcome
from device.sensor import Sensor, describe_all
from device.sensors import Channel, Sample, SensorError
from device.settings import ChannelSettings, SensorSettings
from kit.adapters import VALUE, Hang, ScriptedAdapter, counted, sensor_of
from kit.waiting import WITHIN_S
from wire.blocks import Point
from wire.bodies import ChannelDescription, SensorDescription
from wire.readings import Quality

WEATHER = [
    Channel("temperature", "degC", "temperature", 2),
    Channel("humidity", "%", "humidity", 1),
    Channel("pressure", "hPa"),
]


def weather(number: int) -> list[Sample]:
    """A sample of each channel."""
    return [Sample(each.name, float(number), each.unit) for each in WEATHER]


def outcome_of(quality: Quality, samples: Sequence[Sample] = ()) -> Outcome:
    """What came of a read."""
    return Outcome(boottime_ns(), 0.001, samples, quality, "why")


def read(sensor: Sensor, times: int = 1) -> list[Outcome]:
    """Read in a loop of its own, then end the thread."""

    async def scenario() -> list[Outcome]:
        async with asyncio.timeout(WITHIN_S):
            return [await sensor.read(hurry=True) for _ in range(times)]

    try:
        return asyncio.run(scenario())
    finally:
        sensor.reader.stop()
        assert sensor.reader.join(WITHIN_S)


def fails_at(*numbers: int) -> ScriptedAdapter:
    """An adapter whose reads of these numbers fail."""

    def gives(number: int) -> list[Sample]:
        if number in numbers:
            raise SensorError("bus error")
        return counted(number)

    return ScriptedAdapter(gives)


def test_good_read_is_a_point_a_sample() -> None:
    """In the adapter's order, with its units."""
    sensor = sensor_of(ScriptedAdapter(weather, WEATHER))
    (outcome,) = read(sensor)
    assert sensor.points(outcome, 0) == [
        Point("temperature", "degC", 1.0, Quality.GOOD),
        Point("humidity", "%", 1.0, Quality.GOOD),
        Point("pressure", "hPa", 1.0, Quality.GOOD),
    ]


@pytest.mark.parametrize("quality", [Quality.READ_FAILED, Quality.TIMED_OUT, Quality.NOT_OPEN])
def test_failed_read_is_a_bad_point_a_channel(quality: Quality) -> None:
    """A failure is data: each channel says that it has no value, and why."""
    sensor = sensor_of(ScriptedAdapter(weather, WEATHER))
    points = sensor.points(outcome_of(quality), 0)
    assert [(point.channel, point.unit) for point in points] == [
        (channel.name, channel.unit) for channel in WEATHER
    ]
    assert all(math.isnan(point.value) and point.quality is quality for point in points)


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_what_is_no_number_is_no_value(value: float) -> None:
    """NaN and infinities become NO_VALUE; every real number passes unchanged."""
    outcome = outcome_of(Quality.GOOD, [Sample("value", value, "degC")])
    (point,) = sensor_of(ScriptedAdapter()).points(outcome, 0)
    if math.isfinite(value):
        assert point == ("value", "degC", value, Quality.GOOD)
    else:
        assert math.isnan(point.value)
        assert point.quality is Quality.NO_VALUE


def test_only_the_channels_of_the_yaml_are_kept() -> None:
    """Good, bad and described alike."""
    chosen = {"humidity": ChannelSettings(), "pressure": ChannelSettings(label="Sea level")}
    sensor = sensor_of(ScriptedAdapter(weather, WEATHER), channels=chosen)
    (outcome,) = read(sensor)
    names = ["humidity", "pressure"]
    assert [channel.name for channel in sensor.channels] == names
    assert [point.channel for point in sensor.points(outcome, 0)] == names
    failed = sensor.points(outcome_of(Quality.TIMED_OUT), 0)
    assert [point.channel for point in failed] == names
    assert [channel.name for channel in sensor.description().channels] == names


def faults(entries: list[Any]) -> list[tuple[str, Any]]:
    """Event, and what makes it one of its kind."""
    return [(each["event"], each.get("reason", each.get("failed_reads"))) for each in entries]


def test_fault_is_logged_once_and_so_is_its_end() -> None:
    """Never a line a read: five failures are one line, and one of recovery with the count."""
    sensor = sensor_of(fails_at(2, 3, 4, 5, 6, 8))
    with capture_logs() as entries:
        read(sensor, 9)
    assert faults(entries) == [
        ("sensor_failed", "read_failed"),
        ("sensor_recovered", 5),
        ("sensor_failed", "read_failed"),
        ("sensor_recovered", 1),
    ]
    assert entries[0] == {
        "event": "sensor_failed",
        "log_level": "warning",
        "sensor": "air",
        "reason": "read_failed",
        "detail": "bus error",
    }
    assert (sensor.reads, sensor.failures) == (9, 6)
    assert sensor.last is not None
    assert sensor.last.samples == counted(9)


def test_fault_that_changes_is_logged_again() -> None:
    """First it cannot be opened, then it cannot be read: two faults, one recovery."""
    adapter = fails_at(1, 2)
    adapter.failing_opens = 2
    with capture_logs() as entries:
        read(sensor_of(adapter), 5)
    assert faults(entries) == [
        ("sensor_failed", "not_open"),
        ("sensor_failed", "read_failed"),
        ("sensor_recovered", 4),
    ]


@pytest.mark.parametrize("failures_before", [0, 2])
def test_channels_that_do_not_exist_are_named(failures_before: int) -> None:
    """A mistake in the YAML is said once, as soon as the sensor knows its channels."""
    chosen = {"value": ChannelSettings(), "vlaue": ChannelSettings()}
    adapter = fails_at(*range(1, failures_before + 1))
    with capture_logs() as entries:
        read(sensor_of(adapter, channels=chosen), 5)
    (warning,) = [each for each in entries if each["event"] == "channels_unknown"]
    assert (warning["unknown"], warning["known"]) == (["vlaue"], ["value"])


def test_who_asks_during_a_read_gets_that_read() -> None:
    """`telegauge-device read` and the schedule share one read of the hardware."""
    hang = Hang()
    sensor = sensor_of(ScriptedAdapter(hang))

    async def scenario() -> None:
        was_reading = [sensor.is_reading]
        first, second = sensor.read(), sensor.read()
        was_reading.append(sensor.is_reading)
        hang.release()
        async with asyncio.timeout(WITHIN_S):
            assert await first is await second
        assert [*was_reading, sensor.is_reading] == [False, True, False]

    asyncio.run(scenario())
    sensor.reader.stop()
    assert sensor.reader.join(WITHIN_S)
    assert sensor.reads == 1


def test_description_says_what_is_fixed() -> None:
    """Names, units, decimals and labels, as the collector lists them."""
    channels = {"value": ChannelSettings(label="At the door")}
    sensor = sensor_of(ScriptedAdapter(), interval_s=2.5, label="Greenhouse", channels=channels)
    channel = ChannelDescription("value", "degC", "temperature", 1, "At the door")
    expected = SensorDescription("air", "scripted", 2.5, [channel], label="Greenhouse")
    assert describe_all([sensor]) == [expected]


def test_channels_may_come_with_the_first_open() -> None:
    """An adapter that must look at its hardware first is described again afterwards."""
    adapter = ScriptedAdapter(channels=())
    sensor = sensor_of(adapter)
    assert sensor.description().channels == []
    assert sensor.points(outcome_of(Quality.NOT_OPEN), 0) == []
    adapter.channels = (VALUE,)
    assert [channel.name for channel in sensor.description().channels] == ["value"]


def test_channel_that_does_not_exist_is_bad_not_silent() -> None:
    """What the YAML asks for and the sensor cannot give is described, and bad in every read."""
    chosen = {"temperature": ChannelSettings(), "temprature": ChannelSettings(label="Air")}
    adapter = ScriptedAdapter(weather, WEATHER)
    sensor = sensor_of(adapter, channels=chosen)
    good, absent = sensor.points(read(sensor)[0], 0)
    assert (good.channel, good.value, good.quality) == ("temperature", 1.0, Quality.GOOD)
    assert (absent.channel, absent.unit, absent.quality) == ("temprature", "", Quality.NO_VALUE)
    assert math.isnan(absent.value)
    assert [each.name for each in sensor.description().channels] == list(chosen)


def test_other_settings_with_the_same_adapter() -> None:
    """Label, channels and timeout are taken, counts and the open adapter stay; a misspelling is said."""
    adapter = ScriptedAdapter(weather, WEATHER)
    sensor = sensor_of(adapter)
    chosen = {"humidity": ChannelSettings(), "humdity": ChannelSettings()}
    with capture_logs() as entries:
        read(sensor)
        sensor.change(SensorSettings(driver="scripted", label="Air", channels=chosen), 3.0)
        sensor.change(SensorSettings(driver="scripted", label="Cellar", channels=chosen), 3.0)
    assert (sensor.timeout_s, sensor.reads, adapter.names[:2]) == (3.0, 1, ["open", "read"])
    assert sensor.description().label == "Cellar"
    assert [channel.name for channel in sensor.channels] == ["humidity", "humdity"]
    (warning,) = entries
    assert (warning["event"], warning["unknown"]) == ("channels_unknown", ["humdity"])


def test_timeout_is_no_shorter_than_a_read_takes() -> None:
    """An adapter that knows how long its bus takes is waited for so long."""
    hang = Hang()
    adapter = ScriptedAdapter(hang)
    adapter.takes_s = 0.3
    sensor = sensor_of(adapter, timeout_s=0.01)

    async def scenario() -> Outcome:
        return await sensor.read()

    outcome = asyncio.run(scenario())
    assert outcome.message == "no answer within 0.3 s"
    hang.release()
    sensor.reader.stop()
    assert sensor.reader.join(WITHIN_S)
