"""What a session asks of the store beyond the bodies of its frames, and what it is told."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wire.bodies import Held


class Holding(NamedTuple):
    """Every epoch that a device still holds, the present one first; all its HOLD frames together.

    `lost` says why others are no longer there, where the device knows that it lost some.
    """

    epochs: Sequence[Held]
    lost: str | None = None


class Rejected(NamedTuple):
    """A batch that the file refuses, for people: why."""

    epoch: bytes
    seq: int
    detail: str


class Revoked:
    """The answer to whatever was asked for a device that was revoked: nothing of it was done."""


class Stored(NamedTuple):
    """What came of batches: the marks of their epochs.

    `hole` is an epoch whose batches left a hole; of it and of rejected ones nothing later was
    stored, of all others everything.
    """

    marks: Mapping[bytes, int]
    hole: bytes | None = None
    rejected: Sequence[Rejected] = ()
