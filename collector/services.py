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
