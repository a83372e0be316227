"""device.status_line: what a person reads in `systemctl status`."""

import pytest

from device.link_ends import NOT_JOINED
from device.status_line import LinkStanding, SpoolStanding, status_line

UP = LinkStanding(True, 3 * 3600)
EMPTY = SpoolStanding(0)
REFUSED = LinkStanding(False, 300, "no_connection", "Connection refused")


@pytest.mark.parametrize(
    ("sensors", "failing", "link", "spool", "line"),
    [
        (12, [], UP, EMPTY, "12 sensors, link up 3 h, 0 spooled"),
        (1, [], LinkStanding(False, 0), EMPTY, "1 sensor, link not up yet, 0 spooled"),
        (
            12,
            ["air", "door"],
            REFUSED,
            SpoolStanding(1204),
            "12 sensors (air, door failing), link down 5 min: connection refused, 1204 spooled",
        ),
        (
            5,
            ["a", "b", "c", "d", "e"],
            UP,
            EMPTY,
            "5 sensors (a, b, c and 2 more failing), link up 3 h, 0 spooled",
        ),
        (
            2,
            [],
            LinkStanding(False, 60, NOT_JOINED, "hub is another machine, and ..."),
            EMPTY,
            "2 sensors, not joined: sudo telegauge-device join TOKEN, 0 spooled",
        ),
        (
            2,
            [],
            LinkStanding(False, 60, "silence"),
            SpoolStanding(7, True, "I/O error"),
            "2 sensors, link down 60 s: silence, 7 spooled, spool full: no sensor is read, "
            "card fails: I/O error",
        ),
    ],
)
def test_line(
    sensors: int, failing: list[str], link: LinkStanding, spool: SpoolStanding, line: str
) -> None:
    """How many sensors, the link, the spool; trouble in its place, in words."""
    assert status_line(sensors, failing, link, spool) == line


def test_other_troubles_stand_at_the_end() -> None:
    """Such as what a reload has left."""
    line = status_line(1, [], UP, EMPTY, ["a restart is needed for spool.policy"])
    assert line.endswith(", 0 spooled, a restart is needed for spool.policy")


def test_line_stays_short() -> None:
    """Whatever names, a peer or a file have to say, each trouble is at least begun."""
    link = LinkStanding(False, 1e9, "x", "x" * 500)
    line = status_line(99, ["n" * 63] * 99, link, SpoolStanding(10**9), ["file " + "x" * 500])
    assert ", file xxx" in line
    assert len(line) <= 300
