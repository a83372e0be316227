"""device.sensors.buses: one object a bus, and who may have it."""

from device.sensors.buses import Buses, I2c
from kit.chips import Bus, bme280


def test_bus_has_one_lock() -> None:
    """As drivers expect it; giving back what nobody has is no fault."""
    bus = I2c(Bus({0x77: bme280()}))
    assert bus.try_lock()
    assert not bus.try_lock()
    bus.unlock()
    bus.unlock()
    assert bus.try_lock()
    assert bus.scan() == [0x77]


def test_bus_is_opened_once_and_closed_by_the_last() -> None:
    """However often it is taken; then it is opened anew."""
    buses, made = Buses(), []

    def opened() -> I2c:
        made.append(Bus({}))
        return I2c(made[-1])

    first, second = buses.take("i2c-1", opened), buses.take("i2c-1", opened)
    assert first is second
    buses.give_back("i2c-1", first)
    assert (len(made), made[0].closed) == (1, 0)
    buses.give_back("i2c-1", second)
    assert made[0].closed == 1
    assert buses.take("i2c-1", opened) is not first


def test_bus_that_hangs_is_left_to_itself() -> None:
    """Its other users go on with it; who comes next gets another, and only that is closed."""
    buses, made = Buses(), []

    def opened() -> I2c:
        made.append(Bus({}))
        return I2c(made[-1])

    hung = buses.take("i2c-1", opened)
    buses.take("i2c-1", opened)
    buses.give_back("i2c-1", hung, hangs=True)
    fresh = buses.take("i2c-1", opened)
    assert fresh is not hung
    buses.give_back("i2c-1", hung)
    buses.give_back("i2c-1", fresh)
    assert [each.closed for each in made] == [0, 1]
