"""For tests of adapters that speak between reads, and of what adapters leave behind."""

import threading
from collections.abc import Sequence
from pathlib import Path

from device.sensors import Sample


class Ear:
    """What an adapter is given to emit to; `events` holds the time and the samples of each."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Sequence[Sample]]] = []

    def __call__(self, time_ns: int, samples: Sequence[Sample]) -> None:
        """Note an event."""
        self.events.append((time_ns, samples))

    @property
    def times_ns(self) -> list[int]:
        """When each happened."""
        return [time_ns for time_ns, _ in self.events]

    @property
    def values(self) -> list[dict[str, float]]:
        """What each said, by channel."""
        return [{each.channel: each.value for each in samples} for _, samples in self.events]


def held() -> tuple[int, set[threading.Thread]]:
    """How many descriptors this process has open, and its threads."""
    return len(list(Path("/proc/self/fd").iterdir())), set(threading.enumerate())
