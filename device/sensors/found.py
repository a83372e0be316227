"""Adapters whose channels nobody knows before something was read: they are those met so far."""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from device.sensors import Adapter, Channel, Sample, SensorError

# What was read to find the channels stands for the first read, if that comes at once.
_FRESH_S = 1.0


class Found:
    """The channels met so far, in the order in which they were; `most` bounds them.

    `channels` may be read from any thread: it is replaced, never changed.
    """

    def __init__(self, most: int, channels: Sequence[Channel] = ()) -> None:
        self.channels: Sequence[Channel] = tuple(channels)
        self._units = {channel.name: channel.unit for channel in channels}
        self._most = most

    def meet(self, samples: Sequence[Sample]) -> None:
        """Note the channels of what was read.

        Raises:
            SensorError: they are too many with those that were met before; none is new then.
        """
        new = [sample for sample in samples if sample.channel not in self._units]
        if not new:
            return
        if len(self.channels) + len(new) > self._most:
            raise SensorError(
                f"more than {self._most} channels; the next would be `{new[0].channel}`"
            )
        self._units.update((sample.channel, sample.unit) for sample in new)
        self.channels = (*self.channels, *(Channel(name, unit) for name, _, unit, _ in new))

    def completed(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return a sample a channel met so far, NaN for those that did not come this time.

        One that comes without a unit has that of its channel.

        Raises:
            SensorError: too many channels, or one in another unit than before.
        """
        self.meet(samples)
        came = {sample.channel: self._in_its_unit(sample) for sample in samples}
        return [
            came.get(channel.name) or Sample(channel.name, math.nan, channel.unit)
            for channel in self.channels
        ]

    def _in_its_unit(self, sample: Sample) -> Sample:
        unit = self._units[sample.channel]
        if sample.unit not in ("", unit):
            raise SensorError(f"`{sample.channel}` was in `{unit}` and is now in `{sample.unit}`")
        return sample._replace(unit=unit)


class _First(NamedTuple):
    read_s: float
    outcome: list[Sample] | Exception


class FoundAdapter(Adapter):
    """An adapter that reads once while it is opened, to learn its channels.

    Those who inherit give `_start`, `_take` and `_stop`. What that first read comes to, a failure
    too, is what `read` gives the first time.
    """

    def __init__(self, most: int) -> None:
        self.channels: Sequence[Channel] = ()
        self._found = Found(most)
        self._first: _First | None = None
        self._is_open = False

    def open(self) -> None:
        """Take what is read, and read it once."""
        self._start()
        self._is_open = True
        began_s = time.monotonic()
        try:
            outcome: list[Sample] | Exception = self._completed()
        except Exception as error:  # noqa: BLE001 - whatever it is, the first read raises it
            outcome = error
        self._first = _First(began_s, outcome)

    def read(self) -> list[Sample]:
        """Read once.

        Raises:
            SensorError: not open; the rest is up to who inherits.
        """
        if not self._is_open:
            raise SensorError("not open")
        first, self._first = self._first, None
        if first is None or time.monotonic() > first.read_s + _FRESH_S:
            return self._completed()
        if isinstance(first.outcome, Exception):
            raise first.outcome
        return first.outcome

    def close(self) -> None:
        """Give it back; what was found stays known."""
        self._is_open, self._first = False, None
        self._stop()

    def _completed(self) -> list[Sample]:
        samples = self._found.completed(self._take())
        self.channels = self._found.channels
        return samples

    def _start(self) -> None:
        """Take what is read."""

    def _take(self) -> Sequence[Sample]:
        """Read it once."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Give it back, and end a read that is under way in another thread; must not raise."""
