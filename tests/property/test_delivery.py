"""The whole way of a reading, from the spool to the store, against a ledger, whatever goes wrong.

Real spools, links, sessions and stores, on a fake clock, a disk in memory and a network in memory. In
the end all faults are over and everything drains: then each reading is stored once, or lies in a gap
that says rightly why.
"""

import random
import string
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collector.store import transaction
from device import link_stream
from device.spool import spool
from kit.accounts import Account
from kit.collectors import Collector
from kit.devices import Health, Pi, Policy
from kit.fakeloop import MOMENT_S, dying_at
from kit.fakenet import End, Rest
from kit.found import Found
from kit.ledgers import Ledger
from kit.results import Results
from kit.stores import rows
from kit.worlds import World
from wire import sender
from wire.batches import place_of
from wire.frames import HEAD_BYTES, MAX_FRAME_BYTES, FrameReader, FrameType

KIB = 1024
# Little room: a few readings fill a tier or a window, begin another epoch, or take another row.
NEAR_BYTES, MAX_BYTES = 80 * KIB, 80 * KIB
LITTLE = (
    patch.object(sender, "WINDOW_BYTES", 6 * KIB),
    patch.object(sender, "BACKLOG_BYTES", 3 * KIB),
    patch.object(link_stream, "BACKLOG_BYTES", 3 * KIB),
    patch.object(spool, "_ROLL_FROM_BYTES", 2 * KIB),
    patch.object(transaction, "_ROW_BYTES", 2 * KIB),
)
NAMES = ("pi", "attic")
POINTS = (
    "spool_after_insert", "spool_before_commit", "spool_after_commit", "spool_mid_move",
    "spool_after_copy", "spool_mid_roll", "spool_mid_gap", "spool_after_ack",
    "store_after_insert", "store_before_commit", "store_after_commit",
)  # fmt: skip
DRAINED_WITHIN_S = 600
RUNS, RUNS_A_PIECE = 20_000, 200

which = st.integers(0, 1)
shares = st.sampled_from([0.0, 1.0, 0.5, 0.1, 0.9])
rests = st.builds(Rest, shares, st.sampled_from([0.0, 0.01, 0.02, 0.04, 0.5, 3.0, 20.0]))
waits = st.sampled_from([0.0, 0.05, 0.002, 0.01, 0.05, 1.5])
online = st.sampled_from([True, True, True, False])
policies = st.sampled_from(["frugal", "frugal", "strict", "memory"])
transports = st.sampled_from(["tcp", "tcp", "tcp", "udp"])

device_is_up = precondition(lambda self: self.up())
device_is_down = precondition(lambda self: self.down())
device_is_connected = precondition(lambda self: self.connections())
collector_is_up = precondition(lambda self: self.collector.is_up)


class Backup(NamedTuple):
    """A copy of the store, what it holds, and when it was made (UTC, ns)."""

    file: Path
    holds: Found
    taken_ns: int


class Delivery(RuleBasedStateMachine):
    """Devices, a collector, and everything that may befall them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(*LITTLE)
        self.ledger = Ledger()
        self.collector = Collector(self.world, self.world.folder / "store")
        self.accounts: list[Account] = []
        self.backup: Backup | None = None
        self.trap: Any = None
        self.may_be_cloned = False
        self.channels = 1

    @initialize(policy=policies, transport=transports, may_be_cloned=st.booleans(),
                channels=st.sampled_from([1, 1, 1, 151]))  # fmt: skip
    def begin(self, policy: Policy, transport: Any, may_be_cloned: bool, channels: int) -> None:
        """One device and its collector, and both know each other."""
        self.may_be_cloned, self.channels = may_be_cloned, channels
        self.collector.start()
        self._start(self._new_pi(NAMES[0]), policy, transport)
        self._pass(MOMENT_S)

    def teardown(self) -> None:
        """All faults are over: let everything drain, and judge."""
        try:
            if sys.exc_info()[0] is None and self.accounts:
                self._drain()
                self.ledger.check(Found(self.collector.file))
        finally:
            self._clear_away()

    # What a device does ---------------------------------------------------------------------------

    @device_is_up
    @rule(which=which, reads=st.integers(1, 4), channels=st.sampled_from([1, 3, 100]), wait=waits)
    def accept(self, which: int, reads: int, channels: int, wait: float) -> None:
        """Sensors were read, with few channels or with many."""
        account = self._up(which)
        dice = random.Random(len(self.ledger.readings))
        for _ in range(reads):
            if account.pi.is_up:
                names = [
                    "".join(dice.choices(string.ascii_lowercase, k=60)) for _ in range(channels)
                ]
                account.accept(names if account.pi.transport == "tcp" else names[:3])
        self._pass(wait)

    @device_is_up
    @rule(which=which, wait=waits)
    def move(self, which: int, wait: float) -> None:
        """Everything moves to the card."""
        account = self._up(which)
        if account.pi.health != "hangs" and account.pi.move() and account.pi.is_up:
            account.moved()
        self._pass(wait)

    @device_is_up
    @rule(which=which, comes_back=online, policy=policies, transport=transports, wait=waits)
    def stop(
        self, which: int, comes_back: bool, policy: Policy, transport: Any, wait: float
    ) -> None:
        """The agent stops cleanly, and starts again, or stays away."""
        account = self._up(which)
        self._stop(account)
        if comes_back and account.pi.program is None:
            self._start(account, policy, transport)
        self._pass(wait)

    @device_is_down
    @rule(which=which, policy=policies, transport=transports, wait=waits)
    def start(self, which: int, policy: Policy, transport: Any, wait: float) -> None:
        """The agent starts, with a policy of its own."""
        self._start(self._down(which), policy, transport)
        self._pass(wait)

    @device_is_up
    @rule(which=which, takes_power=st.booleans(), rest=rests, policy=policies,
          transport=transports, wait=waits)  # fmt: skip
    def die(
        self,
        which: int,
        takes_power: bool,
        rest: Rest,
        policy: Policy,
        transport: Any,
        wait: float,
    ) -> None:
        """The agent is killed, or loses its power; and starts again."""
        account = self._up(which)
        account.pi.takes_power, account.pi.rest = takes_power, rest
        self._be_read()
        account.pi.die()
        self._bury()
        self._start(account, policy, transport)
        self._pass(wait)

    @rule(point=st.sampled_from(POINTS), passes=st.integers(1, 3), takes_power=st.booleans(),
          rest=rests, wait=waits)  # fmt: skip
    def set_trap(self, point: str, passes: int, takes_power: bool, rest: Rest, wait: float) -> None:
        """Whatever comes next: between two steps that must agree, somebody dies."""
        for account in self.accounts:
            account.pi.takes_power, account.pi.rest = takes_power, rest
        self.collector.rest = rest
        self._disarm()
        self.trap = dying_at(point, passes)
        self.trap.start()
        self._pass(wait)

    @device_is_down
    @rule(which=which, wait=waits)
    def lose_memory(self, which: int, wait: float) -> None:
        """While an agent is down, somebody clears the memory file system."""
        account = self._down(which)
        self._lost_memory(account)
        for each in account.pi.runtime.iterdir():
            each.unlink()
        self._pass(wait)

    @device_is_down
    @precondition(lambda self: len(self.accounts) == 1)
    @rule(name=st.sampled_from(NAMES), policy=policies)
    def rename(self, name: str, policy: Policy) -> None:
        """A device that is down gets another name, and starts with it."""
        (account,) = self.accounts
        account.pi.device = name
        self._start(account, policy)
        self._pass(MOMENT_S)

    @precondition(lambda self: self.may_be_cloned and len(self.accounts) == 1)
    @rule()
    def clone(self) -> None:
        """The card is copied, and another Pi starts with the copy."""
        (account,) = self.accounts
        pi = account.pi
        if pi.is_up and pi.policy == "strict":
            return  # copied while it is written, its open batch would become two of one number
        account.copied()
        other = self._new_pi(pi.device)
        for each in pi.state.iterdir():
            (other.pi.state / each.name).write_bytes(each.read_bytes())
        self._start(other, "frugal")
        self._pass(MOMENT_S)

    @rule(which=which, health=st.sampled_from(["well", "hangs", "fails"]), wait=waits)
    def card_turns(self, which: int, health: Health, wait: float) -> None:
        """A card hangs, or fails, or works again."""
        self._any(which).pi.set_health(health)
        self._pass(wait)

    # What the network does ------------------------------------------------------------------------

    @rule(which=which, rest=rests, is_online=online, wait=waits)
    def cut(self, which: int, rest: Rest, is_online: bool, wait: float) -> None:
        """The connection breaks; acks are lost, and some of what was sent is still on its way."""
        pi = self._any(which).pi
        self._be_read()
        pi.cut(rest)
        pi.plug(is_online)
        self._pass(wait)

    @device_is_connected
    @rule(which=which, up=st.booleans(), down=st.booleans(), up_share=shares, down_share=shares,
          wait=waits)  # fmt: skip
    def hold_back(
        self, which: int, up: bool, down: bool, up_share: float, down_share: float, wait: float
    ) -> None:
        """A part comes through, and then nothing one way or the other, or everything again."""
        _, end = self._connected(which)
        for each, is_halted, share in ((end, down, down_share), (end.peer, up, up_share)):
            each.hand_over(share)
            each.halt(is_halted)
        self._pass(wait)

    @precondition(lambda self: any(each.pi.transport == "udp" for each in self.accounts))
    @rule(order=st.randoms(use_true_random=False), share=shares, wait=waits)
    def datagrams_come(self, order: random.Random, share: float, wait: float) -> None:
        """Datagrams come late, in any order, more than once or not at all; from now on they do so."""
        air = self.world.network.air
        air.is_halted = not air.is_halted
        some = [*air.ever, *air.coming]
        air.coming = []
        air.arrive(order.sample(some, round(len(some) * share)))
        self._pass(wait)

    # What the collector does ----------------------------------------------------------------------

    @collector_is_up
    @rule(count=st.integers(0, 3), is_stalled=st.booleans(), wait=waits)
    def stall_store(self, count: int, is_stalled: bool, wait: float) -> None:
        """The collector's disk takes a few requests more, and then hangs, or goes on."""
        self.collector.commit(count)
        if self.collector.is_up:
            self.collector.stall(is_stalled)
        self._pass(wait)

    @rule(rest=rests, is_clean=st.booleans(), comes_back=online, wait=waits)
    def end_collector(self, rest: Rest, is_clean: bool, comes_back: bool, wait: float) -> None:
        """The collector is stopped or killed, and starts again, or stays away."""
        self._end_collector(rest, is_clean)
        if comes_back:
            self.collector.start()
        self._pass(wait)

    @rule(wait=waits)
    def back_up(self, wait: float) -> None:
        """Somebody keeps a copy of the store."""
        file = self.world.folder / "copy"
        taken_ns = self.collector.back_up(file)
        self.backup = Backup(file, Found(file), taken_ns)
        self._pass(wait)

    @precondition(lambda self: self.backup is not None)
    @rule(rest=rests, wait=waits)
    def restore(self, rest: Rest, wait: float) -> None:
        """Somebody goes back to it."""
        assert self.backup is not None
        self._end_collector(rest, is_clean=False)
        now = Found(self.collector.file)
        self.collector.restore(self.backup.file)
        self.ledger.set_back(now, self.backup.holds, self.backup.taken_ns, self.world.now_ns())
        self.collector.start()
        self._pass(wait)

    @device_is_up
    @rule(which=which, ahead=st.integers(0, 2), wait=waits)
    def refuse(self, which: int, ahead: int, wait: float) -> None:
        """The store cannot take a batch that is about to come, or takes again what it could not."""
        self.collector.refused.clear()
        for facts in self._up(which).pi.spool.epochs:
            self._reject(facts.epoch, facts.mark + 1 + ahead)
        self._pass(wait)

    @device_is_connected
    @rule(which=which, wait=waits)
    def spoil(self, which: int, wait: float) -> None:
        """A bit of the next batch that is sent is changed on its way."""
        _, end = self._connected(which)
        end.spoil = self._spoil
        self._pass(wait)

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.2, 3.0, 9.0, 20.0, 65.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self._pass(seconds)

    # Who there is ---------------------------------------------------------------------------------

    def up(self) -> list[Account]:
        """Those whose agent runs."""
        return [each for each in self.accounts if each.pi.is_up]

    def down(self) -> list[Account]:
        """Those whose agent does not."""
        return [each for each in self.accounts if not each.pi.is_up]

    def dead(self) -> list[Account]:
        """Those whose agent has died."""
        return [each for each in self.accounts if each.pi.is_dead]

    def connections(self) -> list[tuple[Pi, End]]:
        """Who is connected, and by what."""
        network = self.world.network
        found = [(each.pi, network.of(each.pi.program)) for each in self.up() if each.pi.program]
        return [(pi, end) for pi, end in found if end is not None]

    def _any(self, which: int) -> Account:
        return self.accounts[which % len(self.accounts)]

    def _up(self, which: int) -> Account:
        return self.up()[which % len(self.up())]

    def _down(self, which: int) -> Account:
        return self.down()[which % len(self.down())]

    def _connected(self, which: int) -> tuple[Pi, End]:
        return self.connections()[which % len(self.connections())]

    # How it is done -------------------------------------------------------------------------------

    def _new_pi(self, name: str) -> Account:
        folder = self.world.folder / f"pi{len(self.accounts)}"
        self.accounts.append(
            Account(Pi(self.world, folder, name, NEAR_BYTES, MAX_BYTES), self.ledger)
        )
        return self.accounts[-1]

    def _accept(self, account: Account, channels: int) -> None:
        """Let a sensor be read that has so many channels, whose names cannot be deflated."""
        dice = random.Random(len(self.ledger.readings))
        names = ["".join(dice.choices(string.ascii_lowercase, k=60)) for _ in range(channels)]
        account.accept(names if account.pi.transport == "tcp" else names[:3])

    def _be_read(self) -> None:
        """Let a sensor of each device be read, and every other time be sent at once."""
        for account in self.up():
            self._accept(account, self.channels)
            if len(self.ledger.readings) % 2 and account.pi.is_up:
                account.pi.send_now()

    def _pass(self, seconds: float) -> None:
        """Let time pass, in which sensors go on being read; what a trap has killed starts again.

        No part may have ended by itself, and nothing may reach the loop's own fault handler.
        """
        self._be_read()
        if seconds:
            self.world.pass_time(seconds)
        dead, is_collector_dead = self.dead(), self.collector.is_dead
        self._bury()
        if is_collector_dead:
            self.collector.start()
        for account in dead:
            self._start(account, account.pi.policy, account.pi.transport)
        assert self.world.loop.faults == [], self.world.loop.faults
        for account in self.up():
            account.look()
            assert not any(task.done() for task in account.pi.tasks)

    def _start(self, account: Account, policy: Policy, transport: Any = "tcp") -> None:
        account.starts(policy)
        account.pi.start(policy, transport)
        self._bury()

    def _stop(self, account: Account) -> None:
        account.look()
        is_kept = account.pi.stop()
        if not account.pi.is_dead:
            account.stopped(is_kept)
        self._bury()

    def _bury(self) -> None:
        """Clear away who has died."""
        for account in self.dead():
            account.died()
            account.pi.bury()
            if account.pi.has_lost_power:
                self._lost_memory(account)
        if self.collector.is_dead:
            self.collector.bury()

    def _lost_memory(self, account: Account) -> None:
        file, device = self.collector.file, account.pi.device
        known = {epoch for (epoch,) in rows(file, "SELECT epoch FROM epoch")}
        is_heard = bool(rows(file, "SELECT 1 FROM device WHERE name = ?", device))
        account.lost_memory(is_heard, known | account.pi.epochs_on_card())

    def _end_collector(self, rest: Rest, is_clean: bool) -> None:
        if not self.collector.is_up:
            return
        if is_clean:
            self.collector.stop()
        else:
            self.collector.rest = rest
            self.collector.die()
        self._bury()

    def _reject(self, epoch: bytes, seq: int) -> None:
        self.collector.refused.add((epoch, seq))
        self.ledger.rejected.add((epoch, seq))

    def _spoil(self, data: bytes) -> bytes:
        """Change a bit of the first batch among whole frames."""
        start = 0
        for kind, body in FrameReader(MAX_FRAME_BYTES).feed(data):
            end = start + HEAD_BYTES + len(body)
            if kind is FrameType.BATCH:
                epoch, seq, _ = place_of(body)
                self.ledger.rejected.add((epoch, seq))
                return data[: end - 5] + bytes([data[end - 5] ^ 1]) + data[end - 4 :]
            start = end
        return data

    def _disarm(self) -> None:
        if self.trap is not None:
            self.trap.stop()
            self.trap = None

    # The end --------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """End all faults, and let each device send all that it holds under any name."""
        self._disarm()
        if not self.collector.is_up:
            self.collector.start()
        self.collector.stall(False)
        network = self.world.network
        network.air.is_halted = False
        for end in [*network.ends, *network.orphans]:
            end.halt(False)
            end.peer.halt(False)
        for account in self.accounts:
            account.pi.set_health("well")
            account.pi.plug(True)
        self._bury()
        for account in self.up():
            self._stop(account)
        present = self.accounts[0].pi.device
        others = {each.device for each in self.ledger.readings} - {present}
        for name in [present, *sorted(others), present]:
            for account in self.accounts:
                self._let_drain(account, name)
        for account in self.accounts:
            assert account.pi.batches_held() == 0

    def _let_drain(self, account: Account, name: str) -> None:
        pi = account.pi
        pi.device = name
        self._start(account, "frugal")
        until_s = self.world.loop.time() + DRAINED_WITHIN_S
        while not (pi.link.is_up and pi.link.is_drained):
            assert self.world.loop.time() < until_s, "something is stuck"
            self.world.pass_time(1.0)
        self._stop(account)
        assert self.world.loop.faults == [], self.world.loop.faults

    def _clear_away(self) -> None:
        self._disarm()
        for account in self.up():
            account.pi.takes_power = False
            account.pi.die()
        if self.collector.is_up:
            self.collector.die()
        for mortal in [*(each.pi for each in self.accounts), self.collector]:
            if mortal.is_dead:
                mortal.bury()
        self.world.close()


TestDelivery = Delivery.TestCase
TestDelivery.__doc__ = "Stored once or in a gap, whatever goes wrong on the way."
TestDelivery.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_nobody_waits_for_the_card_of_another() -> None:
    """While one device starts with a card that hangs, what another was given counts, and drains."""
    delivery = Delivery()
    try:
        delivery.begin(policy="frugal", transport="tcp", may_be_cloned=True, channels=1)
        delivery.clone()
        delivery.card_turns(which=1, health="hangs", wait=0.0)
        for device, policy in ((0, "strict"), (1, "frugal")):
            delivery.die(
                which=device, takes_power=False, rest=Rest(0.0), policy=policy, transport="tcp",
                wait=0.0,
            )  # fmt: skip
    finally:
        delivery.teardown()


@pytest.mark.full
@pytest.mark.parametrize("piece", range(RUNS // RUNS_A_PIECE))
def test_delivery_at_length(piece: int) -> None:
    """The same in 20,000 runs, in pieces that can be resumed."""
    results = Results("delivery")
    if results.has(piece):
        pytest.skip("done in an earlier run")
    at_length = settings(
        max_examples=RUNS_A_PIECE,
        stateful_step_count=60,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(piece)(Delivery), settings=at_length)
    results.add(piece, runs=RUNS_A_PIECE, lost=0, twice=0)
