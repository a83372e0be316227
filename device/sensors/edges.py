"""The edges of one pin of gpiozero, stamped when they happened and debounced.

gpiozero's own events come without their time, and its `bounce_time` may lose the state in which a
contact comes to rest; so the pin is listened to itself, as gpiozero's classes do
(https://gpiozero.readthedocs.io/en/stable/api_pins.html, `Pin.when_changed`).
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from device.clock import boottime_ns
from device.sensors.debounce import Debounce

# An edge that claims to be older, or of the future, has a clock of its own.
_OLDEST_S = 60.0


class Edges:
    """Calls `tell` with the time (CLOCK_BOOTTIME, ns) and the state of `device` behind each edge.

    `options` are those that the device was built of. From other threads, one after the other, until `close`.
    """

    def __init__(
        self,
        device: Any,
        options: Mapping[str, Any],
        quiet_s: float,
        tell: Callable[[int, bool], None],
    ) -> None:
        self._device = device
        self._tell = tell
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_closed = False
        # A pin that is pulled is active where it is pulled away; of one that floats it was said.
        self._is_inverted = bool(device.pull_up) or options.get("active_state") is False
        self._debounce = Debounce(quiet_s, bool(device.value))
        device.pin.when_changed = self._changed

    def close(self) -> None:
        """Tell nothing more."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()

    def _changed(self, ticks: float, state: object) -> None:
        """Take an edge from gpiozero's thread; `ticks` are of the pin factory's clock."""
        time_ns = boottime_ns() - self._age_ns(ticks)
        is_active = bool(state) is not self._is_inverted
        with self._lock:
            if not self._is_closed and self._debounce.edge(time_ns, is_active):
                self._news(time_ns, is_active)

    def _age_ns(self, ticks: float) -> int:
        factory = self._device.pin_factory
        age_s: float = factory.ticks_diff(factory.ticks(), ticks)
        return round(age_s * 1e9) if 0 <= age_s <= _OLDEST_S else 0

    def _settle(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            is_active = bool(self._device.pin.state) is not self._is_inverted
            time_ns = self._debounce.settle(boottime_ns(), is_active)
            if time_ns is not None:
                self._news(time_ns, is_active)

    def _news(self, time_ns: int, is_active: bool) -> None:
        self._tell(time_ns, is_active)
        if (settles_ns := self._debounce.settles_ns) is not None:
            self._timer = threading.Timer(max(0, settles_ns - boottime_ns()) / 1e9, self._settle)
            self._timer.daemon = True
            self._timer.start()
