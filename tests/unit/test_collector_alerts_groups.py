"""collector.alerts.groups: what is said of devices that fell silent together."""

from collector.alerts.groups import Group
from collector.alerts.signals import Level


def test_words() -> None:
    """How many, who, and why if that is known; then who is still missing, and at last all again."""
    group = Group("*1", 0.0, ["b", "a"], ["b", "a"])
    assert group.signal().words == "2 devices fell silent together: a, b"
    group.are_all = True
    assert group.signal().words.startswith("all 2 devices are silent: the network or the power")
    assert "the collector itself takes nothing (no room)" in group.signal("no room").words
    group.join("c")
    assert group.signal().members == ("a", "b", "c")
    group.silent = ["c"]
    assert group.signal().words == "still silent of 3 devices that fell silent together: c"
    group.silent = []
    assert group.signal().level is Level.OFF
    assert "3 devices" in group.signal().words


def test_many_are_not_all_named() -> None:
    """The summary lists them, the words need not."""
    names = [f"pi-{number:02}" for number in range(30)]
    signal = Group("*1", 0.0, names, names).signal()
    assert signal.words.endswith("pi-00, pi-01, pi-02 and 27 more")
    assert len(signal.members) == 30
