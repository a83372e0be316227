"""Columns to put into chunks and rollups: what no sensor gives, what every sensor gives, and damage."""

from collections.abc import Callable
from zlib import crc32

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEAST, MOST = -(2**63), 2**63 - 1
SECOND_NS = 10**9
# A full minute, hour and day.
DAY_NS = 20_000 * 86_400 * SECOND_NS

_ANY = st.integers(LEAST, MOST)
_ODD = st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, 2**62, MOST - 1, MOST])


def _walk(start: int, steps: list[int], factor: int) -> list[int]:
    return [start + factor * int(each) for each in np.cumsum(steps)]


def _nearly_alike(number: int, others: dict[int, int], count: int) -> list[int]:
    return [others.get(place, number) for place in range(count)]


_SOME_INTEGERS = st.one_of(
    st.lists(_ANY, min_size=1, max_size=60),
    st.lists(_ODD, min_size=1, max_size=60),
    st.builds(
        _walk,
        st.integers(-(2**50), 2**50),
        st.lists(st.integers(-3, 3), min_size=1, max_size=400),
        st.sampled_from([1, 10, 625, 10**6]),
    ),
    st.builds(
        _nearly_alike,
        _ANY,
        st.dictionaries(st.integers(0, 200), _ANY, max_size=9),
        st.integers(1, 200),
    ),
)
integers = _SOME_INTEGERS.map(lambda numbers: np.array(numbers, np.int64))
times = _SOME_INTEGERS.map(lambda numbers: np.array(sorted(numbers), np.int64))


def _decimal(numbers: list[int], exponent: int, others: dict[int, int]) -> Floats:
    values = np.array(numbers) / 10.0**exponent
    for place, bits in others.items():
        values.view(np.int64)[place % len(values)] = bits
    return values


_BITS = st.one_of(
    _ANY,
    st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, 0.1, 21.4]).map(
        lambda value: int(np.float64(value).view(np.int64))
    ),
)
decimals = st.builds(
    _decimal,
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=300),
    st.integers(0, 9),
    st.dictionaries(st.integers(0, 299), _BITS, max_size=6),
)
floats = st.one_of(decimals, integers.map(lambda numbers: numbers.view(np.float64)))


def bits(values: npt.NDArray[np.generic]) -> list[int]:
    """What numbers are to the bit, so that NaN equals itself and 0.0 does not equal -0.0."""
    return values.view(f"i{values.itemsize}").tolist()


def _flipped(place: int) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        where = place % (8 * len(data))
        return (
            data[: where // 8]
            + bytes((data[where // 8] ^ 1 << where % 8,))
            + data[where // 8 + 1 :]
        )

    return flip


def _cut(place: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: place % len(data)]


def _longer(more: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data + more


damages = st.one_of(
    st.integers(0, 10**6).map(_flipped),
    st.integers(0, 10**6).map(_cut),
    st.binary(min_size=1, max_size=9).map(_longer),
)


def resealed(blob: bytes, entries: int) -> bytes:
    """The blob with a checksum that fits, as whoever wants to do harm would make it."""
    body = blob[:-4]
    return body + crc32(body, entries).to_bytes(4, "little")


def grid(count: int, jitter_ms: int = 0) -> Integers:
    """Times of one reading a second, off by up to so many milliseconds."""
    found = DAY_NS + np.arange(count, dtype=np.int64) * SECOND_NS
    if jitter_ms:
        off = np.random.default_rng(1).integers(-jitter_ms, jitter_ms + 1, count)
        found += off * 10**6
    return found


def typical(count: int) -> dict[str, Floats]:
    """What sensors of ten kinds give once a second."""
    some = np.random.default_rng(1)

    def walk(step: float, noise: float) -> Floats:
        return np.cumsum(some.normal(0, step, count)) + some.normal(0, noise, count)

    return {
        "temperature": np.round(21 + walk(0.02, 0.03), 1),
        "humidity": np.round(45 + walk(0.05, 0.05), 1),
        "pressure": np.round(1013 + walk(0.005, 0.02), 2),
        "voltage": np.round(5 + some.normal(0, 0.002, count), 3),
        "lux": np.round(300 + 50 * np.sin(np.arange(count) / 600) + some.normal(0, 1, count)),
        "counter": np.cumsum(some.poisson(0.3, count)).astype(np.float64),
        "cpu": np.round(8 + some.gamma(1, 2, count) * (some.random(count) < 0.25), 1),
        "ppm": np.round(600 + walk(0.5, 0)),
        "state": np.cumsum(some.random(count) < 0.002) % 2.0,
        "noise": np.round(20 + some.normal(0, 0.5, count), 2),
    }
