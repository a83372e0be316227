"""What a collector remembers of each device since its start, beside what is stored. Pure: the time is an argument.

How it is connected, what its clock shows, what it still sends of what it kept, and what went wrong
last: of each kind the latest and how often, so that no flood hides another.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from wire.bodies import Describe, Held

# Beyond, what was noted of the one that was heard of longest ago is forgotten.
MAX_DEVICES = 4096
MAX_TROUBLES = 8


class ClockNote(msgspec.Struct, frozen=True):
    """What a device's clock showed when it was last asked.

    `ahead_ns`: of the collector's clock, right to `error_ns`; `synchronised`: its kernel trusted it.
    """

    measured_ns: int
    ahead_ns: int
    error_ns: int
    synchronised: bool


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong `count` times, most lately at `time_ns` (UTC).

    `what` is the word that the log has for it, `detail` is for people.
    """

    what: str
    detail: str
    time_ns: int
    count: int = 1


class SessionNote(msgspec.Struct, frozen=True):
    """A session that goes on since `since_ns` (UTC): from where, and what program is there."""

    since_ns: int
    peer: str
    agent: str
    over_tls: bool


class DeviceNote(NamedTuple):
    """What is remembered of one device.

    `interval_s`: the shortest within which one of its channels is to say something, as it told;
    `backlog`: the epochs it still sends that began before the present one.
    """

    session: SessionNote | None = None
    clock: ClockNote | None = None
    troubles: tuple[Trouble, ...] = ()
    backlog: frozenset[bytes] = frozenset()
    interval_s: float | None = None


class DeviceNotes:
    """The notes of one collector, by the name of the device."""

    def __init__(self) -> None:
        self._notes: dict[str, DeviceNote] = {}

    def of(self, device: str) -> DeviceNote:
        """Return what is remembered of a device."""
        return self._notes.get(device, DeviceNote())

    @property
    def draining(self) -> frozenset[str]:
        """The devices that are here and still send what they kept."""
        return frozenset(
            name for name, note in self._notes.items() if note.session and note.backlog
        )

    def copy(self) -> dict[str, DeviceNote]:
        """Return all notes as they are now, for another thread."""
        return dict(self._notes)

    def began(self, device: str, session: SessionNote) -> None:
        """Note that a session began: what the device has and holds, it will say itself."""
        former = self.of(device)
        self._keep(device, DeviceNote(session, former.clock, former.troubles))

    def ended(self, device: str) -> None:
        """Note that a device has no session any more."""
        if device in self._notes:
            self._keep(device, self.of(device)._replace(session=None, backlog=frozenset()))

    def describes(self, device: str, description: Describe) -> None:
        """Note what a device has, or a part of that."""
        note = self.of(device)
        told_s = [*_intervals_s(description), *([note.interval_s] if note.interval_s else [])]
        self._keep(device, note._replace(interval_s=min(told_s, default=None)))

    def holds(self, device: str, epochs: Iterable[Held]) -> None:
        """Note what a device holds, its present epoch first: all others are kept from before."""
        backlog = {each.epoch for each in [*epochs][1:] if not each.datagrams}
        self._keep(device, self.of(device)._replace(backlog=frozenset(backlog)))

    def sent_all(self, device: str, epoch: bytes) -> None:
        """Note that nothing of an epoch is to come any more."""
        note = self.of(device)
        if epoch in note.backlog:
            self._keep(device, note._replace(backlog=note.backlog - {epoch}))

    def clock(self, device: str, clock: ClockNote) -> None:
        """Note what a device's clock showed."""
        self._keep(device, self.of(device)._replace(clock=clock))

    def trouble(self, device: str, what: str, detail: str, now_ns: int) -> None:
        """Note what went wrong."""
        note = self.of(device)
        former = [each for each in note.troubles if each.what == what]
        count = 1 + sum(each.count for each in former)
        others = [each for each in note.troubles if each.what != what][: MAX_TROUBLES - 1]
        latest = Trouble(what, detail, now_ns, count)
        self._keep(device, note._replace(troubles=(latest, *others)))

    def _keep(self, device: str, note: DeviceNote) -> None:
        self._notes.pop(device, None)
        self._notes[device] = note
        if len(self._notes) > MAX_DEVICES:
            del self._notes[next(iter(self._notes))]


def _intervals_s(description: Describe) -> list[float]:
    """Return how often each channel says something, where that is not when it likes to."""
    return [
        max(sensor.interval_s, channel.max_interval_s or 0.0)
        for sensor in description.sensors
        if not sensor.event_driven
        for channel in sensor.channels
    ]
