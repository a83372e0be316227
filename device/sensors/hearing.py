"""Adapters that listen for lines, on a thread of their own that waits for all they listen to at once."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from device.clock import boottime_ns
from device.sensors import Adapter, Channel, Emit, Sample, SensorError
from device.sensors.heard import Heard
from device.sensors.line import Parser
from device.sensors.options import Option

# It ends as soon as it is told to; a machine that is busy gets this much more.
_END_WITHIN_S = 2.0
_A_DAY_S = 86_400


def stale_after(default_s: float) -> Option:
    """Return the option that says how long a silence may last; null: for ever."""
    return Option(
        "stale_after",
        (float,),
        0.1,
        30 * _A_DAY_S,
        of="seconds",
        default=default_s,
        may_be_null=True,
    )


class HearingAdapter(Adapter):
    """Emits what each line says, stamped when it ended; a read says what has fallen silent.

    Those who inherit give `_take`, and `_look` if something is to be done also when nothing comes.

    Args:
        name: of the thread.
        options: all of them, `parse`, `pattern` and `stale_after` among them.
        look_every_s: how often `_look` is called.
    """

    is_event_driven = True

    def __init__(
        self, name: str, options: Mapping[str, Any], look_every_s: float | None = None
    ) -> None:
        self.channels: Sequence[Channel] = ()
        parser = Parser(options["parse"], options["pattern"])
        self._heard = Heard(parser.line, options["stale_after"])
        self._name = name
        self._look_every_s = look_every_s
        self._emit: Emit | None = None
        self._taken = ExitStack()
        self._selector: selectors.BaseSelector | None = None
        self._is_wanted = False
        self._failure: Exception | None = None

    def listen(self, emit: Emit) -> None:
        """Call `emit` with what each line says."""
        self._emit = emit

    def open(self) -> None:
        """Begin to listen.

        Raises:
            SensorError, OSError: that cannot be done.
        """
        self.close()
        self._is_wanted, self._failure = True, None
        with ExitStack() as taken:
            selector = taken.enter_context(selectors.DefaultSelector())
            self._take(selector, taken)
            self._start(selector, taken)
            if not self._is_wanted:  # closed by another thread while that took its time
                raise SensorError("not open")
            self._selector, self._taken = selector, taken.pop_all()
        self._heard.listens(boottime_ns())

    def read(self) -> list[Sample]:
        """Return what has been silent for too long; nothing where all is well.

        Raises:
            SensorError: not open, or nothing that is a reading was heard.
            OSError: what is listened to is gone; it is to be opened anew.
        """
        if self._selector is None:
            raise SensorError("not open")
        if self._failure is not None:
            raise OSError(str(self._failure)) from self._failure
        return self._heard.read(boottime_ns())

    def close(self) -> None:
        """Stop listening."""
        self._is_wanted, self._selector = False, None
        self._taken.close()

    def _take(self, selector: selectors.BaseSelector, taken: ExitStack) -> None:
        """Open what is listened to, register it with what hears it, and leave its closing to `taken`."""
        raise NotImplementedError

    def _look(self) -> None:
        """Do what is to be done now and then, on the thread that listens."""

    def _hear(self, lines: Iterable[bytes], ended_ns: int) -> None:
        for line in lines:
            heard = self._heard.take(line, ended_ns)
            if heard is None:
                continue
            self.channels = self._heard.channels
            if self._emit is not None:
                self._emit(*heard)

    def _start(self, selector: selectors.BaseSelector, taken: ExitStack) -> None:
        """Start the thread; it ends first of all that is taken."""
        stop, stopped = (taken.enter_context(end) for end in socket.socketpair())
        selector.register(stopped, selectors.EVENT_READ, None)
        thread = threading.Thread(target=self._work, args=(selector,), name=self._name, daemon=True)
        thread.start()
        taken.callback(thread.join, _END_WITHIN_S)
        taken.callback(_send, stop)

    def _work(self, selector: selectors.BaseSelector) -> None:
        try:
            while True:
                for key, _ in selector.select(self._look_every_s):
                    if key.data is None:
                        return
                    hear: Callable[[Any], None] = key.data
                    hear(key.fileobj)
                self._look()
        except Exception as error:  # noqa: BLE001 - the next read says what it was
            self._failure = error


def _send(stop: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stop.send(b"x")
