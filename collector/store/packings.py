"""Packings: arrays of numbers to bytes by pcodec or zstd, and back. Pure; for several threads.

From pcodec there is its wrapped format: header, chunk head, one page; from zstd a frame without
magic number, size and checksum. Neither tells how many numbers it holds, nor their type.
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec
from pcodec.wrapped import FileCompressor, FileDecompressor

from collector.store.blobs import MOST_ENTRIES, ChunkError

Numbers = npt.NDArray[Any]

# More takes no fewer bytes of what sensors give.
_PCODEC_LEVEL = 6
_ZSTD_LEVEL = 1
_ZSTD_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS
_LARGEST_WINDOW = 2**27
_TYPES = {"u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64", "f8": "f64"}


def _config(mode: ModeSpec, delta: DeltaSpec) -> ChunkConfig:
    return ChunkConfig(
        compression_level=_PCODEC_LEVEL,
        mode_spec=mode,
        delta_spec=delta,
        paging_spec=PagingSpec.equal_pages_up_to(MOST_ENTRIES),
        enable_8_bit=True,
    )


_OF_ORDER = [
    _config(ModeSpec.classic(), DeltaSpec.no_op()),
    _config(ModeSpec.classic(), DeltaSpec.try_consecutive(1)),
    _config(ModeSpec.classic(), DeltaSpec.try_consecutive(2)),
]
_BY_ITSELF = _config(ModeSpec.auto(), DeltaSpec.auto())


class _Contexts(threading.local):
    """What zstd works with in one thread: none of it may be used by two at once."""

    def __init__(self) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _ZSTD_LEVEL, format=_ZSTD_FORMAT, write_content_size=0, write_checksum=0
        )
        self.compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self.decompressor = zstandard.ZstdDecompressor(
            format=_ZSTD_FORMAT, max_window_size=_LARGEST_WINDOW
        )


_contexts = _Contexts()


def by_pcodec(numbers: Numbers, order: int | None = 0) -> bytes:
    """Pack numbers as their differences of an order; None: as pcodec itself thinks best."""
    compressor = FileCompressor()
    config = _BY_ITSELF if order is None else _OF_ORDER[order]
    chunk = compressor.chunk_compressor(numbers, config)
    return bytes(compressor.write_header() + chunk.write_meta() + chunk.write_page(0))


def from_pcodec(data: bytes, count: int, dtype: np.dtype[Any]) -> Numbers:
    """Return the `count` numbers that all of `data` holds."""
    found = np.empty(count, dtype)
    try:
        file, used = FileDecompressor.new(data)
        chunk, read = file.chunk_decompressor(data[used:], _TYPES[dtype.str[1:]])
        used += read
        progress, read = chunk.read_page_into(data[used:], count, found)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ChunkError(f"pcodec cannot unpack a column: {error}") from error
    if progress.n_processed != count or used + read != len(data):
        raise ChunkError("pcodec unpacks another number of entries than there should be")
    return found


def by_zstd(numbers: Numbers) -> bytes:
    """Pack the bytes of numbers."""
    return _contexts.compressor.compress(numbers.data)


def from_zstd(data: bytes, count: int, dtype: np.dtype[Any]) -> Numbers:
    """Return the `count` numbers that all of `data` holds."""
    size = count * dtype.itemsize
    try:
        frame = zstandard.get_frame_parameters(data, format=_ZSTD_FORMAT)
        if frame.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, size):
            raise ChunkError(f"a frame is said to unpack to {frame.content_size} bytes, not {size}")
        unpacked = _contexts.decompressor.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ChunkError(f"zstd cannot unpack a column: {error}") from error
    return from_plain(unpacked, count, dtype)


def from_plain(data: bytes, count: int, dtype: np.dtype[Any]) -> Numbers:
    """Return the `count` numbers that bytes are, read-only."""
    if len(data) != count * dtype.itemsize:
        raise ChunkError(f"{count} entries take {count * dtype.itemsize} bytes, not {len(data)}")
    return np.frombuffer(data, dtype)
