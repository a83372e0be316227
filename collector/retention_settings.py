"""What collector.yaml may say of how long readings are kept, and what of it does not fit together."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.store import Keep
from config.notation import Notation, matching
from config.problems import KeyPath
from config.quantities import duration, format_duration

_SPAN = duration("1h", "100y")
_FOREVER = "forever"


def _read(text: str) -> float:
    return math.inf if text == _FOREVER else float(_SPAN.read(text))


def _write(kept_s: float) -> str:
    return _FOREVER if kept_s == math.inf else format_duration(kept_s)


_KEPT = Notation(f"{_FOREVER}, or {_SPAN.accepted}", f"{_SPAN.pattern}|^{_FOREVER}$", _read, _write)
_Pattern = Annotated[
    str, matching(".{1,200}", "a shell glob over device/sensor.channel, such as '*/host.*'").meta()
]
_ORDER = ("raw", "minute", "hour")


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the series that a pattern fits are kept."""

    series: Annotated[_Pattern, Meta(description="Which series: a shell glob, in quotes.")]
    raw: Annotated[float, _KEPT.meta(), Meta(description="Keep the readings so long.")] = math.inf
    minute: Annotated[
        float, _KEPT.meta(), Meta(description="Keep what they come to by the minute so long.")
    ] = math.inf
    hour: Annotated[
        float, _KEPT.meta(), Meta(description="Keep what they come to by the hour so long.")
    ] = math.inf


def check_retention(rules: Sequence[RetentionRule]) -> Iterable[tuple[KeyPath, str]]:
    """Yield (key path, message) for each summary that would go before what it was made of."""
    for number, rule in enumerate(rules, 1):
        for finer, coarser in pairwise(_ORDER):
            kept_s, needed_s = getattr(rule, coarser), getattr(rule, finer)
            if kept_s < needed_s:
                yield (
                    ("retention", str(number), coarser),
                    f"{_write(kept_s)} is less than {finer} has ({_write(needed_s)}): "
                    f"keep {coarser} as long at least, or say a shorter {finer} too",
                )


def kept_by(rules: Sequence[RetentionRule]) -> list[Keep]:
    """Return the rules as the store has them."""
    return [
        Keep(rule.series, _kept_ns(rule.raw), _kept_ns(rule.minute), _kept_ns(rule.hour))
        for rule in rules
    ]


def _kept_ns(kept_s: float) -> int | None:
    return None if kept_s == math.inf else round(kept_s * 1e9)
