"""Driver `replay:FILE`: a recorded CSV once more, at its own pace or faster.

    telegauge-collector query 'pi/air.*' --last 24h --format csv > air.csv
    sudo install -m 0644 -D air.csv /srv/telegauge/air.csv

    driver: replay:/srv/telegauge/air.csv
    options: {speed: 60, loop: true}

`recording` says what the file may look like; of several sensors in it `sensor` names the one that is
meant (`air` or `pi/air`). What was bad is bad again. At its end it is stale, or begins again with
`loop`. The service sees no home folders.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from device.clock import boottime_ns
from device.sensors import Adapter, Channel, Emit, OptionProblem, Sample, SensorError
from device.sensors.found import Found
from device.sensors.options import Option, check, completed
from device.sensors.recording import Recording
from wire.readings import Quality, is_one_line

_OPTIONS = (
    Option("speed", (float,), 0.001, 10_000, of="times as fast", default=1.0),
    Option("loop", (bool,), default=False),
    Option("sensor", (str,), least=1),
)
_MAX_CHANNELS = 1000
_END_WITHIN_S = 2.0
# The clock that is waited on stands still in suspend, and the one that is kept does not.
_WAIT_S = 1.0
_SECOND_NS = 10**9


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without reading the file, which may come later."""
    found = check("replay", options, _OPTIONS)
    if not argument or not is_one_line(argument):
        found.append(
            OptionProblem(None, "write the file's path, as in `replay:/srv/telegauge/air.csv`")
        )
    return found


def make(argument: str | None, options: Mapping[str, Any]) -> "Replay":
    """Build the adapter."""
    return Replay(argument or "", **completed(options, _OPTIONS))


class Replay(Adapter):
    """Emits what a file holds, each moment when it is due, from a thread of its own."""

    is_event_driven = True

    def __init__(self, path: str, speed: float, loop: bool, sensor: str | None) -> None:
        self.channels: Sequence[Channel] = ()
        self._path = path
        self._speed = speed
        self._loop = loop
        self._sensor = sensor
        self._found = Found(_MAX_CHANNELS)
        self._emit: Emit | None = None
        self._play: _Play | None = None

    def listen(self, emit: Emit) -> None:
        """Call `emit` with each moment of the file."""
        self._emit = emit

    def open(self) -> None:
        """Begin the file, from its beginning.

        Raises:
            OSError: it cannot be read.
            SensorError: it is no recording.
        """
        self.close()
        self._play = _Play(Recording(self._path, self._sensor), self._speed, self._loop, self._give)
        self._play.start()

    def read(self) -> list[Sample]:
        """Return nothing while there is more to come; then that all is stale.

        Raises:
            SensorError: not open, or the file is not as it should be.
        """
        if self._play is None:
            raise SensorError("not open")
        if self._play.failure is not None:
            raise SensorError(str(self._play.failure)) from self._play.failure
        if not self._play.is_over:
            return []
        return [
            Sample(channel.name, math.nan, channel.unit, Quality.STALE) for channel in self.channels
        ]

    def close(self) -> None:
        """Stop, wherever it is."""
        play, self._play = self._play, None
        if play is not None:
            play.stop()

    def _give(self, time_ns: int, samples: Sequence[Sample]) -> None:
        self._found.meet(samples)
        self.channels = self._found.channels
        if self._emit is not None and samples:
            self._emit(time_ns, samples)


class _Play:
    """One play of a file, on a thread of its own, which closes the file at its end.

    `failure`: what ended it. `is_over`: there is no more to come.
    """

    def __init__(self, recording: Recording, speed: float, loop: bool, give: Emit) -> None:
        self.failure: Exception | None = None
        self.is_over = False
        self._recording = recording
        self._speed = speed
        self._loop = loop
        self._give = give
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="replay", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, wherever it is."""
        self._stopped.set()
        self._thread.join(_END_WITHIN_S)

    def _work(self) -> None:
        try:
            begin_ns: int | None = self._once(None)
            while self._loop and begin_ns is not None:
                begin_ns = self._once(begin_ns)
            self.is_over = True
        except Exception as error:  # noqa: BLE001 - the next read says what it was
            self.failure = error
        finally:
            self._recording.close()

    def _once(self, begin_ns: int | None) -> int | None:
        """Give the whole file, its first moment at `begin_ns` (None: now); return when the next begins.

        That is as long after the last moment as this one was after the one before. None: stopped.
        """
        first_ns = last_ns = None
        step_ns = _SECOND_NS
        for time_ns, samples in self._recording.moments(self._stopped.is_set):
            if first_ns is None or last_ns is None:
                first_ns = last_ns = time_ns
                begin_ns = boottime_ns() if begin_ns is None else begin_ns
            elif time_ns > last_ns:
                step_ns, last_ns = time_ns - last_ns, time_ns
            due_ns = self._scaled(begin_ns or 0, time_ns - first_ns)
            if not self._is_due(due_ns):
                return None
            self._give(due_ns, samples)
        if self._stopped.is_set():
            return None
        if first_ns is None or last_ns is None:
            of = f" of the sensor `{self._recording.sensor}`" if self._recording.sensor else ""
            raise SensorError(f"{self._recording.path} has no rows{of} whose time is known")
        return self._scaled(begin_ns or 0, last_ns - first_ns + step_ns)

    def _scaled(self, begin_ns: int, after_ns: int) -> int:
        return begin_ns + round(after_ns / self._speed)

    def _is_due(self, due_ns: int) -> bool:
        """Wait until it is; False where it was stopped meanwhile."""
        while (left_s := (due_ns - boottime_ns()) / 1e9) > 0:
            if self._stopped.wait(min(left_s, _WAIT_S)):
                return False
        return not self._stopped.is_set()
