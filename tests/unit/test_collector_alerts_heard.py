"""collector.alerts.heard: when something counts as heard again, and when a whole device is overdue."""

from collector.alerts.heard import Heard, HeardDevice


def test_back_after_a_calm_time() -> None:
    """Without another silence of half its time; else the calm begins anew."""
    heard = Heard(heard_s=100.0, after_s=60.0)
    heard.mark(True)
    assert not heard.is_back(100.0, calm_s=50.0)
    assert not heard.is_back(131.0, calm_s=50.0)
    heard.heard_s = 140.0
    assert not heard.is_back(141.0, calm_s=50.0)
    heard.heard_s = 190.0
    assert heard.is_back(191.0, calm_s=50.0)


def test_device_is_overdue_when_all_its_series_are() -> None:
    """Each by its own time; one of which nothing is expected never is."""
    device = HeardDevice(0.0, 0.0)
    assert not device.is_overdue(1e9)
    device.series = {"a": Heard(0.0, 10.0), "b": Heard(0.0, 100.0)}
    assert not device.is_overdue(50.0)
    assert device.is_overdue(101.0)
    device.base_s = 50.0
    assert not device.is_overdue(101.0)
