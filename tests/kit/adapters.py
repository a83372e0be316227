"""Adapters for tests: real ones, read from a real thread, that do what a function says."""

import threading
from collections.abc import Callable, Sequence

from device.sensor import Sensor
from device.sensors import Adapter, Channel, Sample
from device.settings import ChannelSettings, SensorSettings

VALUE = Channel("value", "degC", "temperature", 1)


def counted(number: int) -> list[Sample]:
    """One sample of the channel `value`: the number of the read."""
    return [Sample("value", float(number), "degC")]


class ScriptedAdapter(Adapter):
    """Reads whatever `gives` returns for the number of the read, from 1.

    Attributes:
        calls: what was called, in order, each with the thread it came from.
        failing_opens: so many calls of `open` fail.
    """

    def __init__(
        self,
        gives: Callable[[int], Sequence[Sample]] = counted,
        channels: Sequence[Channel] = (VALUE,),
        failing_opens: int = 0,
    ) -> None:
        self.channels = channels
        self.calls: list[tuple[str, int]] = []
        self.failing_opens = failing_opens
        self._gives = gives
        self._reads = 0

    @property
    def names(self) -> list[str]:
        """What was called, in order."""
        return [name for name, _ in self.calls]

    def open(self) -> None:
        """Fail as often as was asked for."""
        self._note("open")
        if self.failing_opens:
            self.failing_opens -= 1
            raise OSError("no chip at 0x76")

    def read(self) -> Sequence[Sample]:
        """Give what the function says."""
        self._note("read")
        self._reads += 1
        return self._gives(self._reads)

    def close(self) -> None:
        """Only note it."""
        self._note("close")

    def _note(self, name: str) -> None:
        self.calls.append((name, threading.get_ident()))


class Hang:
    """Hangs in every read until `release`; `begun` is set when the first has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._released = threading.Event()

    def __call__(self, number: int) -> list[Sample]:
        """Hang, then count."""
        self.begun.set()
        assert self._released.wait(60), "nobody released the driver"
        return counted(number)

    def release(self) -> None:
        """Let it go on, now and later."""
        self._released.set()


def sensor_of(
    adapter: ScriptedAdapter,
    name: str = "air",
    *,
    interval_s: float = 0.1,
    timeout_s: float = 20.0,
    label: str | None = None,
    channels: dict[str, ChannelSettings] | None = None,
) -> Sensor:
    """A sensor that reads an adapter; `channels` are those that the YAML names."""
    settings = SensorSettings(driver="scripted", label=label, channels=channels)
    return Sensor(name, settings, interval_s, timeout_s, adapter)
