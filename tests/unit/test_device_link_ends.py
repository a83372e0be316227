"""device.link_ends: the link's own words for how it ends."""

from device.link_ends import NOT_JOINED, UNWELCOME, not_joined


def test_who_has_not_joined_is_told_how() -> None:
    """And is of those for whom trying again at once is of no use."""
    closed = not_joined("hub.local")
    assert closed.reason == NOT_JOINED
    assert closed.reason in UNWELCOME
    assert closed.detail.startswith("hub.local is another machine, and this device has not joined")
    assert "telegauge-collector invite NAME" in closed.detail
