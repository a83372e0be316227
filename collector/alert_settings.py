"""What collector.yaml may say of alerts: when somebody is told, of what, how, and when not.

Frozen and complete, as all settings. Reads no file: what it names is looked at by who uses it.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from collector.device_states import SILENT_INTERVALS, SILENT_LEAST_S
from config.notation import Notation, matching
from config.problems import KeyPath, did_you_mean, shown
from config.quantities import duration, number

SILENCE = "silence"
_NEVER = "never"
_NO_STOP_S = float("inf")

Pattern = Annotated[
    str, matching(".{1,200}", "a shell glob over device/sensor.channel, such as '*/air.*'").meta()
]
_NAME = "[a-z][a-z0-9_-]{0,62}"
_RuleName = Annotated[
    str,
    matching(_NAME, "a name of small letters, digits, _ and -", frozenset({SILENCE})).meta(),
]
_NotifierName = Annotated[
    str, matching(_NAME, "a name of small letters, digits, _ and -, such as phone").meta()
]
_File = Annotated[
    str, matching("/.*", "an absolute path, such as /etc/telegauge/notify-phone").meta()
]
_Credential = Annotated[
    str, matching("[A-Za-z0-9._-]{1,128}", "the name of a systemd credential").meta()
]
_Word = Annotated[str, matching(".{1,4096}", "a text of up to 4096 characters").meta()]
_Limit = Annotated[float, number().meta()]
_Change = Annotated[float, number(1e-15).meta()]
_For = Annotated[float, duration("0s", "30d").meta()]
_Within = Annotated[float, duration("1s", "7d").meta()]
_CLOCK = matching("([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day, such as 22:30")
_AFTER_STOP = duration("0s", "30d")


def _minutes(text: str) -> int:
    hours, _, minutes = _CLOCK.read(text).partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _after_stop(text: str) -> float:
    return _NO_STOP_S if text == _NEVER else float(_AFTER_STOP.read(text))


def _after_stop_text(after_s: float) -> str:
    return _NEVER if after_s == _NO_STOP_S else str(_AFTER_STOP.write(after_s))


_TimeOfDay = Annotated[int, Notation(_CLOCK.accepted, _CLOCK.pattern, _minutes, _clock).meta()]
_AfterStop = Annotated[
    float,
    Notation(
        f"{_NEVER}, or {_AFTER_STOP.accepted}",
        f"{_AFTER_STOP.pattern}|^{_NEVER}$",
        _after_stop,
        _after_stop_text,
    ).meta(),
]


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when to when nobody is told, in `time_zone`; what waits is told afterwards."""

    from_min: Annotated[_TimeOfDay, Meta(description="They begin: 22:30.")] = field(name="from")
    to_min: Annotated[_TimeOfDay, Meta(description="They are over: 07:00.")] = field(name="to")


class _Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told, and whether at night too."""

    notify: Annotated[
        tuple[_NotifierName, ...] | None,
        Meta(description="Tell these; left out: all of `notify`; []: only page and log say it."),
    ] = None
    urgent: Annotated[bool, Meta(description="true: quiet hours do not hold it back.")] = False


class SilenceSettings(_Told, frozen=True, kw_only=True):
    """When a series or a device that says nothing is an alert."""

    after_intervals: Annotated[
        float,
        number(2, 10_000).meta(),
        Meta(
            description="Nothing heard for so many of its intervals (with `deadband`: of max_interval)."
        ),
    ] = float(SILENT_INTERVALS)
    at_least_s: Annotated[
        float,
        duration("1s", "30d").meta(),
        Meta(description="And for so long at least; it is over when all was well for so long."),
    ] = field(name="at_least", default=SILENT_LEAST_S)
    after_stop_s: Annotated[
        _AfterStop,
        Meta(
            description="A device whose agent was stopped in order is given so long to come back."
        ),
    ] = field(name="after_stop", default=3600.0)
    without: Annotated[
        tuple[Pattern, ...], Meta(description="But never these; ['*']: no silence is an alert.")
    ] = field(name="except", default=())


class RuleSettings(_Told, frozen=True, kw_only=True):
    """What of some series is an alert: a limit, a change, or a quality."""

    series: Annotated[Pattern, Meta(description="Which series: a shell glob, in quotes.")]
    above: Annotated[_Limit | None, Meta(description="Values above this.")] = None
    below: Annotated[_Limit | None, Meta(description="Values below this.")] = None
    rises: Annotated[
        _Change | None, Meta(description="It rises by this, or more, `within` some time.")
    ] = None
    falls: Annotated[
        _Change | None, Meta(description="It falls by this, or more, `within` some time.")
    ] = None
    within_s: Annotated[
        _Within | None, Meta(description="The time in which it rises or falls.")
    ] = field(name="within", default=None)
    quality: Annotated[
        Literal["bad", "suspect"] | None,
        Meta(description="bad: readings without a value; suspect: doubtful ones, too."),
    ] = None
    clear: Annotated[
        _Limit | None, Meta(description="It is over only when the value is back here.")
    ] = None
    for_s: Annotated[
        _For, Meta(description="It has to last for so long, by the readings' own time.")
    ] = field(name="for", default=0.0)


class NotifierSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to tell somebody."""

    address_file: Annotated[
        _File | None,
        Meta(
            description="A file (mode 0600) with addresses of Apprise, one a line: they hold passwords."
        ),
    ] = None
    credential: Annotated[
        _Credential | None,
        Meta(description="The same, as a credential of systemd (LoadCredential=)."),
    ] = None
    command: Annotated[
        tuple[_Word, ...], Meta(description="Or run this; it gets the alert as JSON on its input.")
    ] = ()
    resolved: Annotated[bool, Meta(description="false: that it is over is not told.")] = True


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody is told, and how."""

    silence: SilenceSettings = SilenceSettings()
    quiet_hours: QuietHours | None = None
    rules: Annotated[
        dict[_RuleName, RuleSettings], Meta(description="What else is an alert, by name.")
    ] = field(default_factory=dict)
    notify: Annotated[
        dict[_NotifierName, NotifierSettings], Meta(description="Who can be told, by name.")
    ] = field(default_factory=dict)

    def told_of(self, rule: str) -> tuple[str, ...]:
        """Return the names of those who are told of a rule."""
        settings = self._of(rule)
        named = (
            tuple(self.notify) if settings is None or settings.notify is None else settings.notify
        )
        return tuple(name for name in named if name in self.notify)

    def is_urgent(self, rule: str) -> bool:
        """Say whether a rule is told in quiet hours, too."""
        settings = self._of(rule)
        return settings is not None and settings.urgent

    def _of(self, rule: str) -> "_Told | None":
        return self.silence if rule == SILENCE else self.rules.get(rule)


def check_alerts(alerts: AlertSettings) -> Iterable[tuple[KeyPath, str]]:
    """Yield (key path, message) for what does not fit together."""
    hours = alerts.quiet_hours
    if hours is not None and hours.from_min == hours.to_min:
        yield (
            ("alerts", "quiet_hours", "to"),
            "they end when they begin: take them away, or change one",
        )
    yield from _unknown_notifiers(alerts, ("alerts", SILENCE), alerts.silence)
    for name, rule in alerts.rules.items():
        where: KeyPath = ("alerts", "rules", name)
        yield from _unknown_notifiers(alerts, where, rule)
        for key, message in _problems(rule):
            yield (*where, key), message
    for name, notifier in alerts.notify.items():
        ways = [notifier.address_file, notifier.credential, notifier.command]
        if sum(map(bool, ways)) != 1:
            yield ("alerts", "notify", name), "wanted: one of address_file, credential and command"


def _unknown_notifiers(
    alerts: AlertSettings, where: KeyPath, told: _Told
) -> Iterator[tuple[KeyPath, str]]:
    for number_, name in enumerate(told.notify or (), 1):
        if name not in alerts.notify:
            known = ", ".join(alerts.notify) or "none yet: write it below `notify:` of `alerts:`"
            yield (
                (*where, "notify", str(number_)),
                f"no `{shown(name)}` stands below `notify:`.{did_you_mean(name, alerts.notify)} "
                f"There are: {known}",
            )


def _problems(rule: RuleSettings) -> Iterator[tuple[str, str]]:
    limits = [key for key in ("above", "below") if getattr(rule, key) is not None]
    changes = [key for key in ("rises", "falls") if getattr(rule, key) is not None]
    kinds = [kind for kind in (limits, changes, rule.quality) if kind]
    if len(kinds) != 1 or len(changes) > 1:
        yield (
            "series",
            "wanted: a limit (`above`, `below` or both), a change (`rises` or `falls`), or a "
            "`quality`; a rule has one of these",
        )
    if changes and rule.within_s is None:
        yield changes[0], "in what time? Add `within`, such as `within: 10m`"
    if rule.within_s is not None and not changes:
        yield "within", "it belongs to `rises` and `falls`; how long something lasts is `for`"
    yield from _limits(rule, limits, changes)


def _limits(rule: RuleSettings, limits: list[str], changes: list[str]) -> Iterator[tuple[str, str]]:
    above, below = rule.above, rule.below
    if above is not None and below is not None and below > above:
        yield "below", f"`below` ({below:g}) is more than `above` ({above:g}): all would be alerts"
    if rule.clear is None:
        return
    if len(limits) + len(changes) != 1:
        yield "clear", "it belongs to one limit, or one change: make two rules of this one"
        return
    (key,) = limits or changes
    limit = getattr(rule, key)
    is_beyond = rule.clear < limit if key == "below" else rule.clear > limit
    if is_beyond:
        side = "less" if key == "below" else "more"
        yield "clear", f"it is {side} than `{key}` ({limit:g}): it would be over as it begins"
