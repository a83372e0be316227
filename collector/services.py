"""What every session of a collector uses."""

from typing import NamedTuple

from collector.admission import Admission
from collector.datagrams import Datagrams
from collector.sessions import Sessions
from collector.space import FreeSpace
from collector.store import Writer
from collector.trust import Trust


class Services(NamedTuple):
    """`version` is what devices are told of this program.

    `plain_on_loopback`: this machine's own devices may come without TLS and key. `fingerprint`: SHA-256
    of the collector's certificate.
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

    def cut(self, device: str, reason: str, detail: str, retry_after_s: float = 0.0) -> None:
        """End what a device has here: the key of its datagrams, and its session."""
        self.datagrams.revoke(device)
        session = self.sessions.of(device)
        if session is not None:
            session.close(reason, detail, retry_after_s)
