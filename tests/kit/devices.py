"""A device in a `kit.worlds.World`: the real spool and link, without sensors, on a fake clock.

The card's thread is played by the loop, so that a card can be slow, stalled or broken when it is to be.
"""

import queue
import shutil
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar
from unittest.mock import patch

from config.addresses import Address
from device.backoff import Backoff
from device.contact import Contact
from device.datagram_epochs import DatagramEpochs
from device.link import Link
from device.settings import SpoolPolicy, SpoolSettings, Transport
from device.spool import Spool, card, open_spool, start
from device.spool.card import Card
from device.spool.records import unpack_facts
from device.spool.tier import Tier
from kit.fakenet import End, Rest
from kit.found import Place
from kit.stores import rows
from kit.ways import no_command
from kit.worlds import Mortal, World
from wire.blocks import Point
from wire.bodies import Describe, Moment

_T = TypeVar("_T")

# How long a piece of work takes on the card.
_WORK_S = 0.001
# What part of its waits the back-off lasts: from 20 ms to 1.2 s.
_IMPATIENCE = 0.02
_DRAIN_S, _CLOSE_S = 5.0, 10.0
_FIRST_BOOT_NS = 100 * 10**9
_COLLECTOR = Address("127.0.0.1", 8888)

Health: TypeAlias = Literal["well", "hangs", "fails"]
Policy: TypeAlias = SpoolPolicy


class _Impatient(queue.Queue[Any]):
    """A queue that nobody waits at."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return what is next, if anything is."""
        return super().get(block=False)


class PlayedCard(Card):
    """A card whose thread is played by the loop; how it feels is for its device to say."""

    def __init__(self, pi: "Pi", path: Path, max_bytes: int) -> None:
        with patch.object(card.threading.Thread, "start"):
            super().__init__(path, max_bytes)
        self._work: queue.Queue[Any] = _Impatient()
        self._pi = pi

    async def do(self, work: Any) -> Any:
        """Hand over a piece of work."""
        self.work_soon()
        return await super().do(work)

    async def close(self, timeout_s: float) -> None:
        """End the thread, unless it hangs."""
        self._work.put_nowait(None)
        self._work_off()

    def leave(self) -> None:
        """Close the file, and nothing else."""
        self._close_tier()

    def work_soon(self) -> None:
        """Let the thread do what was handed over."""
        self._loop.call_later(_WORK_S, self._work_off)

    def _work_off(self) -> None:
        if self._pi.health != "hangs":
            with suppress(queue.Empty):
                self._run()

    def _opened(self) -> Tier:
        if self._pi.health == "fails":
            raise OSError(5, "Input/output error")
        return super()._opened()


class Pi(Mortal):
    """One device, whose agent may stop, be killed, or lose its power.

    `at_risk_s`: as in the YAML. `takes_power`, `rest`: how it will die, and what of all that it has
    sent still arrives then. `has_lost_power`: how it died.

    Args:
        near_bytes: how large the tier in memory may become.
        max_bytes: how much may wait, as in the YAML.
    """

    at_risk_s = 10.0

    def __init__(
        self,
        world: World,
        folder: Path,
        name: str,
        near_bytes: int,
        max_bytes: int,
    ) -> None:
        super().__init__(world, folder)
        for each in (self.runtime, self.state):
            each.mkdir(exist_ok=True)
        self.device = name
        self.policy: Policy = "frugal"
        self.transport: Transport = "tcp"
        self.health: Health = "well"
        self.is_online = True
        self.takes_power = self.has_lost_power = False
        self.rest = Rest()
        self.began_s = 0.0
        self.spool: Spool
        self.link: Link
        self._near_bytes = near_bytes
        self._max_bytes = max_bytes
        self._lost_end: End | None = None
        self.boot()

    @property
    def runtime(self) -> Path:
        """What a power cut takes."""
        return self.folder / "run"

    @property
    def state(self) -> Path:
        """What is on the card."""
        return self.folder / "state"

    def boot(self) -> None:
        """Begin a boot."""
        self._boot_id = self.world.new_id()
        self._booted_s = self.world.loop.time()

    def moment(self) -> Moment:
        """What its clocks show."""
        up_ns = round((self.world.loop.time() - self._booted_s) * 10**9)
        return Moment(self._boot_id, _FIRST_BOOT_NS + up_ns, self.world.now_ns(), True)

    @property
    def card(self) -> PlayedCard | None:
        """Its card, where it has a tier of its own."""
        return self.spool.mover.card if self.spool.mover else None  # type: ignore[return-value]

    def set_health(self, health: Health) -> None:
        """Let the card hang, or fail, or work."""
        self.health = health
        if self.is_up and self.card:
            self.card.work_soon()

    def start(self, policy: Policy, transport: Transport = "tcp") -> None:
        """Start the agent."""
        self.policy, self.transport = policy, transport
        self.began_s = self.world.loop.time()
        self.begin(self.die).is_online = self.is_online
        self._play(self._start())

    async def _start(self) -> None:
        settings = SpoolSettings(
            policy=self.policy, at_risk_s=self.at_risk_s, max_bytes=self._max_bytes
        )
        with patch.multiple(start, Card=partial(PlayedCard, self), NEAR_BYTES=self._near_bytes):
            self.spool = await open_spool(
                settings, self.runtime, self.state, self.moment, self.world.new_id
            )
        self.link = Link(
            Contact(self.device, (_COLLECTOR,)), "test", self.spool, lambda: Describe([]), no_command,
            Backoff(lambda: _IMPATIENCE),
        )  # fmt: skip
        if self.transport == "udp":
            self.link.datagrams = DatagramEpochs(self.spool)
        loop = self.world.loop
        self.tasks = [loop.create_task(work) for work in (self.link.run(), self.spool.run())]

    def accept(self, sensor: str, points: Sequence[Point]) -> int:
        """Let a sensor have read this now; return how many readings were accepted."""

        async def work() -> int:
            now_ns, datagrams = self.moment().boot_ns, self.link.datagrams
            before = self.spool.intake.accepted
            if datagrams is not None:
                datagrams.accept(sensor, now_ns, points)
                return len(points)
            self.spool.accept(sensor, now_ns, points)
            self.link.departure.reading()
            return self.spool.intake.accepted - before

        return self._play(work())

    def place(self) -> Place:
        """Where stands what was just accepted."""
        if self.link.datagrams is not None:
            datagrams = self.link.datagrams._sender
            return datagrams.epoch, datagrams.last_seq + 1
        present = self.spool.epochs.present
        assert present is not None
        return present.epoch, present.last_seq + 1

    def is_pending(self, place: Place) -> bool:
        """Whether what stands there does not count as accepted yet."""
        if self.link.datagrams is not None:
            return place == self.place()
        return bool(self.spool.intake._group)

    def send_now(self) -> None:
        """Let the open batch be closed, link or no link, and be sent."""

        async def work() -> None:
            self.spool.close_batch()
            self.link.send_now()

        self._play(work())

    def move(self) -> bool:
        """Let everything move to the card; say whether it did."""
        return self._play(self.spool.move())

    def epochs_on_card(self) -> set[bytes]:
        """The epochs that the card knows; to be asked while the agent is down."""
        found = self._look(self.state, "SELECT facts FROM epoch")
        return {unpack_facts(facts).epoch for (facts,) in found}

    def batches_held(self) -> int:
        """How many batches, and reads of open ones, are in its files; the same."""
        count = "SELECT (SELECT count(*) FROM batch) + (SELECT count(*) FROM tick)"
        tiers = (self.runtime, self.state)
        return sum(number for tier in tiers for (number,) in self._look(tier, count))

    def _look(self, folder: Path, query: str) -> list[tuple[Any, ...]]:
        """Ask a copy: to be opened would change a file that was left by a crash."""
        if not (folder / start.FILE_NAME).exists():
            return []
        copy = self.folder / "copy"
        shutil.copytree(folder, copy)
        found = rows(copy / start.FILE_NAME, query)
        shutil.rmtree(copy)
        return found

    def plug(self, is_online: bool) -> None:
        """Put the cable in, or pull it out: a connection that is there stays until it is cut."""
        self.is_online = is_online
        if self.program is not None:
            self.program.is_online = is_online
        if is_online and self.is_up:
            self.link._hurry.set()

    def cut(self, rest: Rest) -> None:
        """Cut the connection; some of what was sent still arrives, acks do not."""
        end = self.world.network.of(self.program) if self.program else None
        if end is not None:
            self.world.network.orphan(end, rest, says_end=True)
            end.cut()

    def stop(self) -> bool:
        """Stop the agent as systemd would; say whether all was kept."""
        kept = self._play(self._stop())
        if self.program is not None and not self.is_dead:
            self.program.end()
            self._leave()
            self.program = None
        return kept

    async def _stop(self) -> bool:
        if self.link.datagrams is not None:
            self.link.datagrams.stop()
        self.spool.end()
        await self.link.drain(_DRAIN_S)
        for task in self.tasks:
            task.cancel()
        return await self.spool.close(_CLOSE_S)

    def die(self) -> None:
        """Die now, by kill -9 or because the power is gone."""
        if not self.is_up:
            return
        assert self.program is not None
        self.keep_files()
        self.has_lost_power = self.takes_power
        if self.has_lost_power:
            shutil.rmtree(self._left / "run")
            (self._left / "run").mkdir()
        self.program.is_online = False
        self._lost_end = self.world.network.of(self.program)
        if self._lost_end is not None:
            says_end = not self.has_lost_power
            self.world.network.orphan(self._lost_end, self.rest, says_end=says_end)

    def bury(self) -> None:
        """Clear away what died."""
        assert self.program is not None
        if self._lost_end is not None:
            self._lost_end.lose()
            self._lost_end = None
        self.program.end()
        self._leave()
        self.put_files_back()
        if self.has_lost_power:
            self.boot()

    def _play(self, work: Coroutine[Any, Any, _T]) -> _T:
        assert self.program is not None
        return self.program.play(work)

    def _leave(self) -> None:
        if self.card:
            self.card.leave()
        self.spool.near.close()
