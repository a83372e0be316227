"""device.sensors.properties: which properties a class has, and their values in our units."""

import math

import pytest

from device.sensors.properties import chosen, known, samples


class Imu:
    """Three axes, a distance in cm, and something of its own."""

    acceleration = property(lambda self: (1.0, 2.0, None))
    distance = property(lambda self: 123.4)
    lux = property(lambda self: None)
    touched = property(lambda self: True)
    quaternion = property(lambda self: (1.0, 0.0, 0.0, 0.0))


def test_known_properties_in_our_units() -> None:
    """Axes fan out, cm become m, and what the driver has not yet is NaN."""
    device = Imu()
    found = [sample for each in chosen(device, None) for sample in samples(device, each)]
    told = {sample.channel: (sample.value, sample.unit) for sample in found}
    assert told["distance"] == (1.234, "m")
    assert told["acceleration_y"] == (2.0, "m/s2")
    assert math.isnan(told["acceleration_z"][0])
    assert math.isnan(told["illuminance"][0])
    assert "touched" not in told


def test_others_are_read_by_name() -> None:
    """A bool is 0 or 1; what has parts has a channel a part."""
    device = Imu()
    found = [
        sample
        for each in chosen(device, ["touched", "quaternion"])
        for sample in samples(device, each)
    ]
    assert [(each.channel, each.value, each.unit) for each in found] == [
        ("touched", 1.0, ""),
        ("quaternion_1", 1.0, ""),
        ("quaternion_2", 0.0, ""),
        ("quaternion_3", 0.0, ""),
        ("quaternion_4", 0.0, ""),
    ]


def test_channel_may_have_a_name_of_ones_own() -> None:
    """A mapping names it; its unit stays."""
    [its] = chosen(Imu(), {"level": "distance"})
    assert [(each.name, each.unit) for each in its.channels] == [("level", "m")]


def test_property_that_is_not_there() -> None:
    """Python's own words."""
    with pytest.raises(AttributeError, match="dew_point"):
        chosen(Imu(), ["dew_point"])


def test_one_name_a_quantity() -> None:
    """Where a class has an old name beside the new one."""

    class Air:
        humidity = property(lambda self: 1)
        relative_humidity = property(lambda self: 2)

    assert list(known(Air)) == ["relative_humidity"]
