"""What was heard: lines that come when they like, as readings; and what is to be said of silence.

Shared by the adapters that listen. What comes is given on as it comes; a read adds nothing to that
but what is missing: a channel that has been silent for too long is stale, and lines that are no
readings are an error where nothing else came. Time is an argument.
"""

import math
import re
import threading
from collections.abc import Callable, Sequence

from device.sensors import Channel, Sample, SensorError
from device.sensors.found import Found
from device.sensors.line import MAX_BYTES, MAX_CHANNELS, LineError, Values
from wire.readings import Quality

_ENDS = re.compile(rb"[\r\n]+")


class Splitter:
    """Makes lines of bytes as they come; CR, LF and both end one, blank ones are left out.

    A line that is too long comes as its first bytes, one more than a line may have. With
    `from_within` the first is taken for the rest of a line whose beginning nobody heard.
    """

    def __init__(self, *, from_within: bool = False) -> None:
        self._rest = b""
        self._is_partial = from_within

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that have ended with this."""
        *ended, rest = _ENDS.split(self._rest + data)
        self._rest = rest[: MAX_BYTES + 1]
        if ended and self._is_partial:
            del ended[0]
            self._is_partial = False
        return [line[: MAX_BYTES + 1] for line in ended if line.strip()]

    def end(self) -> list[bytes]:
        """Return the line that was begun, if there is one: nothing more will come."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() and not self._is_partial else []


class Heard:
    """The channels that were heard, when each was last, and how many lines said nothing.

    One thread hears, another one reads. `stale_after_s` None: silence is never wrong.
    """

    def __init__(self, parse: Callable[[bytes], Values], stale_after_s: float | None) -> None:
        self._parse = parse
        self._stale_after_ns = math.inf if stale_after_s is None else stale_after_s * 1e9
        self._found = Found(MAX_CHANNELS)
        self._lock = threading.Lock()
        self._since_ns: int | None = None
        self._last_ns = 0
        self._heard_ns: dict[str, int] = {}
        self._wrong = 0
        self._why = ""

    @property
    def channels(self) -> Sequence[Channel]:
        """Those heard so far."""
        return self._found.channels

    def listens(self, now_ns: int) -> None:
        """Note that somebody listens; silence counts from the first time."""
        if self._since_ns is None:
            self._since_ns = now_ns

    def take(self, line: bytes, ended_ns: int) -> tuple[int, list[Sample]] | None:
        """Return what a line says, and when: two lines never come at the same time.

        None where it says nothing; that is counted.
        """
        try:
            samples = [Sample(name, value, "") for name, value in self._parse(line).items()]
            with self._lock:
                self._found.meet(samples)
                self._last_ns = max(ended_ns, self._last_ns + 1)
                self._heard_ns.update((each.channel, self._last_ns) for each in samples)
                self._wrong = 0
                return self._last_ns, samples
        except (LineError, SensorError) as error:
            with self._lock:
                self._wrong += 1
                self._why = str(error)
            return None

    def read(self, now_ns: int) -> list[Sample]:
        """Return a stale sample a channel that has been silent for too long; nothing of the others.

        Raises:
            SensorError: nothing but lines that are no readings; or nothing at all, for too long.
        """
        with self._lock:
            silent = [
                name
                for name, heard_ns in self._heard_ns.items()
                if now_ns - heard_ns > self._stale_after_ns
            ]
            if self._wrong and len(silent) == len(self._heard_ns):
                wrong, self._wrong = self._wrong, 0
                lines = "1 line that is" if wrong == 1 else f"{wrong} lines that are"
                raise SensorError(f"{lines} no reading; the last: {self._why}")
            if not self._heard_ns and self._is_overdue(now_ns):
                raise SensorError(
                    f"nothing has been heard yet, in {self._stale_after_ns / 1e9:g} s (`stale_after`)"
                )
            return [Sample(name, math.nan, "", Quality.STALE) for name in silent]

    def _is_overdue(self, now_ns: int) -> bool:
        return self._since_ns is not None and now_ns - self._since_ns > self._stale_after_ns
