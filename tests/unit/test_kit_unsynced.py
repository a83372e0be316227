"""kit.unsynced: what a power cut leaves of a file."""

import random

from hypothesis import given
from hypothesis import strategies as st

from kit.unsynced import SECTOR_BYTES, Change, Unsynced

WRITE = st.tuples(st.just("write"), st.integers(0, 3000), st.binary(min_size=1, max_size=1500))
TRUNCATE = st.tuples(st.just("truncate"), st.integers(0, 4000), st.just(b""))
STEPS = st.lists(st.one_of(WRITE, TRUNCATE), max_size=8)


def applied(durable: bytes, change: Change) -> bytes:
    """The durable copy behind a change."""
    copy = bytearray(durable)
    if change.cut_to is not None:
        del copy[change.cut_to :]
    for offset, data in change.writes:
        copy.extend(bytes(max(0, offset - len(copy))))
        copy[offset : offset + len(data)] = data
    copy.extend(bytes(max(0, change.size - len(copy))))
    return bytes(copy[: change.size])


def play(file: Unsynced, steps: list[tuple[str, int, bytes]]) -> None:
    """Write and truncate."""
    for what, number, data in steps:
        if what == "write":
            file.write(data, number)
        else:
            file.truncate(number)


def sectors(data: bytes) -> list[bytes]:
    """Cut into whole sectors."""
    data += bytes(-len(data) % SECTOR_BYTES)
    return [data[at : at + SECTOR_BYTES] for at in range(0, len(data), SECTOR_BYTES)]


@given(durable=st.binary(max_size=3000), first=STEPS, second=STEPS)
def test_a_sync_makes_all_of_it_durable(
    durable: bytes, first: list[tuple[str, int, bytes]], second: list[tuple[str, int, bytes]]
) -> None:
    """Byte for byte, each time, and nothing is unsynced behind it."""
    file = Unsynced(durable)
    for steps in (first, second):
        play(file, steps)
        durable = applied(durable, file.sync())
        assert durable == bytes(file.content)
        assert file.unsynced_bytes == 0


@given(steps=STEPS)
def test_it_is_a_file(steps: list[tuple[str, int, bytes]]) -> None:
    """What programs read is what they wrote; holes are zeros."""
    file, expected = Unsynced(b"old" * 500), bytearray(b"old" * 500)
    play(file, steps)
    for what, number, data in steps:
        end = number + len(data)
        expected.extend(bytes(max(0, end - len(expected))))
        if what == "write":
            expected[number:end] = data
        else:
            del expected[number:]
    assert file.content == expected


@given(
    size=st.integers(0, 4000), data=st.binary(min_size=1, max_size=4000), seed=st.integers(0, 99)
)
def test_torn_sectors_are_old_or_new(size: int, data: bytes, seed: int) -> None:
    """A sector is never half of each, and no size is smaller than what was synced."""
    old = bytes(size)
    file = Unsynced(old)
    file.write(data, 0)
    torn = applied(old, file.torn(random.Random(seed)))
    assert size <= len(torn) <= max(size, len(data))
    new = bytes(file.content)
    for number, sector in enumerate(sectors(torn)):
        kept = sectors(new)[number][: len(torn) - number * SECTOR_BYTES]
        assert sector.rstrip(b"\0") in (b"", kept.rstrip(b"\0"))


def test_torn_covers_everything_from_nothing_to_all() -> None:
    """Over many seeds."""
    results = set()
    for seed in range(300):
        file = Unsynced(b"")
        file.write(b"x" * 3 * SECTOR_BYTES, 0)
        results.add(applied(b"", file.torn(random.Random(seed))))
    assert {b"", b"x" * 3 * SECTOR_BYTES} < results
    assert any(sectors(result)[0] == bytes(SECTOR_BYTES) for result in results if result)
    assert {len(result) for result in results} == {0, 512, 1024, 1536}
