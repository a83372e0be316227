"""Plain names of sensors: what reads each of them on this machine, or how something can."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from device.doctor import known, overlays
from device.doctor.board import Board
from device.doctor.finding import Finding, bad, good
from device.doctor.modules import install
from device.doctor.needs import kernel_name
from device.doctor.overlays import Kernel
from device.sensors.aliases import ALIASES, Alias, Way
from device.sensors.libraries import is_installed

_SUBJECT = "sensors"
Driver = tuple[str, str, Mapping[str, Any]]


class Naming(NamedTuple):
    """`drivers`: all that is configured, each plain name by the adapter that reads it, or should.

    `unread`: names of the sensors that nothing reads yet.
    """

    drivers: Sequence[Driver]
    findings: Sequence[Finding]
    unread: frozenset[str] = frozenset()


def named(
    drivers: Sequence[Driver],
    kernel: Kernel,
    board: Board,
    is_there: Callable[[str], bool] = is_installed,
) -> Naming:
    """Find for each plain name what reads it: the kernel where it can, else a library that is there."""
    found: list[Finding] = []
    read_by: list[Driver] = []
    unread: set[str] = set()
    for who, driver, options in drivers:
        alias = ALIASES.get(driver)
        if alias is None or alias.takes is None:
            read_by.append((who, driver if alias is None else alias.ways[0].driver, options))
            continue
        way = next(
            (way for way in alias.ways if _is_open(way, who, options, kernel, is_there)), None
        )
        if way is None:
            message = f"{who}: nothing reads a {driver} on this machine yet"
            found.append(
                bad(_SUBJECT, message, "\n".join(_hows(alias, who, options, kernel, board)))
            )
            unread.add(who)
            # Whatever will read it finds the chip on the same bus.
            way = next((way for way in alias.ways if not known.is_kernels(way.driver)), None)
        else:
            found.append(good(_SUBJECT, f"{who}: a {driver} is read by {way.driver}"))
        if way is not None:
            read_by.append((who, way.driver, options))
    return Naming(read_by, found, frozenset(unread))


def _is_open(
    way: Way,
    who: str,
    options: Mapping[str, Any],
    kernel: Kernel,
    is_there: Callable[[str], bool],
) -> bool:
    if known.is_kernels(way.driver):
        return bool(kernel.has(kernel_name(who, way.driver, options)))
    return is_there(_module(way))


def _hows(
    alias: Alias, who: str, options: Mapping[str, Any], kernel: Kernel, board: Board
) -> Iterator[str]:
    """Say how each way would be opened."""
    for way in alias.ways:
        if not known.is_kernels(way.driver):
            yield f"by CircuitPython:\n{install(way.package)}"
        elif how := overlays.mend(kernel_name(who, way.driver, options), kernel, board):
            yield f"by the kernel:\n{how}\nor"


def _module(way: Way) -> str:
    return known.argument_of(way.driver).partition(".")[0]
