"""What the configured sensors and outputs need of the machine, told from the YAML alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from device.doctor import known
from device.sensors.aliases import HEADER_BUS, USUAL_PIN

# gpiozero's classes that read this machine or the network, and no pin.
_WITHOUT_PINS = {"CPUTemperature", "DiskUsage", "LoadAverage", "PingServer", "TimeOfDay"}


class Chip(NamedTuple):
    """A chip that a sensor speaks to itself, over I2C, and where it may be."""

    who: str
    bus: int
    addresses: tuple[int, ...]


class KernelName(NamedTuple):
    """What a sensor reads through a driver of the kernel: `kind` is iio, hwmon or w1.

    `address`, `bus` and `pin` are where it is, as far as that is said.
    """

    who: str
    kind: str
    name: str
    address: int | None = None
    bus: int = HEADER_BUS
    pin: int | str = USUAL_PIN


@dataclass(frozen=True)
class Needs:
    """Who (names of sensors and outputs) needs what; who names nothing needs nothing.

    `i2c` is by bus number, `ports` and `files` (what is run or read) by path,
    `modules` of Python by name.
    """

    pins: tuple[str, ...] = ()
    spi: tuple[str, ...] = ()
    i2c: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chips: tuple[Chip, ...] = ()
    kernel: tuple[KernelName, ...] = ()

    @property
    def any_i2c(self) -> tuple[str, ...]:
        """Who needs an I2C bus, whichever."""
        return tuple(who for of_bus in self.i2c.values() for who in of_bus)

    @property
    def any_port(self) -> tuple[str, ...]:
        """Who needs a serial port, whichever."""
        return tuple(who for of_port in self.ports.values() for who in of_port)


class _Need(NamedTuple):
    what: str  # pins, spi, i2c, ports, files, modules, chip, kernel
    of: Any = None


def needs_of(drivers: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Needs:
    """Return what is needed by these, each as (name, `driver:`, options)."""
    found: dict[str, dict[Any, tuple[str, ...]]] = defaultdict(dict)
    chips, kernel = [], []
    for who, driver, options in drivers:
        for need in _needs(driver, options):
            if need.what == "chip":
                chips.append(Chip(who, *need.of))
            elif need.what == "kernel":
                kernel.append(kernel_name(who, driver, options))
            else:
                of_kind = found[need.what]
                of_kind[need.of] = (*of_kind.get(need.of, ()), who)
    return Needs(
        found["pins"].get(None, ()),
        found["spi"].get(None, ()),
        found["i2c"],
        found["ports"],
        found["files"],
        found["modules"],
        tuple(chips),
        tuple(kernel),
    )


def kernel_name(who: str, driver: str, options: Mapping[str, Any]) -> KernelName:
    """Return what a sensor wants of the kernel, from its driver and options."""
    kind, _, name = driver.partition(":")
    address, bus = options.get("address"), options.get("bus")
    return KernelName(
        who,
        kind,
        name,
        address if isinstance(address, int) else None,
        bus if isinstance(bus, int) else HEADER_BUS,
        options.get("pin", USUAL_PIN),
    )


def _needs(driver: str, options: Mapping[str, Any]) -> Iterator[_Need]:
    adapter, _, argument = driver.partition(":")
    match adapter:
        case "gpiozero" if argument not in _WITHOUT_PINS:
            yield _Need("pins")
            if argument.startswith("MCP3"):
                yield _Need("spi")
        case "pulses":
            yield _Need("pins")
        case "serial":
            yield _Need("ports", argument)
        case "exec" if options.get("command"):
            yield from (_Need("files", word) for word in options["command"] if str(word)[:1] == "/")
        case "replay":
            yield _Need("files", argument)
        case "iio" | "hwmon" | "w1":
            yield _Need("kernel")
        case "circuitpython":
            yield from _of_circuitpython(argument, options)


def _of_circuitpython(path: str, options: Mapping[str, Any]) -> Iterator[_Need]:
    yield _Need("modules", path.partition(".")[0])
    if {"pin", "cs"} & options.keys():
        yield _Need("pins")
    bus = options.get("bus")
    if bus is None and "pin" in options:
        return
    if bus == "spi":
        yield _Need("spi")
        return
    number = bus if isinstance(bus, int) else HEADER_BUS
    yield _Need("i2c", number)
    address = options.get("address", options.get("addr"))
    addresses = (address,) if isinstance(address, int) else known.of_class(path)
    if addresses:
        yield _Need("chip", (number, addresses))
