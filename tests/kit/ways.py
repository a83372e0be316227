"""The whole way of a reading in one event loop: a real spool and link, real sockets, a real store.

Programs are left out, so that thousands of sessions cost seconds; time between tries too.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from collector.store import Reader
from collector.times import END_OF_TIME_NS
from config.addresses import Address
from device.backoff import Backoff
from device.contact import Contact
from device.link import Link
from device.settings import SpoolSettings
from device.spool import Spool, open_spool
from kit.keys import joined
from kit.servers import ServerRig, server_rig
from kit.waiting import until
from wire.blocks import Point
from wire.bodies import Command, Describe, Moment, Result

BOOT = bytes(range(16))
SENSOR = "count"


def moment() -> Moment:
    """This moment, of a boot that never ends."""
    return Moment(BOOT, time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns(), True)


async def no_command(command: Command) -> Result:
    """Nothing is asked of a device here."""
    return Result(command.id, ok=False)


class Way:
    """A device that sends numbered readings to a collector; `given` is what its spool accepted.

    With `tls` it was let in, and comes with its key.
    """

    def __init__(self, spool: Spool, server: ServerRig, port: int, tls: bool = False) -> None:
        found = None
        if tls:
            found = joined(server.trust, server.certificate.fingerprint, "pi", port)
        self.spool = spool
        self.server = server
        self.given: list[float] = []
        self.link = Link(
            Contact("pi", (Address("127.0.0.1", port),), found), "test", spool, lambda: Describe([]), no_command,
            Backoff(lambda: 0.0),
        )  # fmt: skip

    def give(self, readings: int) -> None:
        """Let the spool accept so many numbered readings, in a batch of their own."""
        for _ in range(readings):
            value = float(len(self.given))
            point = Point("value", "", value, 0)
            assert self.spool.accept(SENSOR, moment().boot_ns, [point])
            self.given.append(value)
        self.spool.close_batch()
        self.link.send_now()

    async def all_sent(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing is held any more."""
        await until(lambda: self.link.is_drained, timeout_s)

    def stored(self) -> Counter[float]:
        """What the store holds: value -> how often."""
        reader = Reader(self.server.file)
        try:
            answer = reader.range("pi/*", 0, END_OF_TIME_NS)
        finally:
            reader.close()
        assert answer.undecodable == 0
        return Counter(value for part in answer.parts for value in part.values.tolist())

    def check(self) -> None:
        """Everything that was accepted is stored, once."""
        stored = self.stored()
        assert sorted(stored) == self.given
        assert set(stored.values()) <= {1}


@asynccontextmanager
async def spool_in(folder: Path, settings: SpoolSettings | None = None) -> AsyncIterator[Spool]:
    """A spool in folders of its own, closed at the end."""
    for name in ("run", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    spool = await open_spool(settings or SpoolSettings(), folder / "run", folder / "state", moment)
    try:
        yield spool
    finally:
        await spool.close(10.0)


@asynccontextmanager
async def server_in(folder: Path) -> AsyncIterator[ServerRig]:
    """A collector's network side with a store of its own."""
    (folder / "store").mkdir(parents=True, exist_ok=True)
    async with server_rig(folder / "store" / "telegauge.db") as server:
        yield server
