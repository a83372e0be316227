"""The types of collector.yaml: where devices may connect, and where their readings are kept.

Frozen and complete: whoever is handed one of these need not ask for defaults. Reads no file.
"""

import zoneinfo
from typing import Annotated

import msgspec
from msgspec import Meta, field

from config.addresses import ADDRESS
from config.notation import Notation, matching
from config.problems import did_you_mean, shown
from config.quantities import size
from service.logs import LogSettings


def _time_zone(text: str) -> str:
    if text == "system" or _exists(text):
        return text
    names = ["system", *zoneinfo.available_timezones()]
    raise ValueError(
        f"no time zone `{shown(text)}`.{did_you_mean(text, names)} "
        "Accepted: system, or a name such as Asia/Seoul"
    )


def _exists(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (LookupError, ValueError, OSError):  # OSError: a folder of zones, such as Asia
        return False
    return True


_Folder = Annotated[str, matching("/.*", "an absolute path, such as /srv/telegauge").meta()]
_TIME_ZONE = Notation("system, or a name such as Asia/Seoul", "^[A-Za-z0-9_+/-]+$", _time_zone)


# What a collector that runs cannot take up.
AT_START = (("devices", "listen"), ("store", "folder"))


class DevicesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where devices connect."""

    listen: Annotated[
        str, ADDRESS.meta(), Meta(description="Listen here, as host:port; without a port: 8888.")
    ] = "0.0.0.0:8888"
    plain_on_loopback: Annotated[
        bool,
        Meta(
            description="Devices of this machine need no key, until they are invited. false: all do."
        ),
    ] = True


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where readings are kept."""

    folder: Annotated[
        _Folder | None,
        Meta(description="Keep the store here; left out: the program's state folder."),
    ] = None
    min_free_bytes: Annotated[
        int,
        size("1MiB", "1024GiB").meta(),
        Meta(description="With less free than this nothing is accepted: devices send it later."),
    ] = field(name="min_free", default=2**30)


class CollectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything collector.yaml says."""

    devices: DevicesSettings = DevicesSettings()
    time_zone: Annotated[
        str,
        _TIME_ZONE.meta(),
        Meta(description="For what is shown, e.g. Asia/Seoul; stored times are UTC."),
    ] = "system"
    store: StoreSettings = StoreSettings()
    logs: LogSettings = LogSettings()
