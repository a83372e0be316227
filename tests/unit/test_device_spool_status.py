"""device.spool_status: what `telegauge-device status` says of the spool is what is so."""

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest

from device.spool import Spool
from device.spool_status import SpoolStatus, spool_status, written_bytes
from kit.links import play
from kit.spoolfaults import card_of, failing_at, raising
from kit.spools import MIB, OWNER, Home, accept, fill

MEMORY = Path("/dev/shm")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a device."""
    return Home(tmp_path / "home")


def status(spool: Spool, uptime_s: float = 100.0, device: str = OWNER) -> SpoolStatus:
    """How a spool stands."""
    return spool_status(spool, device, uptime_s)


def test_spool_that_is_empty(home: Home) -> None:
    """Nothing waits, nothing is at risk, and nobody knows yet for how long there is room."""

    async def scenario() -> None:
        async with home.opened() as spool:
            found = status(spool)
            assert found == SpoolStatus(
                policy="frugal",
                held_readings=0,
                held_bytes=0,
                max_bytes=256 * MIB,
                at_risk_readings=0,
                at_risk_s=0.0,
                at_risk_limit_s=10.0,
                room_s=None,
                written_bytes=found.written_bytes,
                dropped_readings=0,
                refused_readings=0,
                full=False,
                card_error="",
                others_epochs=0,
            )

    play(scenario())


@pytest.mark.parametrize(
    ("policy", "at_risk"), [("frugal", (3, 6.0)), ("strict", (0, 0.0)), ("memory", (9, 7.0))]
)
def test_what_is_held_and_what_is_at_risk(
    home: Home, policy: str, at_risk: tuple[int, float]
) -> None:
    """In both tiers together; at risk is what is in memory only, and since when."""

    async def scenario() -> None:
        async with home.opened(policy, at_risk_s=30.0, max_bytes=8 * MIB) as spool:
            fill(spool, 3, readings=2)
            await spool.move()
            home.clock.go_on(1)
            fill(spool, 1, readings=2, first=6)
            accept(spool, 8.0)
            home.clock.go_on(6)
            found = status(spool)
            assert (found.policy, found.held_readings) == (policy, 9)
            assert found.held_bytes == spool.intake.closed_bytes
            assert (found.at_risk_readings, found.at_risk_s) == at_risk
            assert (found.at_risk_limit_s, found.max_bytes) == (30.0, 8 * MIB)

    play(scenario())


def test_how_long_it_can_stay_offline(home: Home) -> None:
    """What is free, at the rate of this run; nothing is free of a spool that is full."""

    async def scenario() -> None:
        async with home.opened(max_bytes=MIB) as spool:
            fill(spool, 10, readings=100)
            size_bytes = spool.intake.closed_bytes
            assert status(spool, 50.0).room_s == (MIB - size_bytes) / (size_bytes / 50)
            assert spool.epochs.present is not None
            spool.acknowledge(spool.epochs.present, 10)
            assert status(spool, 50.0).room_s == MIB / (size_bytes / 50)
            assert status(spool, 0.01).room_s == MIB / size_bytes, "of a second, at least"
        async with home.opened(max_bytes=1000) as spool:
            fill(spool, 10, readings=100)
            assert status(spool).room_s == 0.0

    play(scenario())


def test_what_was_let_go_and_what_was_refused(home: Home) -> None:
    """Each is counted, and that nothing can be kept now is said."""

    async def scenario() -> None:
        async with home.opened("memory", max_bytes=128 * 1024) as spool:
            while not spool.dropped_readings:
                fill(spool, 10, readings=3)
            with patch.object(spool.near, "accept", raising("io")):
                accept(spool, 1.0, 2.0)
            found = status(spool)
            assert found.dropped_readings == spool.dropped_readings > 0
            assert found.held_readings == spool.intake.accepted - found.dropped_readings
            assert (found.refused_readings, found.full) == (2, True)

    play(scenario())


def test_card_that_fails(home: Home) -> None:
    """With what it fails, until it works again."""

    async def scenario() -> None:
        async with home.opened() as spool:
            fill(spool, 1)
            with failing_at("spool_mid_move", "io"):
                await spool.move()
            assert status(spool).card_error == card_of(spool).error != ""
            await spool.move()
            assert status(spool).card_error == ""

    play(scenario())


def test_epochs_of_another_name(home: Home) -> None:
    """They wait until the device is called so again."""

    async def scenario() -> None:
        spool = await home.open()
        fill(spool, 1)
        await spool.held(OWNER)
        await home.kill(spool)
        async with home.opened() as spool:
            assert status(spool, device="cellar").others_epochs == 1
            assert status(spool, device=OWNER).others_epochs == 0

    play(scenario())


def test_file_in_memory_is_not_written_to_a_disk() -> None:
    """The kernel counts for this process, and not what tier 1 takes: it wears nothing."""
    before = written_bytes()
    if before is None or not MEMORY.is_dir():
        pytest.skip("no memory file system here, or a kernel that does not count what is written")
    with tempfile.TemporaryFile(dir=MEMORY) as file:
        file.write(os.urandom(8 * MIB))
        file.flush()
        os.fsync(file.fileno())
    after = written_bytes()
    assert after is not None
    assert 0 <= after - before < 8 * MIB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4096\ncancelled_write_bytes: 5\n", 4096),
        ("rchar: 1\nwchar: 2\n", None),
        ("", None),
        (None, None),
    ],
)
def test_kernel_that_does_not_say(tmp_path: Path, text: str | None, expected: int | None) -> None:
    """Without the file, or the line in it, nothing is said of what was written."""
    if text is not None:
        (tmp_path / "io").write_text(text)
    assert written_bytes(tmp_path / "io") == expected
