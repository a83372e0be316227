"""Alerts, whatever comes: one at a time of one thing, each told in order, and what flaps is bounded."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from collector.alert_settings import RuleSettings, SilenceSettings
from collector.alerts.expected import Expected
from collector.alerts.lives import AGAIN_WITHIN_S, Change, Lives
from collector.alerts.outbox import Outbox
from collector.alerts.signals import Level, Signal, device_of, is_group
from collector.alerts.silence import Silence
from kit.alerts import BEGAN_NS, Played, part, rules

# A failing case is short enough as it is, and shrinking it takes minutes.
_QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
LEVELS = st.sampled_from(Level)
SUBJECTS = st.sampled_from(["pi/a.b", "pi/a.c", "pi"])
STEPS = st.lists(st.tuples(SUBJECTS, LEVELS, st.integers(0, 500)), max_size=120)
_NEXT = {
    None: {"pending", "firing"},
    "pending": {"firing", "gone"},
    "firing": {"changed", "seen", "resolved"},
    "changed": {"changed", "seen", "resolved"},
    "seen": {"changed", "resolved"},
    "resolved": set(),
    "gone": set(),
}


def check_lives(changes: list[Change]) -> None:
    """Each alert goes through its states in order, and of one thing there is one at a time."""
    last: dict[int, str] = {}
    open_ones: dict[tuple[str, str], int] = {}
    for event, alert in changes:
        assert event in _NEXT[last.get(alert.id)], (last.get(alert.id), event)
        last[alert.id] = event
        assert open_ones.setdefault(alert.key, alert.id) == alert.id, "two at a time"
        if event in ("resolved", "gone"):
            del open_ones[alert.key]


@given(steps=STEPS, restarts=st.sets(st.integers(0, 119), max_size=3), seen=st.booleans())
def test_lives_are_in_order(
    steps: list[tuple[str, Level, int]], restarts: set[int], seen: bool
) -> None:
    """Never two that fire without an end between, over restarts too."""
    lives, now_s, changes = Lives(), 0.0, []
    for number, (subject, level, wait_s) in enumerate(steps):
        now_s += wait_s
        now_ns = BEGAN_NS + round(now_s * 1e9)
        changes += lives.look(now_s, now_ns)
        changes += lives.take(Signal("rule", subject, level, now_ns, "words"), now_s, now_ns)
        if seen and lives.active:
            changes += lives.see(lives.active[0].id, now_ns)
        if number in restarts:
            highest = max((change.alert.id for change in changes), default=0)
            lives = Lives(lives.active, highest + 1)
    check_lives(changes)
    counts = Counter(event for event, _ in changes)
    assert counts["firing"] - counts["resolved"] == sum(
        alert.state in ("firing", "seen") for alert in lives.active
    )


@given(turns=st.lists(st.integers(0, 600), min_size=1, max_size=300))
def test_flapping_is_bounded(turns: list[int]) -> None:
    """Whatever goes to and fro, it fires eight times in the first hour and then once an hour at most."""
    lives, now_s, fired_s = Lives(), 0.0, []
    for number, wait_s in enumerate(turns):
        now_s += wait_s
        now_ns = BEGAN_NS + round(now_s * 1e9)
        level = Level.OFF if number % 2 else Level.ON
        changes = [
            *lives.look(now_s, now_ns),
            *lives.take(Signal("rule", "pi", level, now_ns, ""), now_s, now_ns),
        ]
        fired_s += [now_s for event, _ in changes if event == "firing"]
    for number, begin_s in enumerate(fired_s):
        within = [each for each in fired_s[number:] if each < begin_s + AGAIN_WITHIN_S]
        assert len(within) <= 8


VALUES = st.lists(
    st.tuples(st.integers(1, 26), st.integers(0, 10), st.sampled_from([0, 0, 0, 3, 129])),
    max_size=40,
)


@settings(max_examples=50, deadline=None, phases=_QUICK)
@given(
    readings=VALUES,
    cuts=st.sets(st.integers(0, 40), max_size=20),
    for_s=st.sampled_from([0, 30]),
)
def test_hysteresis(readings: list[tuple[int, int, int]], cuts: set[int], for_s: int) -> None:
    """It fires where a plain look at all readings says so, and not before; in whatever batches they come."""
    rule = RuleSettings(series="*/air.*", below=4.0, clear=6.0, for_s=float(for_s))
    with tempfile.TemporaryDirectory() as folder:
        rig = Played(Path(folder), rules(cold=rule))
        rig.describe("pi")
        at_s, batch, plain = 0.0, [], _Plain(for_s)
        for number, (wait_s, value, quality) in enumerate(readings):
            if number in cuts or (batch and at_s + wait_s > batch[0][0] + 15):
                deliver(rig, batch)
            at_s += wait_s
            rig.at_s = at_s
            batch.append((at_s, float(value) if quality < 128 else float("nan"), quality))
            if quality == 0:
                plain.take(at_s, value)
        deliver(rig, batch)
        fired = [event for event, _ in rig.events if event in ("firing", "resolved")]
        assert fired[::2] == ["firing"] * len(fired[::2])
        assert fired[1::2] == ["resolved"] * len(fired[1::2])
        assert bool(fired) is bool(plain.fired)
        if plain.is_on:
            assert rig.states() == {"pi/air.temperature": "firing"}
        check_kept(rig)


class _Plain:
    """One rule on one series, as one would write it down."""

    def __init__(self, for_s: int) -> None:
        self.fired, self.is_on = 0, False
        self._for_s = for_s
        self._since_s: float | None = None

    def take(self, at_s: float, value: int) -> None:
        """Take a reading."""
        if value >= 6:
            self._since_s, self.is_on = None, False
        elif value < 4 and self._since_s is None:
            self._since_s = at_s
        if self._since_s is not None and at_s - self._since_s >= self._for_s and not self.is_on:
            self.is_on = True
            self.fired += 1


def deliver(rig: Played, batch: list[tuple[float, float, int]]) -> None:
    """Let readings come together, when the last of them was read."""
    if batch:
        made = part(*((at_s, value) for at_s, value, _ in batch))
        made = made._replace(qualities=np.array([each for _, _, each in batch], np.uint8))
        rig.hear(made)
        batch.clear()


def check_kept(rig: Played) -> None:
    """What fires is in the file, with its number."""
    before = {each.id for each in rig.watch.active if each.state == "firing"}
    rig.start()
    assert {each.id for each in rig.watch.active if each.state == "firing"} == before


HEARD = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans(), st.integers(1, 200)), max_size=40
)


class _Watched:
    """Four devices, of which one is heard all the time; `silent` is what was said last of each subject."""

    def __init__(self) -> None:
        self.silence = Silence(SilenceSettings(), 0.0)
        self.silent: dict[str, tuple[str, ...]] = {}
        self.here = {"a", "b", "c", "steady"}
        self.at_s = 0.0
        for name in self.here:
            self.silence.expect(name, {f"{name}/s.c": Expected(10.0)}, 0.0)

    def go_on(self, *heard: str) -> None:
        """Let ten seconds go by, in which some are heard, and look."""
        self.at_s += 10
        for name in (*heard, "steady"):
            self.silence.heard(name, [f"{name}/s.c"], self.at_s)
        for signal in self.silence.look(self.here, self.at_s, BEGAN_NS + round(self.at_s * 1e9)):
            if signal.level is Level.OFF:
                assert signal.subject in self.silent, "what was not said cannot be over"
                del self.silent[signal.subject]
            elif is_group(signal.subject):
                names = signal.words.rpartition(": ")[2]
                self.silent[signal.subject] = tuple(names.split(", "))
            else:
                assert signal.subject not in self.silent, "twice"
                self.silent[signal.subject] = (device_of(signal.subject) or "",)

    def check(self) -> None:
        """No device is in two at a time, and the steady one in none."""
        counts = Counter(name for names in self.silent.values() for name in names)
        assert set(counts.values()) <= {1}, self.silent
        assert "steady" not in counts


@settings(max_examples=100, deadline=None, phases=_QUICK)
@given(steps=HEARD)
def test_silence(steps: list[tuple[str, bool, int]]) -> None:
    """No device is in two alerts at a time, none that is heard all the time is in any, and all end."""
    rig = _Watched()
    for name, is_here, wait_s in steps:
        (rig.here.add if is_here else rig.here.discard)(name)
        for _ in range(wait_s // 10 + 1):
            rig.go_on(*([name] if is_here else []))
            rig.check()
    rig.here |= {"a", "b", "c"}
    for _ in range(30):
        rig.go_on("a", "b", "c")
        rig.check()
    assert rig.silent == {}


@given(
    steps=st.lists(st.tuples(st.sampled_from(["add", "due", "sent", "failed"]), st.integers(1, 9)))
)
def test_outbox_tells_of_everything(steps: list[tuple[str, int]]) -> None:
    """Whatever fails in between: in the end each was sent once, and nothing waits."""
    sent: Counter[int] = Counter()
    added: set[int] = set()
    box = Outbox(changed=lambda each: sent.update([each.id] if each.sent_ns else []))
    now_s, is_under_way, number = 0.0, False, 0
    for act, many in [*steps, *[("due", 1), ("sent", 1)] * (len(steps) + 1)]:
        now_s += 1000
        if act == "add":
            for _ in range(many):
                number += 1
                added.add(number)
                box.add(number, "phone", "firing", is_urgent=False, now_ns=BEGAN_NS)
        elif act == "due":
            is_under_way = bool(box.due("phone", 20, False, now_s)) or is_under_way
        elif is_under_way:
            is_under_way = False
            if act == "sent":
                box.sent("phone", BEGAN_NS)
            else:
                box.failed("phone", "no", now_s, BEGAN_NS)
    assert set(sent) == added
    assert set(sent.values()) <= {1}
    assert not box.has_waiting("phone")
