"""Alerts for tests: signals, readings as parts, and a watch whose time the test decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from collector.alert_settings import (
    AlertSettings,
    NotifierSettings,
    RuleSettings,
    SilenceSettings,
)
from collector.alerts.keeping import FILE_NAME, Keeping
from collector.alerts.lives import Alert
from collector.alerts.outbox import Notification
from collector.alerts.stored import Stored
from collector.alerts.watch import News, Watch
from collector.clock import OWN, Dating
from collector.following import Row
from collector.store import Part
from kit.stores import described
from wire.bodies import Describe

SECOND_NS = 10**9
# An instant to begin with: some morning of 2026.
BEGAN_NS = 1_795_766_400 * SECOND_NS
SERIES = "pi/air.temperature"


def alert(number: int = 1, **facts: Any) -> Alert:
    """An alert that fires."""
    given = {
        "rule": "cold", "subject": SERIES, "state": "firing", "since_ns": BEGAN_NS,
        "words": "it is cold", "fired_ns": BEGAN_NS,
    }  # fmt: skip
    return Alert(id=number, **(given | facts))


def notification(
    number: int = 1, alert_id: int = 1, to: str = "phone", **facts: Any
) -> Notification:
    """A notification that waits."""
    given = {"event": "firing", "is_urgent": False, "made_ns": BEGAN_NS}
    return Notification(id=number, alert_id=alert_id, to=to, **(given | facts))


def part(
    *readings: tuple[float, float],
    series: str = SERIES,
    quality: int = 0,
    dating: Dating = OWN,
) -> Part:
    """Readings of one series, as pairs of seconds since BEGAN_NS and a value."""
    datings = np.empty(len(readings), np.object_)
    datings.fill(dating)
    return Part(
        series,
        "degC",
        np.array([BEGAN_NS + round(at_s * SECOND_NS) for at_s, _ in readings], np.int64),
        np.array([value for _, value in readings]),
        np.full(len(readings), quality, np.uint8),
        datings,
    )


@dataclass
class Played:
    """A watch of one collector whose time goes on as the test says.

    `stored` is what the store knows at each start; `connected` are the devices that have a session.
    """

    folder: Path
    settings: AlertSettings = field(default_factory=AlertSettings)
    stored: Stored = field(default_factory=lambda: Stored([], {}))
    connected: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    at_s: float = 0.0
    events: list[tuple[str, str]] = field(default_factory=list)
    watch: Watch = field(init=False)
    _rows: int = 0

    def __post_init__(self) -> None:
        self.start()

    @property
    def now(self) -> tuple[float, int]:
        """Monotonic seconds, and UTC in ns."""
        return 1000.0 + self.at_s, BEGAN_NS + round(self.at_s * SECOND_NS)

    def start(self) -> None:
        """Begin, or go on after a kill: what was not written is lost."""
        keeping = Keeping(self.folder / FILE_NAME)
        self.watch = Watch(self.settings, keeping, self.stored, self.now, self.revoked.__contains__)

    def describe(self, device: str, *series: str, interval_s: float = 10.0) -> None:
        """Let a device say of its series, and be connected."""
        self.connected.add(device)
        description: Describe = described(*(series or ("air.temperature",)), interval_s=interval_s)
        self.look(News(described={device: description}))

    def hear(self, *parts: Part) -> list[tuple[str, str]]:
        """Let readings be committed now, as one row; return the events that it makes."""
        device = parts[0].series.partition("/")[0]
        self._rows += 1
        newest_ns = max(int(each.times_ns.max()) for each in parts)
        return self.look(News(rows=[Row(self._rows, device, newest_ns, parts)]))

    def value(self, value: float, **how: Any) -> list[tuple[str, str]]:
        """Let one reading of now be committed."""
        return self.hear(part((self.at_s, value), **how))

    def look(self, news: News | None = None) -> list[tuple[str, str]]:
        """Look; return the events that it makes, as (event, subject)."""
        changes = self.watch.look(news or News(), frozenset(self.connected), *self.now)
        found = [(event, each.subject) for event, each in changes]
        self.events += found
        return found

    def wait(self, seconds: float, hear: Sequence[str] = (), every_s: float = 1.0) -> None:
        """Let time go by, while something of some series is heard."""
        until_s = self.at_s + seconds
        while self.at_s < until_s:
            self.at_s += every_s
            for series in hear:
                self.value(20.0, series=series)
            self.look()

    def states(self) -> dict[str, str]:
        """What is not over, as subject and state."""
        return {each.subject: each.state for each in self.watch.active}

    def words(self, subject: str = SERIES) -> str:
        """What is said of a subject."""
        (found,) = [each.words for each in self.watch.active if each.subject == subject]
        return found


def rules(**named: RuleSettings) -> AlertSettings:
    """Settings with some rules and one notifier; silence is no alert."""
    return AlertSettings(
        silence=SilenceSettings(without=("*",)),
        rules=named,
        notify={"phone": NotifierSettings(command=("true",))},
    )
