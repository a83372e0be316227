"""Layouts: where in the body of a batch each column lies. Pure.

Batches of one device are much alike: the same sensors, read as often. Such bodies differ in their
times, values and qualities alone, at the same places, so that only one of them has to be decoded.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wire import blocks
from wire.errors import BatchError

Bodies = npt.NDArray[np.uint8]

# The header of a batch, as wire.batches has it.
HEADER = np.dtype(
    [
        ("version", "u1"),
        ("flags", "u1"),
        ("readings", "<u2"),
        ("size_bytes", "<u4"),
        ("epoch", "V16"),
        ("seq", "<u8"),
        ("before", "<u8"),
        ("boot_id", "V16"),
        ("boot_ns", "<i8"),
        ("wall_ns", "<i8"),
        ("first_ns", "<i8"),
        ("last_ns", "<i8"),
    ]
)


class Column(NamedTuple):
    """Where a channel's values lie, and its qualities; None: all are good."""

    channel: str
    unit: str
    values_at: int
    qualities_at: int | None


class Block(NamedTuple):
    """Where the times of a sensor's reads lie, and what it read."""

    sensor: str
    reads: int
    times_at: int
    columns: tuple[Column, ...]

    @property
    def channels(self) -> tuple[tuple[str, str], ...]:
        """The names and units of its columns."""
        return tuple([(column.channel, column.unit) for column in self.columns])


class Layout(NamedTuple):
    """The layout of a body; `fixed`: the places of all bytes that are no times, values or qualities."""

    blocks: tuple[Block, ...]
    readings: int
    fixed: npt.NDArray[np.intp]


class _Column(msgspec.Struct, array_like=True, frozen=True, gc=False):
    channel: str
    unit: str
    values: memoryview
    qualities: memoryview | None


class _Block(msgspec.Struct, array_like=True, frozen=True, gc=False):
    sensor: str
    times: memoryview
    columns: list[_Column]


_decoder = msgspec.msgpack.Decoder(list[_Block])


def layout_of(body: bytes) -> Layout:
    """Return the layout of a body.

    Raises:
        BatchError: it is none.
    """
    readings = blocks.count(blocks.decode(body))  # which checks all that there is to check
    if not readings:
        raise BatchError("a body without a reading")
    begin = _address(body)
    is_fixed = np.ones(len(body), bool)

    def place(view: memoryview) -> int:
        at = _address(view) - begin
        is_fixed[at : at + len(view)] = False
        return at

    found = []
    for block in _decoder.decode(body):
        columns = [
            Column(
                its.channel,
                its.unit,
                place(its.values),
                None if its.qualities is None else place(its.qualities),
            )
            for its in block.columns
        ]
        found.append(Block(block.sensor, len(block.times) // 8, place(block.times), tuple(columns)))
    return Layout(tuple(found), readings, np.flatnonzero(is_fixed))


def headers_of(several: Sequence[bytes]) -> npt.NDArray[np.void]:
    """Return the headers of sealed batches."""
    return np.frombuffer(b"".join([sealed[: HEADER.itemsize] for sealed in several]), HEADER)


def matrix_of(bodies: Sequence[bytes]) -> Bodies:
    """Return bodies of one length as the rows of a matrix."""
    return np.frombuffer(b"".join(bodies), np.uint8).reshape(len(bodies), -1)


def are_laid_out(bodies: Bodies, layout: Layout, like: int) -> npt.NDArray[np.bool_]:
    """Return which bodies have the layout of the one in row `like`."""
    fixed = bodies[:, layout.fixed]
    alike: npt.NDArray[np.bool_] = (fixed == fixed[like]).all(axis=1)
    return alike


def numbers_at(bodies: Bodies, at: int, count: int, dtype: str) -> npt.NDArray[Any]:
    """Return `count` packed numbers of each body, from a place on, as a row each."""
    width = count * np.dtype(dtype).itemsize
    return bodies[:, at : at + width].copy().view(dtype)  # a copy lies where numbers may lie


def _address(data: bytes | memoryview) -> int:
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address
