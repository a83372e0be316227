"""A sealer that is stopped, slow or at a loss: devices wait, memory stays bounded, and nothing is lost.

Real sessions, on real sockets: each device sends more than what the collector takes at once.
"""

import asyncio
import random
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from collector.store import sealing
from kit.servers import Device, Scenario, ServerRig, player
from kit.stores import arrived, open_reader, rows
from kit.waiting import WITHIN_S, until
from kit.wireworks import EPOCH, sealed_batch
from wire.bodies import Ack
from wire.receiver import Arrived

BATCHES = 100
READINGS = 1000
NAMES = ["attic", "cellar"]
MAX_RIPE_BYTES = 200_000
WINDOW_BYTES = 64 * 1024
# What asyncio hands over at once.
_READ_BYTES = 256 * 1024
# What waits to be sealed at most: one piece of each session more than may.
BOUND_BYTES = MAX_RIPE_BYTES + len(NAMES) * (_READ_BYTES + WINDOW_BYTES)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """What runs a scenario against a collector that soon has enough to seal."""
    monkeypatch.setattr("collector.store.writer.MAX_RIPE_BYTES", MAX_RIPE_BYTES)
    monkeypatch.setattr("collector.store.unsealed._HURRY_BYTES", MAX_RIPE_BYTES // 16)
    monkeypatch.setattr("collector.session.WINDOW_BYTES", WINDOW_BYTES)
    return player(tmp_path)


@cache
def values(number: int) -> list[float]:
    """What one batch of any device holds: nothing that deflates."""
    dice = random.Random(number)
    return [dice.randrange(10**12) / 1000 for _ in range(READINGS)]


@cache
def sent() -> list[Arrived]:
    """What each device sends."""
    return [
        arrived(sealed_batch(seq, values(seq), first_ns=seq * READINGS * 10**9))
        for seq in range(1, BATCHES + 1)
    ]


async def sending(rig: ServerRig) -> list[Device]:
    """Devices that send all they have; more than may wait."""
    devices = [await rig.device(name) for name in NAMES]
    for device in devices:
        device.send_batches(*sent())
    assert sum(len(each.sealed) for each in sent()) * len(NAMES) > 2 * BOUND_BYTES
    return devices


def is_all_acknowledged(devices: list[Device]) -> bool:
    """Whether all that was sent is stored, as far as they know."""
    return all(Ack(EPOCH, BATCHES, False) in device.events for device in devices)


async def check(rig: ServerRig, devices: list[Device]) -> None:
    """Everything comes, nobody waits any more, and each reading is stored once, in order of time."""
    for device in devices:
        await device.acknowledged(EPOCH, BATCHES)
    await until(lambda: not rig.sessions.behind)
    assert await asyncio.to_thread(rig.housekeeper.close, WITHIN_S)
    assert rig.failures == []
    wanted = [value for seq in range(1, BATCHES + 1) for value in values(seq)]
    with open_reader(rig.file) as reader:
        parts = reader.range("*", 0, 2**62).parts
    assert [part.series.partition("/")[0] for part in parts] == NAMES
    assert [part.values.tolist() for part in parts] == [wanted] * len(NAMES)


def test_sealer_that_is_stopped(play: Callable[[Scenario], None]) -> None:
    """Nothing more is read from anybody until it seals; then all goes on by itself."""

    async def scenario(rig: ServerRig) -> None:
        devices = await sending(rig)
        await until(lambda: len(rig.sessions.behind) == len(NAMES) and not rig.writer.pending_bytes)
        assert not any(session.transport.is_reading() for session in rig.made)
        assert MAX_RIPE_BYTES < rig.writer.unsealed.ripe_bytes() <= BOUND_BYTES
        assert not is_all_acknowledged(devices)
        rig.housekeeper.start()
        await check(rig, devices)
        assert rows(rig.file, "SELECT count(*) > 0 FROM chunk") == [(1,)]

    play(scenario)


class Gate:
    """A sealer that seals once each time the test says so."""

    def __init__(self) -> None:
        self.is_waiting = False
        self._may = threading.Semaphore(0)

    def seal(self, some: list[sealing.BatchRow]) -> sealing.Sealed:
        """Seal, when the test says so."""
        self.is_waiting = True
        assert self._may.acquire(timeout=WITHIN_S)
        return sealing.seal(some)

    def let(self) -> None:
        """Say so."""
        self.is_waiting = False
        self._may.release()


def test_sealer_that_is_slow(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Devices go on as it does, and never is there more than may be."""
    gate = Gate()
    monkeypatch.setattr("collector.store.sealer.seal", gate.seal)
    monkeypatch.setattr("collector.store.sealer._MAX_BYTES", 1)

    async def scenario(rig: ServerRig) -> None:
        devices = await sending(rig)
        rig.housekeeper.start()
        times = 0
        while not is_all_acknowledged(devices):
            await until(
                lambda: gate.is_waiting and (rig.sessions.behind or is_all_acknowledged(devices))
            )
            assert rig.writer.unsealed.ripe_bytes() <= BOUND_BYTES
            times += 1
            gate.let()
        assert times > 10
        monkeypatch.setattr("collector.store.sealer.seal", sealing.seal)
        gate.let()
        await check(rig, devices)

    play(scenario)


def test_sealer_that_is_at_a_loss(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be sealed stays as it came, and holds nobody up."""

    def seal(some: list[sealing.BatchRow]) -> sealing.Sealed:
        """Seal, but not everything."""
        if some[0].device == NAMES[0]:
            raise ArithmeticError("cannot be")
        return sealing.seal(some)

    monkeypatch.setattr("collector.store.sealer.seal", seal)

    async def scenario(rig: ServerRig) -> None:
        devices = await sending(rig)
        await until(lambda: len(rig.sessions.behind) == len(NAMES))
        rig.housekeeper.start()
        await check(rig, devices)
        sealed = rows(
            rig.file,
            "SELECT DISTINCT device FROM stored_series JOIN chunk ON series = stored_series.id",
        )
        assert sealed == rows(rig.file, "SELECT id FROM device WHERE name = ?", NAMES[1])

    play(scenario)
