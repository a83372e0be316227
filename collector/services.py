"""What every session of a collector uses."""

from collections.abc import Callable
from dataclasses import dataclass, field

from collector.admission import Admission
from collector.datagrams import Datagrams
from collector.device_notes import DeviceNotes
from collector.sessions import DeviceSession, Sessions
from collector.space import FreeSpace
from collector.store import Writer
from collector.trust import Trust
from wire.bodies import ByeReason, Describe

NOT_EVEN_HERE = (
    "collector.yaml says `plain_on_loopback: false`, so this machine's devices need a key as well: "
    "telegauge-collector invite NAME, and paste the line"
)


def _nobody(*_: object) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Services:
    """`version` is what devices are told of this program.

    `plain_on_loopback`: this machine's own devices may come without TLS and key. `fingerprint`: SHA-256
    of the collector's certificate. `described` is told what a device says of its series, `stopped` that
    its agent was stopped in order.
    """

    writer: Writer
    sessions: Sessions
    version: str
    space: FreeSpace
    datagrams: Datagrams
    trust: Trust
    admission: Admission
    plain_on_loopback: bool
    fingerprint: bytes
    notes: DeviceNotes = field(default_factory=DeviceNotes)
    described: Callable[[str, Describe], None] = _nobody
    stopped: Callable[[str], None] = _nobody

    def allow_plain(self, is_allowed: bool) -> None:
        """Let this machine's own devices come without TLS and key, or no more: who is here goes."""
        self.plain_on_loopback = self.admission.trusts_loopback = is_allowed
        for session in () if is_allowed else self.sessions:
            if session.is_plain and session.device is not None:
                self._end(session, session.device)

    def cut(self, device: str, reason: str, detail: str, retry_after_s: float = 0.0) -> None:
        """End what a device has here: the key of its datagrams, and its session."""
        self.datagrams.revoke(device)
        session = self.sessions.of(device)
        if session is not None:
            session.close(reason, detail, retry_after_s)

    def _end(self, session: DeviceSession, device: str) -> None:
        if self.sessions.of(device) is session:
            self.cut(device, ByeReason.NOT_ACCEPTED, NOT_EVEN_HERE)
        else:  # it gives way already, to one that may stay
            session.close(ByeReason.NOT_ACCEPTED, NOT_EVEN_HERE)
