"""Plain names of sensors: what may stand for `driver:` alone, and the ways to read each, the best first.

Data alone: which way is gone on this machine is for `device.sensors.named` to say. Overlays as in
https://github.com/raspberrypi/linux/blob/rpi-6.12.y/arch/arm/boot/dts/overlays/README, addresses as in
the datasheets, the usual one first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PIN = "pin"
ADDRESS = "address"
# What is meant where nothing is said: the I2C bus of the 40-pin header, on every Pi since 2012, and the
# pin that overlays take.
HEADER_BUS, USUAL_PIN = 1, 4


@dataclass(frozen=True)
class Way:
    """One way to read a sensor: what stands for `driver:`, and the options that it always has.

    `overlay` is the line of config.txt that loads the kernel's driver, `package` what pip is to
    install; a way of neither is always there.
    """

    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    overlay: str = ""
    package: str = ""


@dataclass(frozen=True)
class Alias:
    """A sensor by its plain name.

    `takes` are the options that it may be given, and all ways understand; None: those of its only way.
    `channels`: what it gives, whatever reads it.
    """

    title: str
    ways: tuple[Way, ...]
    channels: tuple[str, ...]
    addresses: tuple[int, ...] = ()
    takes: tuple[str, ...] | None = (ADDRESS,)


def _kernel(name: str, overlay: str = "", **options: Any) -> Way:
    return Way(name, options, overlay=overlay and f"dtoverlay={overlay}")


def _circuitpython(path: str, package: str, **options: Any) -> Way:
    return Way(f"circuitpython:{path}", options, package=f"adafruit-circuitpython-{package}")


_AIR = ("temperature", "pressure", "humidity")
_DHT = ("temperature", "humidity")
_MOTION = tuple(f"{what}_{axis}" for what in ("acceleration", "angular_velocity") for axis in "xyz")
_POWER = {"voltage": "voltage", "current": "current", "power": "power"}
# The chip guesses it from other gases, whatever its drivers call it.
_AIR_QUALITY = {"eco2": "co2", "tvoc": "tvoc"}
_INPUTS = tuple(f"voltage_{number}" for number in range(4))
# Without it a driver measures to 2.048 V, and gives that for whatever is above; with it to 4.096 V.
_FOUR_VOLTS = ",".join(f"ch{letter}_enable" for letter in "abcd")


def _dht(title: str, path: str) -> Alias:
    return Alias(
        title,
        (_kernel("iio:dht11*", "dht11,gpiopin=PIN"), _circuitpython(path, "dht")),
        _DHT,
        takes=(PIN,),
    )


def _converter(title: str, kernel: str, path: str) -> Alias:
    wrapped = {name: f"adafruit_ads1x15.analog_in.AnalogIn({n})" for n, name in enumerate(_INPUTS)}
    return Alias(
        title,
        (
            _kernel(f"iio:{kernel}", f"{kernel},{_FOUR_VOLTS}"),
            _circuitpython(path, "ads1x15", wrap=wrapped),
        ),
        _INPUTS,
        (0x48, 0x49, 0x4A, 0x4B),
    )


ALIASES = {
    "ads1015": _converter("ADS1015, four voltages", "ads1015", "adafruit_ads1x15.ads1015.ADS1015"),
    "ads1115": _converter("ADS1115, four voltages", "ads1115", "adafruit_ads1x15.ads1115.ADS1115"),
    "aht20": Alias(
        "AHT10, AHT20, air",
        (
            _kernel("hwmon:aht[12]0", "i2c-sensor,aht10"),
            _circuitpython("adafruit_ahtx0.AHTx0", "ahtx0"),
        ),
        _DHT,
        (0x38,),
    ),
    "bh1750": Alias(
        "BH1750, light",
        (
            _kernel("iio:bh1750", "i2c-sensor,bh1750"),
            _circuitpython("adafruit_bh1750.BH1750", "bh1750"),
        ),
        ("illuminance",),
        (0x23, 0x5C),
    ),
    "bme280": Alias(
        "BME280, air",
        (
            _kernel("iio:bme280", "i2c-sensor,bme280"),
            _circuitpython("adafruit_bme280.basic.Adafruit_BME280_I2C", "bme280"),
        ),
        _AIR,
        (0x76, 0x77),
    ),
    "bme680": Alias(
        "BME680, BME688, air and gas",
        (
            _kernel("iio:bme680", "i2c-sensor,bme680"),
            _circuitpython("adafruit_bme680.Adafruit_BME680_I2C", "bme680"),
        ),
        (*_AIR, "resistance"),
        (0x76, 0x77),
    ),
    "bmp280": Alias(
        "BMP280, air pressure",
        (
            _kernel("iio:bmp280", "i2c-sensor,bmp280"),
            _circuitpython("adafruit_bmp280.Adafruit_BMP280_I2C", "bmp280"),
        ),
        ("temperature", "pressure"),
        (0x76, 0x77),
    ),
    "ccs811": Alias(
        "CCS811, air quality",
        (
            _kernel("iio:ccs811", "i2c-sensor,ccs811", read=_AIR_QUALITY),
            _circuitpython("adafruit_ccs811.CCS811", "ccs811", read=["eco2", "tvoc"]),
        ),
        ("eco2", "tvoc"),
        (0x5A, 0x5B),
    ),
    "dht11": _dht("DHT11, air", "adafruit_dht.DHT11"),
    "dht22": _dht("DHT22, AM2302, air", "adafruit_dht.DHT22"),
    "ds18b20": Alias(
        "DS18B20, temperature; all probes of the bus",
        (_kernel("w1:*", "w1-gpio"),),
        ("p_28_...",),
        takes=None,
    ),
    "hc-sr04": Alias(
        "HC-SR04, distance",
        (Way("gpiozero:DistanceSensor"),),
        ("distance",),
        takes=None,
    ),
    "htu21d": Alias(
        "HTU21D, Si7021, air",
        (
            _kernel("iio:htu21", "i2c-sensor,htu21"),
            _circuitpython("adafruit_htu21d.HTU21D", "htu21d"),
        ),
        _DHT,
        (0x40,),
    ),
    "ina219": Alias(
        "INA219, current and power",
        (
            _kernel("hwmon:ina219", read=_POWER | {"voltage": "voltage_1"}),
            _circuitpython(
                "adafruit_ina219.INA219",
                "ina219",
                read=_POWER | {"voltage": "bus_voltage"},
            ),
        ),
        tuple(_POWER),
        (0x40, 0x41, 0x44, 0x45),
    ),
    "lm75": Alias(
        "LM75, temperature",
        (
            _kernel("hwmon:lm75", "i2c-sensor,lm75"),
            _circuitpython("adafruit_pct2075.PCT2075", "pct2075"),
        ),
        ("temperature",),
        (0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F),
    ),
    "mcp3008": Alias(
        "MCP3008, one of eight voltages",
        (Way("gpiozero:MCP3008"),),
        ("voltage",),
        takes=None,
    ),
    "mcp9808": Alias(
        "MCP9808, temperature",
        (
            _kernel("hwmon:jc42", "i2c-sensor,jc42"),
            _circuitpython("adafruit_mcp9808.MCP9808", "mcp9808"),
        ),
        ("temperature",),
        (0x18, 0x19, 0x1A, 0x1B),
    ),
    "mpu6050": Alias(
        "MPU6050, motion",
        (
            _kernel("iio:mpu6050", "i2c-sensor,mpu6050"),
            _circuitpython("adafruit_mpu6050.MPU6050", "mpu6050"),
        ),
        (*_MOTION, "temperature"),
        (0x68, 0x69),
    ),
    "pir": Alias(
        "PIR, motion",
        (Way("gpiozero:MotionSensor"),),
        ("motion",),
        takes=None,
    ),
    "scd30": Alias(
        "SCD30, CO2 and air",
        (
            _kernel("iio:scd30"),
            _circuitpython("adafruit_scd30.SCD30", "scd30"),
        ),
        ("co2", *_DHT),
        (0x61,),
    ),
    "scd41": Alias(
        "SCD40, SCD41, CO2 and air",
        (
            _kernel("iio:scd4*", "i2c-sensor,scd4x"),
            _circuitpython("adafruit_scd4x.SCD4X", "scd4x", setup=["start_periodic_measurement"]),
        ),
        ("co2", *_DHT),
        (0x62,),
    ),
    "sgp30": Alias(
        "SGP30, air quality",
        (
            _kernel("iio:sgp30", "i2c-sensor,sgp30", read=_AIR_QUALITY),
            _circuitpython("adafruit_sgp30.Adafruit_SGP30", "sgp30", read=["eCO2", "TVOC"]),
        ),
        ("eco2", "tvoc"),
        (0x58,),
    ),
    "sht31": Alias(
        "SHT30, SHT31, SHT35, air",
        (
            _kernel("hwmon:sht3x", "i2c-sensor,sht3x"),
            _circuitpython("adafruit_sht31d.SHT31D", "sht31d"),
        ),
        _DHT,
        (0x44, 0x45),
    ),
    "sht40": Alias(
        "SHT40, SHT41, SHT45, air",
        (
            _kernel("hwmon:sht4x", "i2c-sensor,sht4x"),
            _circuitpython("adafruit_sht4x.SHT4x", "sht4x"),
        ),
        _DHT,
        (0x44, 0x45),
    ),
    "si7021": Alias(
        "Si7021, air",
        (
            _kernel("iio:si7020", "i2c-sensor,si7020"),
            _circuitpython("adafruit_si7021.SI7021", "si7021"),
        ),
        _DHT,
        (0x40,),
    ),
    "tmp102": Alias(
        "TMP102, temperature",
        (
            _kernel("hwmon:tmp102", "i2c-sensor,tmp102"),
            _circuitpython("adafruit_tmp102.TMP102", "tmp102"),
        ),
        ("temperature",),
        (0x48, 0x49, 0x4A, 0x4B),
    ),
    "tsl2591": Alias(
        "TSL2591, light",
        (_circuitpython("adafruit_tsl2591.TSL2591", "tsl2591", read=["lux"]),),
        ("illuminance",),
        (0x29,),
    ),
    "veml7700": Alias(
        "VEML7700, light",
        (_circuitpython("adafruit_veml7700.VEML7700", "veml7700", read=["lux"]),),
        ("illuminance",),
        (0x10,),
    ),
}
