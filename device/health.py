"""Health: whether the agent makes progress, and the line that says how it stands; systemd hears both.

Progress is that sampling goes on and that what was accepted can be committed. What is a state and
no hang keeps nothing back: a hung sensor, a link that is down, a full disk, a card that fails.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from device.clock import boottime_ns
from device.link import Link
from device.sampler import Sampler
from device.sensor import Sensor
from device.settings import AGENT
from device.spool import Spool
from device.status_line import LinkStanding, SpoolStanding, status_line
from service.notify import Notifier
from service.reload import Configuration

_SAMPLING_GRACE_S = 10.0
# SD cards stall for seconds when they tidy up; one that stalls for so long does not come back by itself.
_COMMIT_GRACE_S = 60.0


class Health:
    """Tells systemd of one agent; `configuration` gives how its file stands to what is in force."""

    def __init__(
        self,
        sensors: Mapping[str, Sensor],
        sampler: Sampler,
        spool: Spool,
        link: Link,
        notifier: Notifier,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._sensors = sensors
        self._sampler = sampler
        self._spool = spool
        self._link = link
        self._notifier = notifier
        self._configuration = configuration
        self._was_up, self._since_s = False, time.monotonic()
        link.on_change = self._tell

    async def run(self) -> None:
        """Tell it again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._notifier.tell_every_s)
            if self.makes_progress():
                self._notifier.watchdog()
            self._tell()

    def makes_progress(self) -> bool:
        """Say whether ticks go by, and no write to the card has been under way for too long.

        What every read is committed to (memory; with `strict` the card) is written on the event loop
        itself: where that hangs, nothing is told.
        """
        card = self._spool.mover.card if self._spool.mover else None
        is_stuck = card is not None and card.is_stuck(time.monotonic(), _COMMIT_GRACE_S)
        return self._sampler.is_on_time(boottime_ns(), _SAMPLING_GRACE_S) and not is_stuck

    def line(self) -> str:
        """Say how the agent stands."""
        now_s, is_up, end = time.monotonic(), self._link.is_up, self._link.last_end
        if is_up is not self._was_up:
            self._was_up, self._since_s = is_up, now_s
        card = self._spool.mover.card.error if self._spool.mover else ""
        return status_line(
            sum(name != AGENT for name in self._sensors),
            [name for name, sensor in self._sensors.items() if sensor.standing.is_failing],
            LinkStanding(
                is_up,
                now_s - self._since_s,
                end.reason if end else "",
                end.detail if end else "",
            ),
            SpoolStanding(self._spool.held_readings, self._spool.intake.is_full, card),
            self._configuration().troubles(),
        )

    def _tell(self) -> None:
        self._notifier.status(self.line())
