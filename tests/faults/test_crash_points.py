"""The agent or the collector dies between two steps that must agree: at each named place."""

import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from kit import rigs
from kit.results import Results
from kit.rigs import Rig
from kit.waiting import wait_until
from service.control import ControlError

# What a death leaves is put in order at the next start, which is promised within two seconds; what
# is measured goes to the results, since a test machine may be busy with others.
RESTART_WITHIN_S = 10.0
# The spool moves to the card soon, so that an outage of a second is enough.
SOON = "spool: {at_risk: 1s}\n"
SMALL = "spool: {at_risk: 1s, max_size: 1MiB}\n"


class Place(NamedTuple):
    """A named crash point, and what leads a program there.

    Attributes:
        passes: at which pass it dies in the quick form.
        most: up to which pass it dies in the full form.
        has_link: the agent has its collector; else it is in an outage.
        long: the collector comes back when so many readings wait.
        ballast: how many sensors fill the spool.
        more: the device's YAML.
        seals: the collector is asked to seal, again and again.
    """

    name: str
    passes: int = 1
    most: int = 3
    has_link: bool = False
    long: int | None = None
    ballast: int = 0
    more: str = SOON
    seals: bool = False

    @property
    def is_devices(self) -> bool:
        """Whether it is the agent that dies there."""
        return self.name.startswith("spool")


PLACES = [
    Place("spool_after_insert", passes=5, most=20),
    Place("spool_before_commit", passes=12, most=40),
    Place("spool_after_commit", passes=5, most=20),
    Place("spool_after_ack", passes=2, has_link=True),
    Place("spool_mid_move"),
    Place("spool_after_copy"),
    # The first is passed by each start; the next when a session begins with much to send.
    Place("spool_mid_roll", passes=2, most=2, long=15_000, ballast=1),
    Place("spool_mid_gap", most=5, ballast=3, more=SMALL),
    Place("store_after_insert", passes=2, most=5, has_link=True),
    Place("store_before_commit", passes=4, most=10, has_link=True),
    Place("store_after_commit", passes=4, most=10, has_link=True),
    Place("store_sealing", passes=2, most=6, has_link=True, seals=True),
    Place("store_merging", passes=2, most=4, has_link=True, seals=True),
]


def die(rig: Rig, place: Place, passes: int) -> None:
    """Let a program die the nth time it passes a place."""
    victim = rig.device if place.is_devices else rig.collector
    victim.environment["TELEGAUGE_CRASH_AT"] = f"{place.name}:{passes}"
    if not place.has_link:
        rig.collector.end()
    elif rig.collector.is_dead():
        rig.collector.try_start()
    if rig.device.is_dead() and rig.device.try_start() and place.long:
        wait_until(lambda: held(rig) > place.long or victim.is_dead(), 60)
        rig.collector.start()
    if place.seals:
        seal_until_dead(rig)
    (rig if place.is_devices else victim).wait_dead(60)
    assert victim.exit_code == -signal.SIGKILL, victim.said()
    del victim.environment["TELEGAUGE_CRASH_AT"]


def held(rig: Rig) -> int:
    """Return how many readings wait; none where the agent has just died."""
    try:
        return rig.held()
    except ControlError:
        return 0


def seal_until_dead(rig: Rig) -> None:
    """Let the collector seal what has come, whenever some more has."""
    while not rig.collector.is_dead():
        with suppress(ControlError):
            rig.collector.ask("seal")
        rig.wait_for_reads(3)


def go_on(rig: Rig, place: Place) -> float:
    """Start whatever is dead; return how long it took until what had died answered."""
    victim, other = rig.device, rig.collector
    if not place.is_devices:
        victim, other = other, victim
    if other.is_dead():
        other.start()
    began_s = time.monotonic()
    victim.start()
    return time.monotonic() - began_s


def run(folder: Path, place: Place, passes: list[int]) -> dict[str, object]:
    """Let a program die at a place, again and again; judge what is left."""
    others = "".join(rigs.ballast(f"ballast_{n}", 1000) for n in range(place.ballast))
    with rigs.rig(folder, channels=20, more=place.more, others=others, tls=True) as rig:
        for each in passes:
            die(rig, place, each)
        restarted_s = go_on(rig, place)
        rig.wait_until_sent(but=100 + place.ballast * 20_000)
        rig.stop()
        verdict = rig.verdict()
    assert verdict.clean, verdict
    assert (verdict.in_gap > 0) == (place.name == "spool_mid_gap"), verdict
    assert restarted_s < RESTART_WITHIN_S
    return {
        "passes": passes, "restarted_s": round(restarted_s, 2), "given": verdict.given,
        "stored": verdict.stored, "lost": 0, "twice": 0, "altered": 0, "in_gap": verdict.in_gap,
        "unsure": verdict.unsure,
    }  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_death_between_two_steps_loses_nothing(tmp_path: Path, place: Place) -> None:
    """Whatever the last step was: nothing is lost, nothing is stored twice."""
    run(tmp_path, place, [place.passes])


@pytest.mark.full
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_death_twice_in_a_row_loses_nothing(tmp_path: Path, place: Place, number: int) -> None:
    """Twenty times twice in a row at each place, at passes that a seed chooses."""
    results = Results("crash points")
    if results.has([place.name, number]):
        pytest.skip("done in an earlier run")
    dice = random.Random(f"{place.name} {number}")
    passes = [dice.randint(1, place.most) for _ in range(2)]
    results.add([place.name, number], **run(tmp_path, place, passes))
