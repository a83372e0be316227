"""The types of device.yaml: what a device reads, how often, and where its readings go.

Frozen and complete: whoever is handed one of these need not ask for defaults. Reads no file; what
the types cannot say (`problems`) is checked without touching hardware.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, field

from config.addresses import ADDRESS
from config.notation import matching
from config.quantities import duration, size
from device import channel_settings, outputs
from device import sensors as drivers
from device.channel_settings import ChannelSettings, Label
from device.cipher import cipher_problem
from service.logs import LogSettings
from wire.readings import CHANNEL_NAME, DEVICE_NAME, SENSOR_NAME

_NAME_WORDS = "small letters, digits and _, beginning with a letter, at most 63 characters"

DeviceName = Annotated[
    str,
    matching(
        DEVICE_NAME,
        "small letters, digits and -, not beginning with -, at most 63 characters",
    ).meta(),
]
SensorName = Annotated[str, matching(SENSOR_NAME, _NAME_WORDS).meta()]
ChannelName = Annotated[str, matching(CHANNEL_NAME, _NAME_WORDS).meta()]
OutputName = Annotated[str, matching(SENSOR_NAME, _NAME_WORDS).meta()]
INTERVAL = duration("100ms", "1d", step="100ms")
Interval = Annotated[float, INTERVAL.meta()]
Timeout = Annotated[float, duration("10ms", "1h").meta()]
AtRisk = Annotated[float, duration("1s", "1h").meta()]
Transport: TypeAlias = Literal["tcp", "udp"]
SpoolPolicy: TypeAlias = Literal["frugal", "strict", "memory"]
CommandName: TypeAlias = Literal["ping", "identify", "read_now", "set_interval"]


# The name of the agent's own health, and of the driver that reads it.
AGENT = "agent"
_AGENT_INTERVAL_S = 60.0

# What an agent that runs cannot take up.
AT_START = (("spool",), ("collector", "transport"))


class Timing(NamedTuple):
    """When a sensor is read: every `interval_s`, a read taking at most `timeout_s`."""

    interval_s: float
    timeout_s: float


class CollectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the readings go."""

    address: Annotated[
        str | None,
        ADDRESS.meta(),
        Meta(
            description="The collector, as host:port; without a port: 8888. Left out: where this "
            "device joined, else this machine."
        ),
    ] = None
    transport: Annotated[
        Transport,
        Meta(description="tcp: nothing is lost. udp: best effort, every loss is counted."),
    ] = "tcp"


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Timing of every sensor that does not say otherwise."""

    interval_s: Annotated[Interval, Meta(description="How often a sensor is read.")] = field(
        name="interval", default=10.0
    )
    timeout_s: Annotated[
        Timeout, Meta(description="A read that takes longer is a bad reading.")
    ] = field(name="timeout", default=2.0)


class SensorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input of this device; its key is its name."""

    driver: Annotated[
        str,
        Meta(
            description="What reads it: a sensor's plain name such as bme280 or ds18b20, or an adapter "
            "and what it opens, such as iio:NAME, w1:*, gpiozero:CLASS, circuitpython:MODULE.CLASS."
        ),
    ]
    options: Annotated[
        dict[str, Any],
        Meta(description="Handed to the driver, named and measured as its own documentation says."),
    ] = field(default_factory=dict)
    interval_s: Annotated[
        Interval | None, Meta(description="How often it is read; left out: `defaults` says.")
    ] = field(name="interval", default=None)
    timeout_s: Annotated[
        Timeout | None,
        Meta(description="A read that takes longer is a bad reading; left out: `defaults` says."),
    ] = field(name="timeout", default=None)
    label: Annotated[Label | None, Meta(description="Words shown to people, any language.")] = None
    channels: Annotated[
        dict[ChannelName, ChannelSettings] | None,
        Meta(description="Only these channels are kept; left out: all the sensor has."),
    ] = None


_OWN = SensorSettings(driver=AGENT, interval_s=_AGENT_INTERVAL_S)


class SpoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings that the collector has not acknowledged yet."""

    policy: Annotated[
        SpoolPolicy,
        Meta(
            description="frugal: the card is written only in an outage. strict: every tick goes to "
            "the card before it counts. memory: the card is never written."
        ),
    ] = "frugal"
    at_risk_s: Annotated[
        AtRisk,
        Meta(description="A power cut during an outage loses at most this much, and says so."),
    ] = field(name="at_risk", default=10.0)
    max_bytes: Annotated[
        int,
        size("1MiB", "64GiB").meta(),
        Meta(description="What may wait on the card; when it is full the oldest makes place."),
    ] = field(name="max_size", default=256 * 2**20)


class OutputSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One output of this device that the collector may switch; its key is its name."""

    driver: Annotated[str, Meta(description="What switches it: gpiozero:CLASS.")]
    options: Annotated[
        dict[str, Any],
        Meta(description="Handed to the driver, named and measured as its own documentation says."),
    ] = field(default_factory=dict)


class CommandSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the collector may ask of this device; nothing else is done."""

    allow: Annotated[
        tuple[CommandName, ...],
        Meta(description="The commands that are obeyed; [] for none of them."),
    ] = ("ping", "identify", "read_now")
    outputs: Annotated[
        dict[OutputName, OutputSettings],
        Meta(description="What may be switched on and off: to name it here is to allow it."),
    ] = field(default_factory=dict)


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything device.yaml says."""

    name: Annotated[
        DeviceName | None, Meta(description="This device's name; left out: the host name.")
    ] = None
    label: Annotated[Label | None, Meta(description="Words shown to people, any language.")] = None
    collector: CollectorSettings = CollectorSettings()
    defaults: Defaults = Defaults()
    sensors: Annotated[
        dict[SensorName, SensorSettings],
        Meta(min_length=1, description="What is read, at least one; the key is the sensor's name."),
    ]
    spool: SpoolSettings = SpoolSettings()
    commands: CommandSettings = CommandSettings()
    logs: LogSettings = LogSettings()

    @property
    def all_sensors(self) -> dict[str, SensorSettings]:
        """The sensors as the YAML has them, and the agent's own where it does not name that."""
        return self.sensors if AGENT in self.sensors else {**self.sensors, AGENT: _OWN}

    def sensor_timing(self, name: str) -> Timing:
        """Return when a sensor is read, with the defaults where it does not say itself."""
        sensor, defaults = self.all_sensors[name], self.defaults
        return Timing(
            defaults.interval_s if sensor.interval_s is None else sensor.interval_s,
            defaults.timeout_s if sensor.timeout_s is None else sensor.timeout_s,
        )


def problems(
    settings: DeviceSettings, joined_as: str | None = None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find what the types cannot say, as (key path, message). `joined_as`: the name of a join."""
    if joined_as is not None and settings.name not in (None, joined_as):
        yield (
            ("name",),
            f"`{settings.name}` is not the name that this device joined as, `{joined_as}`: leave "
            f"`name` out, or join again as {settings.name}",
        )
    if settings.collector.transport == "udp" and (message := cipher_problem()):
        yield ("collector", "transport"), message
    for name, sensor in settings.sensors.items():
        if (name == AGENT) is not (sensor.driver == AGENT):
            yield ("sensors", name, "driver"), _AGENT_ALONE
        for option, message in drivers.problems(sensor.driver, sensor.options):
            key = ("driver",) if option is None else ("options", option)
            yield ("sensors", name, *key), message
        for channel, settings_of in (sensor.channels or {}).items():
            for key_name, message in channel_settings.problems(settings_of):
                yield ("sensors", name, "channels", channel, key_name), message
    for name, output in settings.commands.outputs.items():
        for option, message in outputs.problems(output.driver, output.options):
            key = ("driver",) if option is None else ("options", option)
            yield ("commands", "outputs", name, *key), message


_AGENT_ALONE = (
    f"the sensor `{AGENT}` is the agent's own health: `driver: {AGENT}` reads it and nothing else, "
    "and no other sensor has that name or driver"
)


def default_device_name(host_name: str) -> str:
    """Make a device name of a host name: lower case, what is not accepted as `-`."""
    name = re.sub("[^a-z0-9-]", "-", host_name.lower()).lstrip("-")[:63]
    return name or "device"
