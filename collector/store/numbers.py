"""Numbers as the file can keep them: what a device says may lie beyond, once it is added up."""

LARGEST = 2**63 - 1


def bounded(number: int) -> int:
    """Return the nearest number that fits 64 bits with a sign."""
    return max(-LARGEST, min(number, LARGEST))


def spanning(from_ns: int | None, to_ns: int | None, now_ns: int) -> int | None:
    """Return a `to_ns` that can follow `from_ns`; None where none is known.

    A clock that was set back makes a span end before it begins. Then `now_ns` stands in, which is
    no earlier than anything that has been read, unless the clocks disagree altogether.
    """
    if to_ns is None or from_ns is None or from_ns <= to_ns:
        return to_ns
    return now_ns if from_ns <= now_ns else None
