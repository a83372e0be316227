"""collector.store.packings: pcodec and zstd give back what they were given, or a ChunkError."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from collector.store import packings
from collector.store.blobs import ChunkError

TYPES = ["u1", "<u2", "<u4", "<u8"]


@pytest.mark.parametrize("kind", [*TYPES, "<f8"])
@pytest.mark.parametrize("order", [0, 1, 2, None])
def test_pcodec_gives_back(kind: str, order: int | None) -> None:
    """Numbers of each width, with each order of differences, or as it likes."""
    numbers = np.random.default_rng(1).integers(0, 200, 500).astype(kind)
    data = packings.by_pcodec(numbers, order)
    assert packings.from_pcodec(data, 500, numbers.dtype).tolist() == numbers.tolist()
    for count in (1, 499, 501):
        with pytest.raises(ChunkError):
            packings.from_pcodec(data, count, numbers.dtype)


@pytest.mark.parametrize("kind", TYPES)
def test_zstd_gives_back(kind: str) -> None:
    """And refuses to unpack to another size: a bomb takes no memory."""
    numbers = np.resize(np.arange(7), 100_000).astype(kind)
    data = packings.by_zstd(numbers)
    assert packings.from_zstd(data, 100_000, numbers.dtype).tolist() == numbers.tolist()
    for count in (1, 99_999, 100_001):
        with pytest.raises(ChunkError):
            packings.from_zstd(data, count, numbers.dtype)


def test_bytes_of_another_size_are_no_numbers() -> None:
    """What is not packed has its size."""
    with pytest.raises(ChunkError, match="2 entries take 4 bytes, not 3"):
        packings.from_plain(b"abc", 2, np.dtype("<u2"))


def test_threads_pack_side_by_side() -> None:
    """Each with contexts of its own."""

    def packed_and_back(seed: int) -> bool:
        numbers = np.random.default_rng(seed).integers(0, 200, 20_000).astype("u1")
        by_zstd = packings.from_zstd(packings.by_zstd(numbers), 20_000, numbers.dtype)
        by_pcodec = packings.from_pcodec(packings.by_pcodec(numbers), 20_000, numbers.dtype)
        return bool((by_zstd == numbers).all() and (by_pcodec == numbers).all())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(packed_and_back, range(40)))
