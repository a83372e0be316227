"""device.sensors.circuitpython: real drivers of Adafruit's on a bus of simulated chips."""

import importlib
import sys
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from device.sensors import Adapter, SensorError, buses, circuitpython, make, problems
from device.sensors.aliases import ALIASES
from device.sensors.buses import BUSES, I2c
from kit import chips
from kit.chips import Bus

pytest.importorskip("adafruit_bus_device", reason="the drivers are not installed here")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """A bus with six chips, where the kernel's would be."""
    # Off a Pi, Blinka otherwise does not know the board.
    monkeypatch.setenv("BLINKA_OS_AGNOSTIC", "1")
    made = Bus(
        {
            0x23: chips.Bh1750(),
            0x40: chips.ina219(),
            0x44: chips.sht31(),
            0x48: chips.Ads1115({}),
            0x62: chips.scd41(),
            0x77: chips.bme280(),
        }
    )
    monkeypatch.setattr(buses, "i2c", lambda number: I2c(made))
    yield made
    assert BUSES._open == {}, "the last who leaves closes it"


def opened(driver: str, **options: object) -> Adapter:
    """An open adapter."""
    adapter = make(driver, options)
    try:
        adapter.open()
    except BaseException:
        adapter.close()
        raise
    return adapter


def read(driver: str, **options: object) -> dict[str, tuple[float, str]]:
    """Value and unit by channel."""
    adapter = opened(driver, **options)
    try:
        assert [each.channel for each in adapter.read()] == [each.name for each in adapter.channels]
        return {each.channel: (each.value, each.unit) for each in adapter.read()}
    finally:
        adapter.close()


BME280 = "circuitpython:adafruit_bme280.basic.Adafruit_BME280_I2C"
SHT31 = "circuitpython:adafruit_sht31d.SHT31D"


def test_properties_are_found_with_their_units(bus: Bus) -> None:
    """The datasheet's example; `humidity` once, though the class has it twice, and no derived altitude."""
    found = read(BME280)
    assert list(found) == ["temperature", "pressure", "humidity"]
    assert found["temperature"] == (pytest.approx(25.08, abs=0.01), "degC")
    assert found["pressure"] == (pytest.approx(1006.53, abs=0.01), "hPa")
    assert found["humidity"][1] == "%"
    assert 0 <= found["humidity"][0] <= 100


def test_names_are_ours(bus: Bus) -> None:
    """What CircuitPython calls relative_humidity is what the kernel's driver gives as humidity here."""
    assert read(SHT31) == {
        "temperature": (pytest.approx(21.5, abs=0.01), "degC"),
        "humidity": (pytest.approx(45, abs=0.01), "%"),
    }
    assert read("circuitpython:adafruit_bh1750.BH1750") == {"illuminance": (510.0, "lx")}


def test_units_are_ours_and_the_address_has_another_name(bus: Bus) -> None:
    """Its class calls it addr; the current is in mA there."""
    found = read(
        "circuitpython:adafruit_ina219.INA219",
        address=0x40,
        read={"voltage_1": "bus_voltage", "current": "current", "power": "power"},
    )
    assert found == {
        "voltage_1": (5.012, "V"),
        "current": (0.312, "A"),
        "power": (pytest.approx(1.564), "W"),
    }


def test_setup_is_called_once(bus: Bus) -> None:
    """Such as what starts the measurement of an SCD41."""
    found = read("circuitpython:adafruit_scd4x.SCD4X", setup=["start_periodic_measurement"])
    assert found["co2"] == (612.0, "ppm")
    assert found["temperature"] == (pytest.approx(24, abs=0.01), "degC")
    chip = bus.chips[0x62]
    assert isinstance(chip, chips.Sensirion)
    assert chip.commands.count(0x21B1) == 1


def test_channels_of_a_converter_are_wrapped(bus: Bus) -> None:
    """Each input by a class of its own, in volts."""
    wrapped = {f"in_{n}": f"adafruit_ads1x15.analog_in.AnalogIn({n})" for n in (0, 1, 3)}
    found = read("circuitpython:adafruit_ads1x15.ads1115.ADS1115", wrap=wrapped)
    assert found == {
        "in_0": (pytest.approx(1000 * 4.096 / 32768, abs=1e-6), "V"),
        "in_1": (pytest.approx(8000 * 4.096 / 32768, abs=1e-6), "V"),
        "in_3": (pytest.approx(26400 * 4.096 / 32768, abs=1e-6), "V"),
    }


def test_property_that_nobody_knows_has_no_unit(bus: Bus) -> None:
    """It is read for its shape once; one that is not there is named with those that are."""
    assert read(BME280, read=["altitude"])["altitude"][1] == ""
    with pytest.raises(SensorError, match=r"`read`: .*dew_point.*; it has .*humidity"):
        opened(BME280, read=["dew_point"])


def test_sensors_of_a_bus_share_it(bus: Bus) -> None:
    """One object and one lane; the last one closes it."""
    first, second = opened(BME280), opened(SHT31)
    assert first.lane == second.lane == "i2c-1"
    assert make(BME280, {"bus": 3}).lane == "i2c-3"
    assert make("circuitpython:adafruit_dht.DHT22", {"pin": "D4"}).lane == ""
    first.close()
    assert bus.closed == 0
    assert second.read()
    second.close()
    assert bus.closed == 1


def test_close_comes_at_any_time(bus: Bus) -> None:
    """Before open, twice, and open again after it; a closed adapter refuses to read."""
    adapter = make(SHT31, {})
    adapter.close()
    for _ in range(2):
        adapter.open()
        assert len(adapter.read()) == len(adapter.channels) == 2
        adapter.close()
        adapter.close()
        with pytest.raises(SensorError, match="not open"):
            adapter.read()
    assert bus.closed == 2


def test_bus_that_hangs_is_nobodys_any_more(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is opened afterwards gets another object; what hangs keeps the old one and its lock.

    Who was open beside it fails until it is opened again.
    """
    monkeypatch.setattr(buses, "_LOCKED_S", 0.05)
    hangs, released = threading.Event(), threading.Event()
    adapter, neighbour = opened(SHT31), opened(BME280)
    chip = bus.chips[0x44]

    def hang(length: int) -> bytes:
        hangs.set()
        assert released.wait(20)
        raise OSError("released")

    chip.read = hang  # type: ignore[method-assign]

    def read_on() -> None:
        with pytest.raises(OSError, match="released"):
            adapter.read()

    thread = threading.Thread(target=read_on)
    thread.start()
    assert hangs.wait(20)
    adapter.close()
    fresh = opened(BME280)
    assert fresh.read()
    fresh.close()
    with pytest.raises(TimeoutError, match="the bus hangs"):
        neighbour.read()
    neighbour.close()
    neighbour.open()
    assert neighbour.read()
    neighbour.close()
    released.set()
    thread.join()


def test_what_may_pass_is_raised_as_it_is(bus: Bus) -> None:
    """So that the agent tries again."""
    adapter = opened(SHT31)
    bus.failures = 1
    with pytest.raises(OSError, match=r"Remote I/O"):
        adapter.read()
    assert adapter.read()
    adapter.close()


def test_chip_that_does_not_answer(bus: Bus) -> None:
    """The driver's words, and where to look."""
    with pytest.raises(
        SensorError, match=r"No I2C device at address: 0x45. `telegauge-device doctor`"
    ):
        opened(SHT31, address=0x45)


@pytest.mark.parametrize("name", ["ads1115", "bh1750", "bme280", "ina219", "scd41", "sht31"])
def test_plain_names_give_what_they_promise(name: str, bus: Bus, tmp_path: Path) -> None:
    """Under CircuitPython as under the kernel's driver: a series is the same whatever reads it."""
    where = {"address": 0x77} if name == "bme280" else {}
    adapter = opened(name, root=str(tmp_path), **where)
    assert adapter.note.startswith("circuitpython:")
    assert {sample.channel for sample in adapter.read()} >= set(ALIASES[name].channels)
    adapter.close()


def test_chip_that_the_kernel_has(bus: Bus) -> None:
    """What Adafruit's drivers take for nobody at that address; the message says how to read it."""
    bus.claimed = {0x77}
    with pytest.raises(SensorError, match=r"a driver of the kernel has this address.*iio:NAME"):
        opened(BME280)


@pytest.fixture
def dht(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The driver of the DHTs, on a clock and a wire of the test's."""
    monkeypatch.setenv("BLINKA_OS_AGNOSTIC", "1")
    former = set(sys.modules)
    told_of_the_board = {"adafruit_dht", "board", "digitalio", "microcontroller", "pulseio"}
    driver = importlib.import_module("adafruit_dht")
    made = SimpleNamespace(now_s=100.0, pulses=array("H"))
    clock = SimpleNamespace(monotonic=lambda: made.now_s)
    monkeypatch.setattr(driver, "time", clock)
    monkeypatch.setattr(circuitpython, "time", clock)
    monkeypatch.setattr(driver.DHTBase, "_get_pulses_bitbang", lambda _self: made.pulses)
    yield made
    for name in set(sys.modules) - former:
        if name.partition(".")[0] in told_of_the_board:
            del sys.modules[name]


def wire(*sent: int) -> "array[int]":
    """The lengths of what a DHT sends, low and high in turn, with its checksum behind."""
    sent = (*sent, sum(sent) & 0xFF)
    bits = "".join(f"{byte:08b}" for byte in sent)
    return array("H", [length for bit in bits for length in (50, 70 if bit == "1" else 26)])


def test_failed_dht_does_not_give_old_values_as_new(dht: SimpleNamespace) -> None:
    """Its driver does, when it is asked again within 2 s; a retry fails like the read before it."""
    dht.pulses = wire(1, 194, 0, 215)
    adapter = opened("circuitpython:adafruit_dht.DHT22", pin="Dx_OUTPUT", use_pulseio=False)
    assert [(each.channel, each.value) for each in adapter.read()] == [
        ("temperature", 21.5),
        ("humidity", 45.0),
    ]
    dht.now_s, dht.pulses = 110.0, array("H")
    for _ in range(3):
        with pytest.raises(RuntimeError, match="DHT sensor not found"):
            adapter.read()
        dht.now_s += 0.1
    dht.now_s, dht.pulses = 112.5, wire(1, 194, 0, 220)
    assert adapter.read()[0].value == 22.0
    adapter.close()


def test_second_name_of_a_quantity_has_its_unit(bus: Bus) -> None:
    """A BME280 has `humidity` beside `relative_humidity`, and most examples read that."""
    assert read(BME280, read=["humidity"])["humidity"][1] == "%"


def test_library_that_is_missing() -> None:
    """The line that installs it."""
    with pytest.raises(
        SensorError, match=r"sudo pip install --target .* adafruit-circuitpython-sgp40`"
    ):
        opened("circuitpython:adafruit_sgp40.SGP40")


@pytest.mark.parametrize(
    ("driver", "options", "told"),
    [
        ("circuitpython", {}, "write `circuitpython:module.Class`"),
        ("circuitpython:SHT31D", {}, "write `circuitpython:module.Class`"),
        (SHT31, {"addres": 0x44}, "SHT31D has no argument `addres`. Did you mean `address`?"),
        (SHT31.replace("31D", "31X"), {}, "defines no `SHT31X`"),
        (SHT31, {"bus": "uart"}, "`bus` is the number of an I2C bus, or spi, not uart"),
        (SHT31, {"wrap": {"a": "AnalogIn"}}, "write module.Class(NUMBER)"),
        (SHT31, {"read": 5}, "`read` is a list of properties"),
        (SHT31, {"read": {"Luft": "temperature"}}, "`Luft` cannot name a channel"),
        (SHT31, {"wrap": {"in-0": "ads.AnalogIn(0)"}}, "`in-0` cannot name a channel"),
        (SHT31, {"address": "0x44"}, "`address` must be a whole number"),
    ],
)
def test_what_is_wrong_is_told(driver: str, options: dict[str, object], told: str) -> None:
    """Without importing the driver."""
    [problem] = problems(driver, options)
    assert told in problem.message


def test_plain_name_finds_the_address(bus: Bus, tmp_path: Path) -> None:
    """Most boards have a BME280 at 0x76 or 0x77, and nobody knows which until the scan."""
    for address in (0x76, 0x77):
        bus.chips = {address: chips.bme280()}
        adapter = opened("bme280", root=str(tmp_path))
        assert {each.channel for each in adapter.read()} == {"temperature", "pressure", "humidity"}
        adapter.close()
