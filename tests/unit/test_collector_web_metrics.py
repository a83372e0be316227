"""collector.web.metrics: the text that Prometheus reads."""

import re

from collector.alerts.outbox import NotifierStatus
from collector.alerts.report import Figures
from collector.report import DeviceStatus, Loss, Space, Status
from collector.web.metrics import WebFacts, text

FACTS = WebFacts(3, 10, 1, {401: 2}, 1, 0, 4, 2, 7)
STATUS = Status(
    running=True,
    store="/x",
    store_bytes=4096,
    devices=[
        DeviceStatus(
            "pi", "l", True, 7, 5 * 10**9, Loss(gaps=1, lost_readings=3), sealing_failed=True
        ),
        DeviceStatus('a"b\\c\nd', None, None, 0, None),
    ],
    space=Space(None, 1024, False),
    commits=9,
    dropped_datagrams={"replay": 2},
    kernel_drops=1,
)
ALERTS = Figures(
    {"pending": 0, "firing": 2, "seen": 1},
    [NotifierStatus("phone", 3, "refused by tgram://S3CRET", sent=5, failed=2, given_up=1)],
)
LINE = re.compile(
    r'telegauge_[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(,[^}]*)?\})? -?[0-9][0-9.e+-]*'
)


def test_every_line_is_of_the_format() -> None:
    """HELP and TYPE once before the samples of each name; counters end in _total."""
    lines = text(STATUS, ALERTS, FACTS).splitlines()
    seen: set[str] = set()
    for line in lines:
        if line.startswith("# HELP"):
            name = line.split()[2]
            assert name not in seen
            seen.add(name)
        elif line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name in seen
            assert (kind == "counter") == name.endswith("_total")
        else:
            assert LINE.fullmatch(line), line
            assert line.startswith((f"{name}{{", f"{name} "))


def test_what_is_known_is_told() -> None:
    """With its labels, escaped; what is not known is left out."""
    told = text(STATUS, ALERTS, FACTS)
    assert "\ntelegauge_store_bytes 4096\n" in told
    assert '\ntelegauge_device_readings_total{device="pi"} 7\n' in told
    assert '\ntelegauge_device_readings_total{device="a\\"b\\\\c\\nd"} 0\n' in told
    assert '\ntelegauge_device_heard_timestamp_seconds{device="pi"} 5.0\n' in told
    assert '\ntelegauge_dropped_datagrams_total{reason="replay"} 2\n' in told
    assert '\ntelegauge_http_refused_requests_total{status="401"} 2\n' in told
    assert "\ntelegauge_live_dropped_events_total 7\n" in told
    assert '\ntelegauge_device_sealing_failed{device="pi"} 1\n' in told
    assert "store_free_bytes" not in told


def test_alerts_and_who_is_told_of_them() -> None:
    """By state and by notifier; why one fails may hold what is nobody's business, and is not there."""
    told = text(STATUS, ALERTS, FACTS)
    assert '\ntelegauge_alerts{state="pending"} 0\n' in told
    assert '\ntelegauge_alerts{state="firing"} 2\n' in told
    assert '\ntelegauge_alerts{state="seen"} 1\n' in told
    assert '\ntelegauge_alert_notifications_waiting{notifier="phone"} 3\n' in told
    assert '\ntelegauge_alert_notifications_sent_total{notifier="phone"} 5\n' in told
    assert '\ntelegauge_alert_notifications_failed_total{notifier="phone"} 2\n' in told
    assert '\ntelegauge_alert_notifications_given_up_total{notifier="phone"} 1\n' in told
    assert "S3CRET" not in told


def test_alerts_that_have_not_begun() -> None:
    """Nothing is said of them: none is something else."""
    assert "alert" not in text(STATUS, Figures(), FACTS)
