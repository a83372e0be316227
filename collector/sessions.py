"""Who is connected: one session a device, the newest wins; and how many there may be."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import structlog

from collector.replacements import Replacements
from wire.bodies import Result

_log = structlog.get_logger()

# A device or two a person, a class of thirty, a farm: well above that, and below the limit of files.
MAX_SESSIONS = 1024


class DeviceSession(Protocol):
    """What the others need to know of a session."""

    device: str | None
    is_plain: bool

    def replace(self) -> None:
        """Make place for a newer session of the same device."""

    def stop(self) -> None:
        """Say BYE, because the collector stops."""

    def close(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> None:
        """Say BYE, and close."""

    def give_key(self, key: bytes) -> None:
        """Give the device another key.

        Raises:
            LocalProtocolError: the session is over.
        """

    def catch_up(self) -> None:
        """Read again, if the writer has caught up."""

    async def command(self, name: str, arguments: Sequence[str], within_s: float) -> Result | None:
        """Tell the device to do something within a time; return what came of it, if that is known.

        Raises:
            CommandError: it was not sent.
        """


class Sessions:
    """The sessions of one collector; `behind` are those that wait for the writer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._open: set[DeviceSession] = set()
        self._by_device: dict[str, DeviceSession] = {}
        self._replacements = Replacements()
        self._clock = clock
        self.behind: set[DeviceSession] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def devices(self) -> list[str]:
        """The devices that have a session now."""
        return sorted(self._by_device)

    @property
    def duplicate_identities(self) -> set[str]:
        """The names that two devices were found to share within the last ten minutes."""
        return self._replacements.duplicate_identities(self._clock())

    def of(self, device: str) -> DeviceSession | None:
        """Return the session that a device has now."""
        return self._by_device.get(device)

    def has_room(self) -> bool:
        """Say whether one more may come."""
        return len(self._open) < MAX_SESSIONS

    def greeted(self, session: DeviceSession, device: str) -> None:
        """Note that a device was let in; a former session of it has to go."""
        self._open.add(session)
        former = self._by_device.get(device)
        self._by_device[device] = session
        if former is not None:
            former.replace()

    def note_replaced(self, device: str) -> bool:
        """Note that a session was replaced that is alive; say whether two devices share its name."""
        is_news = device not in self.duplicate_identities
        is_duplicate = self._replacements.note(device, self._clock())
        if is_duplicate and is_news:
            _log.error(
                "duplicate_identity",
                device=device,
                detail="two devices have this name and take turns; "
                "let one join under another name: telegauge-collector invite NAME",
            )
        return is_duplicate

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
