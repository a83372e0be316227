"""One examination: every subject is looked at in turn, and judged."""

from collections.abc import Iterator, Sequence

from device.doctor import (
    board,
    buses,
    clock,
    disk,
    gpio,
    groups,
    i2c,
    keys,
    modules,
    overlays,
    ports,
    power,
    reach,
    unit,
)
from device.doctor.finding import Finding
from device.doctor.naming import named
from device.doctor.needs import Needs, needs_of
from device.doctor.patient import Patient
from device.doctor.place import Place
from device.sensors.aliases import HEADER_BUS


def examine(place: Place, patient: Patient) -> Iterator[Finding]:
    """Look at everything, and say at once what was found."""
    machine = board.look(place)
    yield from board.judge(machine)
    kernel = overlays.look(place, machine)
    naming = named(patient.drivers, kernel, machine)
    needs = needs_of(naming.drivers)
    yield from naming.findings
    yield from modules.judge(modules.look(needs), needs, naming.unread)
    yield from overlays.judge(kernel, machine, needs)
    yield from _hardware(place, machine, needs, patient.buses)
    serial = ports.look(place, needs)
    yield from ports.judge(serial, machine, needs)
    account, service = groups.look(place), unit.look(place)
    yield from groups.judge(account, machine, needs, service.groups if service else frozenset())
    yield from unit.judge(service, needs, serial.targets, account.present)
    yield from clock.judge(clock.look(place), machine)
    yield from power.judge(power.look(place), machine)
    yield from disk.judge(disk.look(place, patient.state), patient.spool_bytes)
    files = (patient.state, patient.trusted, patient.tokens)
    yield from keys.judge(keys.look(place, *files, account.user, account.uid))
    if patient.contact is not None:
        yield from reach.judge(patient.contact, reach.look(patient.contact))


def _hardware(
    place: Place, machine: board.Board, needs: Needs, more: Sequence[int]
) -> Iterator[Finding]:
    if machine.is_pi or needs.pins:
        yield from gpio.judge(gpio.look(place), machine, needs)
    there = buses.look(place)
    yield from buses.judge(there, machine, needs)
    wanted = {*needs.i2c, *more, *([HEADER_BUS] if machine.is_pi else [])}
    yield from i2c.judge(i2c.look(place, sorted(wanted & {*there.i2c})), needs)
