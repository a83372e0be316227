"""wire.bodies: numbers that whoever takes a body may compute with."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.wireworks import BOOT, EPOCH
from wire.bodies import ByeReason, EndReason, Gap, GapReason, Held, Moment

LONGEST = 2**63 - 1
BOOT_NS = st.integers(-(2**61) + 1, 2**61 - 1)
WALL_NS = st.integers(-(2**62), 2**62)


def taken(body: msgspec.Struct) -> object:
    """The body as a peer takes it: checked."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=type(body))


@given(BOOT_NS, WALL_NS, BOOT_NS)
def test_no_time_that_can_be_said_leaves_64_bits(boot_ns: int, wall_ns: int, time_ns: int) -> None:
    """Whatever a device says of its clocks and times, the UTC of them can be stored."""
    clock = Moment(BOOT, boot_ns, wall_ns)
    assert taken(Held(EPOCH, 1, clock, time_ns))
    assert taken(Gap(EPOCH, 1, 1, "x", None, time_ns, time_ns))
    assert abs(time_ns + wall_ns - boot_ns) <= LONGEST
    assert abs(wall_ns - boot_ns) <= LONGEST


@pytest.mark.parametrize(
    "clock",
    [
        Moment(BOOT, 2**61, 0),
        Moment(BOOT, -(2**61), 0),
        Moment(BOOT, 0, 2**62 + 1),
        Moment(BOOT, 0, -(2**62) - 1),
        Moment(BOOT[:-1], 0, 0),
    ],
)
def test_clock_beyond_the_bounds_is_refused(clock: Moment) -> None:
    """Sums of such numbers could not be stored."""
    with pytest.raises(msgspec.ValidationError):
        taken(clock)


@pytest.mark.parametrize("reasons", [ByeReason, GapReason, EndReason])
def test_reasons_fit_their_fields(reasons: type) -> None:
    """A word for each, no longer than a name may be, and spelled like its constant."""
    words = {name: word for name, word in vars(reasons).items() if name.isupper()}
    assert words == {word.upper(): word for word in words.values()}
    assert all(len(word) <= 64 for word in words.values())
