"""How the dating of a batch row stands in its columns; what they mean is in schema.sql."""

from collector.clock import LARGEST_NS, OWN, Dating, Known
from collector.store.numbers import bounded

# dated, offset_ns, error_ns, from_ns, to_ns
Columns = tuple[int, int | None, int | None, int, int]

EACH_BY_ITS_OWN = 0
_BY_PAIR = {1: Known.SYNCED, 2: Known.DERIVED}
_NUMBERS = {known: number for number, known in _BY_PAIR.items()}
NOT_AT_ALL = 3


def columns_of(dating: Dating, first_ns: int, last_ns: int) -> Columns:
    """Return the columns of a row that is dated by pairs, of readings from `first_ns` to `last_ns`."""
    if dating.offset_ns is None:
        earliest_ns = -LARGEST_NS if dating.earliest_ns is None else dating.earliest_ns
        latest_ns = LARGEST_NS if dating.latest_ns is None else dating.latest_ns
        return NOT_AT_ALL, None, None, earliest_ns, latest_ns
    offset_ns = dating.offset_ns
    from_ns, to_ns = bounded(first_ns + offset_ns), bounded(last_ns + offset_ns)
    return _NUMBERS[dating.known], offset_ns, dating.error_ns, from_ns, to_ns


def dating_of(
    dated: int, offset_ns: int | None, error_ns: int | None, from_ns: int, to_ns: int
) -> Dating:
    """Return the dating that the columns of a row say."""
    if dated == EACH_BY_ITS_OWN:
        return OWN
    if dated in _BY_PAIR:
        return Dating(_BY_PAIR[dated], offset_ns, error_ns)
    return Dating(
        Known.UNKNOWN,
        None,
        None,
        None if from_ns <= -LARGEST_NS else from_ns,
        None if to_ns >= LARGEST_NS else to_ns,
    )


def is_sound(columns: Columns, first_ns: int, last_ns: int) -> bool:
    """Say whether the columns fit each other: a flipped bit must not become a time."""
    dated, offset_ns, _, from_ns, to_ns = columns
    if dated not in _BY_PAIR:
        return dated in (EACH_BY_ITS_OWN, NOT_AT_ALL)
    try:
        return from_ns - first_ns == to_ns - last_ns == offset_ns
    except TypeError:  # a number has become a text
        return False
