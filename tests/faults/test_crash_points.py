"""The agent or the collector dies between two steps that must agree: at each named place."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.store import HOUR_NS
from collector.store.database import FILE_NAME
from kit import rigs
from kit.results import Results
from kit.rigs import Rig
from kit.stores import OTHER_EPOCH, at_ns, batch, commit, open_reader, read
from kit.waiting import wait_until
from service import control
from service.control import ControlError

# What a death leaves is put in order at the next start, which is promised within two seconds; what
# is measured goes to the results, since a test machine may be busy with others.
RESTART_WITHIN_S = 10.0
# The spool moves to the card soon, so that an outage of a second is enough.
SOON = "spool: {at_risk: 1s}\n"
SMALL = "spool: {at_risk: 1s, max_size: 1MiB}\n"
# Another device has been in the store for long: of its series readings are deleted, or kept no longer.
OTHER = [f"c{number:02}" for number in range(12)]
UNTIL_S = 60
DELETED_FROM_S = 30.5
KEPT = "retention: [{series: 'other/*', raw: 1h}]\n"


class Place(NamedTuple):
    """A named crash point, and what leads a program there.

    Attributes:
        passes: at which pass it dies in the quick form.
        most: up to which pass it dies in the full form.
        has_link: the agent has its collector; else it is in an outage.
        long: the collector comes back when so many readings wait.
        ballast: how many sensors fill the spool.
        more: the device's YAML.
        act: what the collector is made to do, again and again.
        left: how many readings of each series of the other device are left in the end; None: there is none.
    """

    name: str
    passes: int = 1
    most: int = 3
    has_link: bool = False
    long: int | None = None
    ballast: int = 0
    more: str = SOON
    act: Callable[[Rig], object] | None = None
    left: int | None = None

    @property
    def is_devices(self) -> bool:
        """Whether it is the agent that dies there."""
        return self.name.startswith("spool")


def seal(rig: Rig) -> None:
    """Let the collector seal what has come."""
    rig.collector.ask("seal")


def delete(rig: Rig) -> None:
    """Let it delete some of the other device's readings."""
    span = {"start_ns": at_ns(DELETED_FROM_S), "end_ns": None, "again": False}
    control.ask(rig.collector.runtime / "control", "delete", pattern="other/*", **span)


def look_at_rules(rig: Rig) -> None:
    """Let it start on sealed readings: then it looks at once which of them are kept no longer."""
    rig.collector.ask("seal")
    rig.collector.stop()
    rig.collector.try_start()


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
    Place("store_sealing", passes=2, most=6, has_link=True, act=seal),
    Place("store_merging", passes=2, most=4, has_link=True, act=seal),
    Place("store_cutting", passes=2, most=4, has_link=True, act=delete, left=30),
    Place("store_expiring", passes=2, most=4, has_link=True, act=look_at_rules, left=0),
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
    if place.act:
        act_until_dead(rig, place.act)
    (rig if place.is_devices else victim).wait_dead(60)
    assert victim.exit_code == -signal.SIGKILL, victim.said()
    del victim.environment["TELEGAUGE_CRASH_AT"]


def held(rig: Rig) -> int:
    """Return how many readings wait; none where the agent has just died."""
    try:
        return rig.held()
    except ControlError:
        return 0


def act_until_dead(rig: Rig, act: Callable[[Rig], object]) -> None:
    """Let the collector do something, whenever some more has come."""
    while not rig.collector.is_dead():
        with suppress(ControlError):
            act(rig)
        rig.wait_for_reads(3)


def furnish(rig: Rig) -> None:
    """Put the other device into the store."""
    reads = [read(at_s, at_s, channel=name) for at_s in range(1, UNTIL_S + 1) for name in OTHER]
    commit(rig.collector.state / FILE_NAME, "other", batch(1, *reads))
    # Age is counted from the newest reading.
    commit(rig.collector.state / FILE_NAME, "later", batch(1, read(86_400), epoch=OTHER_EPOCH))


def others_left(rig: Rig) -> dict[str, list[float]]:
    """What the store has of the other device: series -> values in order of time."""
    with open_reader(rig.collector.state / FILE_NAME) as reader:
        parts = reader.range("other/*", 0, 2**62).parts
    return {part.series: part.values.tolist() for part in parts}


def check_others(rig: Rig, left: int) -> None:
    """What should be left is, soon; the summaries tell of what they should, and the books balance."""
    values = [float(at_s) for at_s in range(1, left + 1)]
    wanted = {f"other/air.{name}": values for name in OTHER} if left else {}
    wait_until(lambda: others_left(rig) == wanted)
    with open_reader(rig.collector.state / FILE_NAME) as reader:
        hours = reader.rollups("other/*", 0, 2**62, HOUR_NS)
    # They outlive what is kept no longer; with what is deleted they go.
    assert [int(its.counts.sum()) for its in hours.values()] == [left or UNTIL_S] * len(OTHER)
    verified = rig.collector.command("verify")
    assert verified.returncode == 0, verified.stdout


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
    kept = KEPT if place.act is look_at_rules else ""
    with rigs.rig(
        folder, channels=20, more=place.more, others=others, tls=True, collectors=kept
    ) as rig:
        if place.left is not None:
            furnish(rig)
        for each in passes:
            die(rig, place, each)
        restarted_s = go_on(rig, place)
        rig.wait_until_sent(but=100 + place.ballast * 20_000)
        if place.act and place.left is not None:
            place.act(rig)
            check_others(rig, place.left)
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
