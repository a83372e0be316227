"""The settings of one channel: what it is called, and its filters, in the order in which they work.

What a filter does is `device.filters`' to say; here is what may be asked of it.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, field

from config.notation import matching
from config.quantities import duration, number, whole
from wire.readings import CONTROL_CHARACTERS, MAX_UNIT_BYTES

Label = Annotated[
    str, matching(f"[^{CONTROL_CHARACTERS}]{{1,200}}", "one line of 1 to 200 characters").meta()
]
Unit = Annotated[
    str,
    matching(
        f"[^{CONTROL_CHARACTERS}]{{0,{MAX_UNIT_BYTES}}}", f"at most {MAX_UNIT_BYTES} characters"
    ).meta(),
]
Number = Annotated[float, number().meta()]
Positive = Annotated[float, number(0, 1e15).meta()]
Samples = Annotated[int, whole(2, 1000).meta()]
Decimals = Annotated[int, whole(0, 12).meta()]
Span = Annotated[float, duration("100ms", "1y").meta()]

_MAX_INTERVAL_S = 600.0


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity of a sensor, and its filters in the order in which they work."""

    label: Annotated[Label | None, Meta(description="Words shown to people, any language.")] = None
    unit: Annotated[
        Unit | None, Meta(description="What it is measured in; left out: as the driver says.")
    ] = None
    sentinels: Annotated[
        tuple[Number, ...],
        Meta(description="Values that stand for none, as the sensor gives them: bad readings."),
    ] = ()
    min: Annotated[
        Number | None,
        Meta(description="Below it a value, as the sensor gives it, is a bad reading."),
    ] = None
    max: Annotated[
        Number | None,
        Meta(description="Above it a value, as the sensor gives it, is a bad reading."),
    ] = None
    max_rate: Annotated[
        Positive | None,
        Meta(
            description="What changes by more than this in a second is suspect, until a second value "
            "agrees with it."
        ),
    ] = None
    stuck_after_s: Annotated[
        Span | None, Meta(description="A value that stays the same for so long is suspect.")
    ] = field(name="stuck_after", default=None)
    points: Annotated[
        dict[Number, Number],
        Meta(description="Calibration: what the sensor gives, and what is true; lines between."),
    ] = field(default_factory=dict)
    scale: Annotated[Number, Meta(description="Calibration: the value is multiplied by it.")] = 1.0
    offset: Annotated[Number, Meta(description="Calibration: added after `scale`.")] = 0.0
    median_of: Annotated[
        Samples | None, Meta(description="Smoothing: the median of so many samples.")
    ] = None
    mean_of: Annotated[
        Samples | None, Meta(description="Smoothing: the mean of so many samples.")
    ] = None
    round: Annotated[
        Decimals | None,
        Meta(description="How many digits after the point are kept."),
    ] = None
    deadband: Annotated[
        Positive | None,
        Meta(
            description="Only what has changed by more than this is kept, and whatever changes its "
            "quality; 0: whatever has changed."
        ),
    ] = None
    max_interval_s: Annotated[
        Span, Meta(description="With `deadband`: a reading at least so often all the same.")
    ] = field(name="max_interval", default=_MAX_INTERVAL_S)


def problems(channel: ChannelSettings) -> Iterator[tuple[str, str]]:
    """Find what the types cannot say, as (key, message)."""
    if channel.min is not None and channel.max is not None and channel.min > channel.max:
        yield (
            "min",
            f"`min` ({channel.min:g}) is above `max` ({channel.max:g}): nothing would be good",
        )
    if len(channel.points) == 1:
        yield "points", "one point makes no line: give two or more, or use `offset`"
    if channel.points and (channel.scale, channel.offset) != (1.0, 0.0):
        yield "points", "`points` calibrates alone: take `scale` and `offset` away, or `points`"
    if channel.median_of and channel.mean_of:
        yield "mean_of", "`median_of` smooths already: take one of them away"
    if channel.deadband is None and channel.max_interval_s != _MAX_INTERVAL_S:
        yield "max_interval", "without `deadband` every reading is kept: add `deadband: 0`"
