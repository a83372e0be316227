"""Who is connected: one session a device, the newest wins; and how many there may be."""

from collections.abc import Iterator
from typing import Protocol

# A device or two a person, a class of thirty, a farm: well above that, and below the limit of files.
MAX_SESSIONS = 1024


class DeviceSession(Protocol):
    """What the others need to know of a session."""

    device: str | None

    def replace(self) -> None:
        """Make place for a newer session of the same device."""

    def stop(self) -> None:
        """Say BYE, because the collector stops."""

    def catch_up(self) -> None:
        """Read again, if the writer has caught up."""


class Sessions:
    """The sessions of one collector; `behind` are those that wait for the writer."""

    def __init__(self) -> None:
        self._open: set[DeviceSession] = set()
        self._by_device: dict[str, DeviceSession] = {}
        self.behind: set[DeviceSession] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def devices(self) -> list[str]:
        """The devices that have a session now."""
        return sorted(self._by_device)

    def has_room(self) -> bool:
        """Say whether one more may come."""
        return len(self._open) < MAX_SESSIONS

    def opened(self, session: DeviceSession) -> None:
        """Note a connection."""
        self._open.add(session)

    def greeted(self, session: DeviceSession, device: str) -> None:
        """Note which device it is; a former session of that device has to go."""
        former = self._by_device.get(device)
        self._by_device[device] = session
        if former is not None:
            former.replace()

    def ended(self, session: DeviceSession) -> None:
        """Note that a session is over."""
        self._open.discard(session)
        self.behind.discard(session)
        if session.device is not None and self._by_device.get(session.device) is session:
            del self._by_device[session.device]

    def catch_up(self) -> None:
        """Let those read again for whom the writer has caught up."""
        for session in list(self.behind):
            session.catch_up()

    def __iter__(self) -> Iterator[DeviceSession]:
        return iter(list(self._open))
