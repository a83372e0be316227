"""/metrics: the collector's own health as Prometheus reads it (text format 0.0.4). Pure.

Names follow prometheus.io/docs/practices/naming: base units, `_total` of what only grows.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from collector.alerts.report import Figures
from collector.report import DeviceStatus, Status
from wire import __version__

MEDIA_TYPE = "text/plain; version=0.0.4"


class WebFacts(NamedTuple):
    """What the HTTP door knows of itself."""

    connections: int
    requests: int
    turned_away: int
    refusals: Mapping[int, int]
    questions: int
    questions_refused: int
    login_failures: int
    listeners: int
    dropped_events: int


class Sample(NamedTuple):
    """One value of a metric, with its labels."""

    value: float | None
    labels: Mapping[str, str] = {}


class Metric(NamedTuple):
    """A metric; a sample without a value is left out."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


def text(status: Status, alerts: Figures, web: WebFacts) -> str:
    """Return all metrics."""
    metrics = [
        *_of_collector(status),
        *_of_devices(status.devices),
        *of_alerts(alerts),
        *_of_web(web),
    ]
    return "".join(line for metric in metrics for line in _lines(metric))


def _of_collector(status: Status) -> Iterator[Metric]:
    space = status.space
    yield _gauge("build_info", "Which version runs.", 1, {"version": __version__})
    yield _gauge("uptime_seconds", "How long it has been running.", status.uptime_s)
    yield _gauge("sessions", "Devices that are connected.", status.sessions)
    yield _gauge("store_bytes", "What the store takes on disk.", status.store_bytes)
    if space is not None:
        yield _gauge("store_free_bytes", "What is free on its disk.", space.free_bytes)
        yield _gauge(
            "store_min_free_bytes", "Below this nothing is accepted.", space.min_free_bytes
        )
        yield _gauge("store_space_low", "1: there is too little space.", int(space.is_low))
    yield _gauge("pending_bytes", "What waits for the store.", status.pending_bytes)
    yield _gauge(
        "unsealed_readings", "Stored readings that are not sealed yet.", status.unsealed_readings
    )
    yield _counter("commits_total", "Transactions committed.", status.commits)
    yield _counter(
        "turned_away_total", "Connections of strangers turned away at the devices' door.",
        status.turned_away,
    )  # fmt: skip
    drops = {**(status.dropped_datagrams or {}), "kernel": status.kernel_drops or 0}
    yield Metric(
        "dropped_datagrams_total", "counter", "Datagrams that were not taken, by reason.",
        [Sample(count, {"reason": reason}) for reason, count in sorted(drops.items())],
    )  # fmt: skip


def _of_devices(devices: Iterable[DeviceStatus]) -> Iterator[Metric]:
    all_of = list(devices)
    each = partial(_labelled, "device", [d.device for d in all_of])
    yield each(
        "device_connected", "gauge", "1: the device has a session.",
        [None if d.connected is None else int(d.connected) for d in all_of],
    )  # fmt: skip
    yield each(
        "device_heard_timestamp_seconds", "gauge", "When something new of it was last stored.",
        [None if d.heard_ns is None else d.heard_ns / 1e9 for d in all_of],
    )  # fmt: skip
    yield each(
        "device_readings_total", "counter", "Its readings that were stored.",
        [d.readings for d in all_of],
    )  # fmt: skip
    yield each(
        "device_gaps", "gauge", "Gaps that are recorded of it.", [d.loss.gaps for d in all_of]
    )
    yield each(
        "device_uncounted_gaps", "gauge", "Those of which nobody knows how many readings they had.",
        [d.loss.uncounted_gaps for d in all_of],
    )  # fmt: skip
    yield each(
        "device_lost_readings", "gauge", "Readings in the gaps that were counted.",
        [d.loss.lost_readings for d in all_of],
    )  # fmt: skip
    yield each(
        "device_missing_datagrams", "gauge", "Datagrams that it sent and that never came.",
        [None if d.datagrams is None else d.datagrams.missing for d in all_of],
    )  # fmt: skip
    yield each(
        "device_duplicate_identity", "gauge", "1: two devices use its name.",
        [int(d.duplicate_identity) for d in all_of],
    )  # fmt: skip
    yield each(
        "device_sealing_failed", "gauge", "1: what comes of it cannot be sealed, by a fault.",
        [int(d.sealing_failed) for d in all_of],
    )  # fmt: skip


def of_alerts(figures: Figures) -> Iterator[Metric]:
    """Give the metrics of the alerts, and of who is told of them."""
    notifiers = figures.notifiers
    each = partial(_labelled, "notifier", [n.name for n in notifiers])
    yield Metric(
        "alerts", "gauge", "Alerts that are not over, by state.",
        [Sample(count, {"state": state}) for state, count in figures.alerts.items()],
    )  # fmt: skip
    yield each(
        "alert_notifications_waiting", "gauge", "Notifications that are still to be sent.",
        [n.waiting for n in notifiers],
    )  # fmt: skip
    yield each(
        "alert_notifications_sent_total", "counter", "Notifications that were sent.",
        [n.sent for n in notifiers],
    )  # fmt: skip
    yield each(
        "alert_notifications_failed_total", "counter",
        "How often a notification could not be sent; it is tried again.",
        [n.failed for n in notifiers],
    )  # fmt: skip
    yield each(
        "alert_notifications_given_up_total", "counter", "Notifications that were given up.",
        [n.given_up for n in notifiers],
    )  # fmt: skip


def _of_web(web: WebFacts) -> Iterator[Metric]:
    yield _gauge("http_connections", "HTTP connections that are open.", web.connections)
    yield _counter("http_requests_total", "HTTP requests answered.", web.requests)
    yield Metric(
        "http_refused_requests_total", "counter", "Those not let through, by status.",
        [Sample(count, {"status": str(status)}) for status, count in sorted(web.refusals.items())],
    )  # fmt: skip
    yield _counter(
        "http_turned_away_total", "HTTP connections beyond what is accepted.", web.turned_away
    )
    yield _gauge("http_questions", "Questions to the store under way.", web.questions)
    yield _counter(
        "http_refused_questions_total", "Questions beyond what is accepted.", web.questions_refused
    )
    yield _counter("http_failed_logins_total", "Wrong passwords.", web.login_failures)
    yield _gauge("live_listeners", "Who listens to what comes.", web.listeners)
    yield _counter(
        "live_dropped_events_total", "Events that listeners were too slow for.", web.dropped_events
    )


def _labelled(
    label: str,
    names: Iterable[str],
    name: str,
    kind: str,
    words: str,
    values: Iterable[float | None],
) -> Metric:
    """Return a metric with a sample for each of some names."""
    named = zip(names, values, strict=True)
    return Metric(name, kind, words, [Sample(value, {label: each}) for each, value in named])


def _gauge(
    name: str, words: str, value: float | None, labels: Mapping[str, str] | None = None
) -> Metric:
    return Metric(name, "gauge", words, [Sample(value, labels or {})])


def _counter(name: str, words: str, value: float | None) -> Metric:
    return Metric(name, "counter", words, [Sample(value)])


def _lines(metric: Metric) -> Iterator[str]:
    samples = [each for each in metric.samples if each.value is not None]
    if not samples:
        return
    name = f"telegauge_{metric.name}"
    yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
    for sample in samples:
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
        yield f"{name}{f'{{{labels}}}' if labels else ''} {sample.value!r}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
