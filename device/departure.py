"""Departure: when what was accepted leaves: a second after its first reading, with an edge at once."""

import asyncio
from collections.abc import Callable

BATCH_AGE_S = 1.0
# A contact that bounces, or a row of edges, must not make a batch of each.
EDGE_PAUSE_S = 0.02


class Departure:
    """Calls `go` when it is time; `age_s` says how long a reading waits at most.

    Who sends without being called says `gone`.
    """

    def __init__(
        self, go: Callable[[], None], age_s: Callable[[], float] = lambda: BATCH_AGE_S
    ) -> None:
        self._go = go
        self._age_s = age_s
        self._timer: asyncio.TimerHandle | None = None
        self._edge_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When what waits leaves, by the loop's clock; None where nothing waits."""
        return None if self._timer is None else self._timer.when()

    def reading(self) -> None:
        """Note a reading that may wait a little for others."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._age_s(), self._go)

    def edge(self) -> None:
        """Note one that may not, unless another has just left."""
        loop = asyncio.get_running_loop()
        at_s = max(loop.time(), self._edge_s + EDGE_PAUSE_S)
        self._edge_s = at_s
        if self._timer is not None and self._timer.when() <= at_s:
            self._edge_s = self._timer.when()
            return
        self.gone()
        self._timer = loop.call_at(at_s, self._go)

    def gone(self) -> None:
        """Note that all has left: nothing waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
