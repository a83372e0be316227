"""What a running agent says of itself, for the sensor `agent`."""

import asyncio
from collections.abc import Callable, Mapping

from device.link import Link
from device.sampler import Sampler
from device.sensor import Sensor
from device.sensors.own import Facts
from device.spool import Spool

_WITHIN_S = 10.0


class OwnFacts:
    """The facts of one agent; to be built inside its event loop, which alone may look at its parts."""

    def __init__(
        self, sensors: Mapping[str, Sensor], sampler: Sampler, spool: Spool, link: Link
    ) -> None:
        self._sensors = sensors
        self._sampler = sampler
        self._spool = spool
        self._link = link

    def now(self) -> Facts:
        """Return the facts of this moment; the slowest read is since the last call."""
        sensors = list(self._sensors.values())
        card = self._spool.mover.card.error if self._spool.mover else ""
        return {
            "link_up": float(self._link.is_up),
            "spooled_readings": float(self._spool.held_readings),
            "spooled_bytes": float(self._spool.held_bytes),
            "dropped_readings": float(self._spool.intake.dropped + self._spool.intake.refused),
            "dropped_events": float(self._sampler.events.dropped.total()),
            "skipped_reads": float(self._sampler.skipped_reads),
            "failed_reads": float(sum(sensor.failures for sensor in sensors)),
            "failing_sensors": float(sum(sensor.standing.is_failing for sensor in sensors)),
            "abandoned_drivers": float(sum(sensor.reader.abandoned for sensor in sensors)),
            "slowest_read": round(max(sensor.take_slowest_s() for sensor in sensors), 4),
            "card_failing": float(bool(card)),
        }


def asker(facts: Callable[[], Facts]) -> Callable[[], Facts]:
    """Return what asks for facts from any thread, while the running loop gives them."""
    loop = asyncio.get_running_loop()

    def ask() -> Facts:
        return asyncio.run_coroutine_threadsafe(gathered(), loop).result(_WITHIN_S)

    async def gathered() -> Facts:
        return facts()

    return ask
