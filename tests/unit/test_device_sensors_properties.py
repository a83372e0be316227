"""device.sensors.properties: which properties a class has, and their values in our units."""

import math
from typing import Any

import pytest

from device.sensors.properties import chosen, known, repeats_s, samples


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


class Register:
    """A register of a chip, as adafruit_register has them: only an object has it."""

    def __get__(self, device: Any, _owner: type) -> float:
        return float(device.raw)


def test_registers_are_found_and_methods_are_not() -> None:
    """A method may do anything: it is called where it is named, and not else."""

    class Light:
        raw = 7
        light = Register()

        def proximity(self) -> int:
            return 3

    device = Light()
    assert list(known(Light)) == ["light"]
    [its] = chosen(device, None)
    assert samples(device, its)[0].value == 7.0
    [its] = chosen(device, ["proximity"])
    assert samples(device, its)[0] == ("proximity", 3.0, "", 0)


def test_what_inherits_keeps_to_the_units_of_its_base() -> None:
    """As the classes for I2C and SPI of one chip do."""

    class LSM9DS1:
        gyro = property(lambda self: (1.0, 2.0, 3.0))
        magnetic = property(lambda self: (0.5, 0.0, -0.25))

    class Lsm9ds1OverI2c(LSM9DS1):
        pass

    device = Lsm9ds1OverI2c()
    found = {
        one.channel: (one.value, one.unit)
        for each in chosen(device, None)
        for one in samples(device, each)
    }
    assert found["magnetic_field_x"] == (50.0, "uT")
    assert found["angular_velocity_z"] == (3.0, "rad/s")


def test_infinite_value_is_none() -> None:
    """As some drivers tell that there is too much of it."""

    class Glare:
        lux = property(lambda self: math.inf)

    [its] = chosen(Glare(), None)
    assert math.isnan(samples(Glare(), its)[0].value)


def test_who_repeats_old_values() -> None:
    """Whatever the class is called that inherits it; most do not."""

    class DHTBase:
        pass

    class Dht22(DHTBase):
        pass

    assert (repeats_s(Dht22()), repeats_s(Imu())) == (2.0, 0.0)
