"""The types of collector.yaml: where devices may connect, where their readings are kept and shown.

Frozen and complete: whoever is handed one of these need not ask for defaults. Reads no file.
"""

import zoneinfo
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, field

from collector.alert_settings import AlertSettings, check_alerts
from collector.retention_settings import RetentionRule, check_retention
from config.addresses import ADDRESS
from config.notation import Notation, matching
from config.problems import KeyPath, did_you_mean, shown
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
_File = Annotated[str, matching("/.*", "an absolute path, such as /etc/telegauge/web.crt").meta()]
_HOST_NAME = r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*"
_HostName = Annotated[str, matching(_HOST_NAME, "a host name, such as pi.example.org").meta()]
_TIME_ZONE = Notation("system, or a name such as Asia/Seoul", "^[A-Za-z0-9_+/-]+$", _time_zone)


# What a collector that runs cannot take up.
AT_START = (("devices", "listen"), ("web", "enabled"), ("web", "listen"), ("store", "folder"))


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


class WebCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate for browsers that somebody else signed, in PEM."""

    file: Annotated[_File, Meta(description="The certificate, with those that it hangs on.")]
    key_file: Annotated[_File, Meta(description="Its private key, without a password.")]


class WebSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the page and the HTTP API are, and by which names."""

    enabled: Annotated[bool, Meta(description="false: nothing is served over HTTP.")] = True
    listen: Annotated[
        str, ADDRESS.meta(), Meta(description="Listen here, as host:port; without a port: 8889.")
    ] = "0.0.0.0:8889"
    names: Annotated[
        tuple[_HostName, ...],
        Meta(description="By these host names it is asked too, beside those of this machine."),
    ] = ()
    certificate: Annotated[
        WebCertificate | None,
        Meta(description="Yours; left out: one that the collector makes and renews."),
    ] = None


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
    web: WebSettings = WebSettings()
    time_zone: Annotated[
        str,
        _TIME_ZONE.meta(),
        Meta(description="For what is shown, e.g. Asia/Seoul; stored times are UTC."),
    ] = "system"
    store: StoreSettings = StoreSettings()
    retention: Annotated[
        tuple[RetentionRule, ...],
        Meta(
            description="The first pattern that fits a series decides; where none does all is kept."
        ),
    ] = ()
    alerts: AlertSettings = AlertSettings()
    logs: LogSettings = LogSettings()


def check(settings: CollectorSettings) -> Iterable[tuple[KeyPath, str]]:
    """Yield (key path, message) for what the types cannot say."""
    yield from check_retention(settings.retention)
    yield from check_alerts(settings.alerts)
