"""kill -9 of the agent and of the collector at any moment: nothing accepted is lost, nothing twice."""

import random
from pathlib import Path

import pytest

from kit import rigs
from kit.results import Results

# So many kills hit one pair of programs, with the store and the spool that the others have left.
KILLS_A_RIG = 50


def run(
    folder: Path, kills: int, channels: int, seed: int, *, tls: bool = True
) -> dict[str, object]:
    """Kill one or the other so many times, at moments that a seed chooses; judge what is left."""
    dice = random.Random(seed)
    with rigs.rig(folder, channels=channels, tls=tls) as rig:
        rig.start()
        for _ in range(kills):
            rig.wait_for_reads(dice.randint(0, 6))
            victims = dice.choice([[rig.device], [rig.collector], [rig.device, rig.collector]])
            for victim in victims:
                victim.kill()
            for victim in reversed(victims):
                victim.start()
        rig.wait_until_sent()
        rig.stop()
        verdict = rig.verdict()
    assert verdict.clean, verdict
    assert verdict.in_gap == 0
    return {
        "kills": kills, "given": verdict.given, "stored": verdict.stored,
        "lost": 0, "twice": 0, "altered": 0, "unsure": verdict.unsure,
    }  # fmt: skip


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_nothing_is_lost_by_kills(tmp_path: Path, tls: bool) -> None:
    """20 kills: everything given more than 300 ms before one is stored, once and unaltered."""
    run(tmp_path, 20, 10, seed=1, tls=tls)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 120))
def test_nothing_is_lost_by_a_thousand_kills(tmp_path: Path, seed: int) -> None:
    """1,000 kills over a million readings, in pieces that can be resumed."""
    results = Results("kills")
    if results.has(seed):
        pytest.skip("done in an earlier run")
    results.add(seed, **run(tmp_path, KILLS_A_RIG, 300, seed))
