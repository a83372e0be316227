"""The I2C buses: who answers, whose that is, and what to paste into device.yaml for the rest."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from device.doctor import known
from device.doctor.finding import Finding, bad, good, warning
from device.doctor.needs import KernelName, Needs
from device.doctor.place import Place
from device.doctor.scan import ADDRESSES, Scan, scan

_SUBJECT = "i2c"
_WIRING = (
    "check the wiring: 3V3, GND, SDA to pin 3 (GPIO 2), SCL to pin 5 (GPIO 3); then i2cdetect -y {}"
)
_STUCK = "take the sensors off one by one: one of them, or a cable, holds SDA or SCL low"


class Owner(NamedTuple):
    """What the kernel has at an address: its name of the chip, and the driver that took it."""

    name: str
    driver: str


class Bus(NamedTuple):
    """A bus as it was found, by address.

    `orphans` are names of chips that an overlay names, and no driver took.
    """

    scan: Scan
    owners: Mapping[int, Owner]
    orphans: Mapping[int, str]


def look(place: Place, numbers: Sequence[int]) -> list[Bus]:
    """Scan some buses."""
    return [Bus(scan(place, number), *_taken(place, number)) for number in numbers]


def judge(buses: Sequence[Bus], needs: Needs) -> list[Finding]:
    """Say who is there, and who is not."""
    return [finding for bus in buses for finding in (*_judge_bus(bus, needs), *_judge_orphans(bus))]


def _judge_bus(bus: Bus, needs: Needs) -> Iterator[Finding]:
    number, found = bus.scan.bus, bus.scan
    if found.failure:
        mend = f"sudo telegauge-device doctor\nsudo i2cdetect -y {number}"
        yield warning(_SUBJECT, f"bus {number} could not be asked: {found.failure}", mend)
        yield from (_claimed(bus, address, needs) for address in bus.owners)
    elif found.hangs:
        yield bad(_SUBJECT, f"bus {number} hangs: no transfer comes to an end", _STUCK)
    elif len(found.answering) > len(ADDRESSES) // 2:
        yield bad(_SUBJECT, f"every address of bus {number} answers: SDA is held low", _STUCK)
    else:
        yield from _chips(bus, needs)


def _chips(bus: Bus, needs: Needs) -> Iterator[Finding]:
    number, found = bus.scan.bus, bus.scan
    if not (found.answering or found.claimed):
        yield good(_SUBJECT, f"nobody answers on bus {number}")
    yield from (_claimed(bus, address, needs) for address in found.claimed)
    for address in found.answering:
        yield _answering(number, address, _users(needs, number, address))
    there = {*found.answering, *found.claimed}
    for chip in needs.chips:
        if chip.bus == number and not there.intersection(chip.addresses):
            where = " or ".join(f"0x{address:02x}" for address in chip.addresses)
            message = f"{chip.who}: nobody answers at {where} of bus {number}"
            yield bad(_SUBJECT, message, _WIRING.format(number))


def _users(needs: Needs, number: int, address: int) -> str:
    """Return the names of the sensors that speak to a chip themselves."""
    return ", ".join(
        chip.who for chip in needs.chips if chip.bus == number and address in chip.addresses
    )


def _claimed(bus: Bus, address: int, needs: Needs) -> Finding:
    """Judge an address that i2cdetect shows as UU."""
    where = f"0x{address:02x} of bus {bus.scan.bus}"
    owner = bus.owners.get(address)
    if owner is None:
        whose = "the kernel's own"
    else:
        whose = f"the kernel driver {owner.driver}'s ({owner.name})"
    if users := _users(needs, bus.scan.bus, address):
        return bad(_SUBJECT, f"{users} cannot use {where}: it is {whose}", _give_way(owner))
    readers = [each.who for each in needs.kernel if owner and _reads(each, owner, address)]
    if readers:
        return good(_SUBJECT, f"{where} is {whose}: {', '.join(readers)}")
    sensor = known.of_kernel(owner.name) if owner else None
    paste = _block([sensor], address) if sensor else ""
    return good(_SUBJECT, f"{where} is {whose}", paste=paste)


def _reads(need: KernelName, owner: Owner, address: int) -> bool:
    return (
        need.kind in ("iio", "hwmon")
        and need.address in (None, address)
        and known.is_named(owner.name, need.name)
    )


def _give_way(owner: Owner | None) -> str:
    sensor = known.of_kernel(owner.name) if owner else None
    remove = "or take its dtoverlay= out of config.txt, and reboot"
    return f"read it by the kernel, with driver: {sensor}\n{remove}" if sensor else remove


def _answering(number: int, address: int, users: str) -> Finding:
    where = f"0x{address:02x} of bus {number}"
    if users:
        return good(_SUBJECT, f"{where} answers: {users}")
    sensors = known.at(address)
    names = [*sensors, *([known.OTHERS[address]] if address in known.OTHERS else [])]
    if not names:
        return good(_SUBJECT, f"{where} answers; what usually does is not known here")
    paste = _block(sensors, address) if sensors else ""
    return good(_SUBJECT, f"{where} answers: usually {' or '.join(names)}", paste=paste)


def _block(sensors: Sequence[str], address: int) -> str:
    first, *others = sensors
    comment = f"   # or {', '.join(others)}" if others else ""
    return f"  {first}:\n    driver: {first}{comment}\n    options: {{address: 0x{address:02x}}}"


def _judge_orphans(bus: Bus) -> Iterator[Finding]:
    number = bus.scan.bus
    for address, name in bus.orphans.items():
        message = (
            f"an overlay names {name} at 0x{address:02x} of bus {number}, and no driver took it"
        )
        mend = f"{_WIRING.format(number)}\nsee why: dmesg | grep {number}-{address:04x}"
        yield warning(_SUBJECT, message, mend)


def _taken(place: Place, number: int) -> tuple[dict[int, Owner], dict[int, str]]:
    """Return what drivers of the kernel have on a bus, and what none has: `1-0076` is an address."""
    owners, orphans = {}, {}
    for device in place.named(f"/sys/bus/i2c/devices/{number}-*"):
        with contextlib.suppress(OSError, ValueError):
            address = int(device.name.partition("-")[2], 16)
            name, driver = (device / "name").read_text().strip(), device / "driver"
            if driver.exists():
                owners[address] = Owner(name, driver.resolve().name)
            else:
                orphans[address] = name
    return owners, orphans
