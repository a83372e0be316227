"""Quantities: how a channel is named, its one unit, and the digits that carry information.

Drivers differ in names and units; a channel of ours is the same whatever reads it, so that a chip may
be read by the kernel today and by CircuitPython tomorrow and stays one series. What a driver gives is
converted in its adapter.

Words of `quantity` are Home Assistant's device classes where one fits
(https://developers.home-assistant.io/docs/core/entity/sensor/).
"""

from device.sensors import Channel

# By the name of the channel. Decimals: a digit more than what the good sensors of that kind resolve.
_QUANTITIES = {
    "temperature": ("degC", "temperature", 3),
    "humidity": ("%", "humidity", 2),
    "pressure": ("hPa", "pressure", 3),
    "altitude": ("m", "distance", 2),
    "illuminance": ("lx", "illuminance", 2),
    "light": ("", "", 0),
    "uv_index": ("", "", 2),
    "color_temperature": ("K", "temperature", 0),
    "proximity": ("", "", 0),
    "distance": ("m", "distance", 4),
    "voltage": ("V", "voltage", 6),
    "shunt_voltage": ("V", "voltage", 6),
    "bus_voltage": ("V", "voltage", 4),
    "current": ("A", "current", 6),
    "power": ("W", "power", 6),
    "energy": ("Wh", "energy", 4),
    "resistance": ("Ohm", "", 1),
    "capacitance": ("F", "", 15),
    "frequency": ("Hz", "frequency", 3),
    "speed": ("rpm", "", 0),
    "co2": ("ppm", "carbon_dioxide", 1),
    "eco2": ("ppm", "carbon_dioxide", 0),
    "tvoc": ("ppb", "volatile_organic_compounds_parts", 0),
    "gas": ("Ohm", "", 0),
    "oxygen": ("%", "", 2),
    "pm1": ("ug/m3", "pm1", 1),
    "pm25": ("ug/m3", "pm25", 1),
    "pm4": ("ug/m3", "", 1),
    "pm10": ("ug/m3", "pm10", 1),
    "acceleration": ("m/s2", "", 5),
    "angular_velocity": ("rad/s", "", 6),
    "magnetic_field": ("uT", "", 3),
    "orientation": ("deg", "", 2),
    "weight": ("g", "weight", 2),
    "sound_level": ("", "", 0),
    "moisture": ("", "moisture", 3),
    "battery": ("%", "battery", 2),
    "count": ("", "", 0),
    "value": ("", "", None),
}


def channel(name: str, quantity: str | None = None) -> Channel:
    """Return the channel `name` of a quantity, by default that of its own name.

    `temperature_2` or `probe_a` may be channels of the quantity `temperature`.

    Raises:
        KeyError: no such quantity.
    """
    unit, word, decimals = _QUANTITIES[quantity or name]
    return Channel(name, unit, word, decimals)


def is_known(quantity: str) -> bool:
    """Say whether a quantity has a place in the table."""
    return quantity in _QUANTITIES
