"""Inputs that a stranger may send: random bytes, and valid ones that were changed in every way.

The same seed gives the same inputs.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence

from kit.samples import BOMBS, Parts

MAX_INPUT_BYTES = 64 * 1024
_RANDOM = 0.1  # so many inputs are bytes without sense
_WIDTHS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_MOST = 2**64 - 1
_NUMBERS = (0, 1, 2, 127, 128, 255, 1000, 1001, 1024, 1025, 2**16 - 1, 2**16, 2**18, 2**18 + 1)
_LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, _MOST)


def inputs(streams: Sequence[Parts], spare: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Give inputs without end.

    Args:
        streams: valid inputs, each in the parts that it is made of.
        spare: further parts, valid or not, to put in between.
    """
    chance = random.Random(seed)
    while True:
        yield _input(chance, streams, spare)[:MAX_INPUT_BYTES]


def _input(chance: random.Random, streams: Sequence[Parts], spare: Sequence[bytes]) -> bytes:
    if chance.random() < _RANDOM:
        return chance.randbytes(chance.choice((0, 1, 5, 16, 100, 1000, 3000)))
    parts = list(chance.choice(streams))
    pool = (*spare, *chance.choice(streams))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        chance.choice(_PART_CHANGES)(chance, parts, pool)
    data = bytearray(b"".join(parts))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        chance.choice(_BYTE_CHANGES)(chance, data)
    return bytes(data)


def _leave_out(chance: random.Random, parts: list[bytes], _: Sequence[bytes]) -> None:
    if parts:
        del parts[chance.randrange(len(parts))]


def _repeat(chance: random.Random, parts: list[bytes], _: Sequence[bytes]) -> None:
    if parts:
        place = chance.randrange(len(parts))
        parts[place:place] = [parts[place]] * chance.choice((1, 1, 2, 30))


def _exchange(chance: random.Random, parts: list[bytes], _: Sequence[bytes]) -> None:
    if parts:
        one, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        parts[one], parts[other] = parts[other], parts[one]


def _put_between(chance: random.Random, parts: list[bytes], pool: Sequence[bytes]) -> None:
    parts.insert(chance.randint(0, len(parts)), chance.choice(pool))


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randint(0, len(data)) :]


def _cut_out(chance: random.Random, data: bytearray) -> None:
    start = chance.randint(0, len(data))
    del data[start : start + chance.choice((1, 2, 4, 40))]


def _put_in(chance: random.Random, data: bytearray) -> None:
    place = chance.randint(0, len(data))
    data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 40)))


def _lie(chance: random.Random, data: bytearray) -> None:
    """Write a number over whatever stands there, a length as likely as not."""
    width = struct.Struct(chance.choice(_WIDTHS))
    number = chance.choice((*_NUMBERS, *_LARGE)) & _MOST >> 64 - 8 * width.size
    place = chance.choice((0, chance.randint(0, len(data))))
    data[place : place + width.size] = width.pack(number)


def _bomb(chance: random.Random, data: bytearray) -> None:
    place = chance.randint(0, len(data))
    data[place : place + chance.choice((0, 1, 9))] = chance.choice(BOMBS)


_PART_CHANGES: tuple[Callable[[random.Random, list[bytes], Sequence[bytes]], None], ...] = (
    _leave_out, _repeat, _exchange, _put_between, _put_between,
)  # fmt: skip
_BYTE_CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _cut, _cut_out, _put_in, _lie, _bomb,
)  # fmt: skip
