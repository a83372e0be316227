"""collector.status_line: what a person reads in `systemctl status`."""

from typing import Any

import pytest

from collector.status_line import status_line

STORE_BYTES = 1_288_490_189


def said(*connected: str, known: tuple[str, ...] = ("a", "b", "c", "d"), **more: Any) -> str:
    """The line of a collector that some devices are connected to."""
    return status_line(connected, known, STORE_BYTES, "0.0.0.0:8888", **more)


def test_line() -> None:
    """Who is here of whom there is, what the store takes, where it listens."""
    assert said("a", "b", "c") == "3 of 4 devices connected, store 1.2 GiB, 0.0.0.0:8888"


@pytest.mark.parametrize(
    ("connected", "known", "begin"),
    [
        ((), (), "no device yet, "),
        ((), ("a",), "0 of 1 device connected, "),
        (("new",), (), "1 of 1 device connected, "),
        (("new",), ("a",), "1 of 2 devices connected, "),
    ],
)
def test_devices(connected: tuple[str, ...], known: tuple[str, ...], begin: str) -> None:
    """One that the store does not know yet counts as well."""
    assert said(*connected, known=known).startswith(begin)


def test_troubles_are_named() -> None:
    """What stops everything comes first."""
    line = said("a", is_space_low=True, duplicates={"pi", "air"}, troubles=["x is not in force"])
    assert line.startswith("too little space (store.min_free): nothing is accepted, 1 of 4")
    assert line.endswith(", two devices use the name air, pi, x is not in force")


def test_line_stays_short() -> None:
    """However many names there are, and however long a trouble is."""
    names = {f"{number}{'n' * 60}" for number in range(99)}
    line = said("a", is_space_low=True, duplicates=names, troubles=["file " + "x" * 500])
    assert ", file xxx" in line
    assert len(line) <= 300
