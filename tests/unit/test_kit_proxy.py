"""kit.proxy: cuts in the middle of the frame it is told to, however the bytes come."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from kit.faultproxy import Act, Way
from kit.proxy import FrameFault


def frame(size: int) -> bytes:
    """A frame with a body of so many bytes."""
    return struct.pack("<IB", size, 8) + bytes(size)


def passed(fault: FrameFault, said: list[tuple[Way, bytes]]) -> dict[Way, int]:
    """How many bytes go through in each direction before the fault."""
    locate, through = fault.locator(), dict.fromkeys(Way, 0)
    for way, data in said:
        place = locate(way, data)
        through[way] += len(data) if place is None else place
        if place is not None:
            break
    return through


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    steps=st.lists(st.integers(1, 30), max_size=40),
    data=st.data(),
)
def test_cut_in_the_middle(sizes: list[int], steps: list[int], data: st.DataObject) -> None:
    """Behind all frames before it, and half of it, but not before all of its head is known."""
    wanted = data.draw(st.integers(1, len(sizes)))
    stream, parts = b"".join(map(frame, sizes)), []
    for step in [*steps, 10_000]:
        parts.append((Way.UP, stream[:step]))
        stream = stream[step:]
    before = sum(size + 5 for size in sizes[: wanted - 1])
    through = passed(FrameFault(Act.RESET, frame=wanted), [part for part in parts if part[1]])
    half = (sizes[wanted - 1] + 5) // 2
    assert before + half <= through[Way.UP] <= before + max(half, 5)
    assert through[Way.UP] < before + sizes[wanted - 1] + 5 or not sizes[wanted - 1]


def test_both_directions_count_together() -> None:
    """In the order in which the heads pass."""
    said = [(Way.UP, frame(10)), (Way.DOWN, frame(10)), (Way.UP, frame(10) + frame(20))]
    assert passed(FrameFault(Act.RESET, frame=3), said) == {Way.UP: 15 + 7, Way.DOWN: 15}
    assert passed(FrameFault(Act.RESET, frame=2), said) == {Way.UP: 15, Way.DOWN: 7}


def test_never() -> None:
    """Frame 0: everything goes through."""
    said = [(Way.UP, frame(10))] * 5
    assert passed(FrameFault(Act.RESET), said) == {Way.UP: 75, Way.DOWN: 0}
