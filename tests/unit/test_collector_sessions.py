"""collector.sessions: one session a device, the newest wins; and how many there may be."""

import pytest

from collector.sessions import Sessions


class Peer:
    """A session as the others see it; it notes what it is told."""

    def __init__(self, device: str | None = None) -> None:
        self.device = device
        self.told: list[str] = []

    def replace(self) -> None:
        """Make place."""
        self.told.append("replace")

    def stop(self) -> None:
        """Say BYE."""
        self.told.append("stop")

    def catch_up(self) -> None:
        """Read again."""
        self.told.append("catch_up")


def greeted(sessions: Sessions, device: str) -> Peer:
    """A session that is let in."""
    peer = Peer(device)
    sessions.opened(peer)
    sessions.greeted(peer, device)
    return peer


def test_connections_count_before_they_have_a_name() -> None:
    """Who has not said HELLO yet takes a place, and is no device."""
    sessions = Sessions()
    sessions.opened(Peer())
    greeted(sessions, "greenhouse")
    assert len(sessions) == 2
    assert sessions.devices == ["greenhouse"]


def test_newest_session_of_a_device_wins() -> None:
    """The former is told once, and its end does not take the newer one's place away."""
    sessions = Sessions()
    former = greeted(sessions, "greenhouse")
    other = greeted(sessions, "cellar")
    newer = greeted(sessions, "greenhouse")
    assert (former.told, newer.told, other.told) == (["replace"], [], [])
    sessions.ended(former)
    assert sessions.devices == ["cellar", "greenhouse"]
    sessions.ended(newer)
    assert sessions.devices == ["cellar"]
    assert len(sessions) == 1


def test_room_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """And there again when a session ends."""
    monkeypatch.setattr("collector.sessions.MAX_SESSIONS", 2)
    sessions = Sessions()
    first = greeted(sessions, "a")
    assert sessions.has_room()
    sessions.opened(Peer())
    assert not sessions.has_room()
    sessions.ended(first)
    sessions.ended(first)
    assert sessions.has_room()


def test_only_those_behind_catch_up() -> None:
    """And one that ends meanwhile is no longer among them."""
    sessions = Sessions()
    behind, gone, well = (greeted(sessions, name) for name in ("a", "b", "c"))
    sessions.behind |= {behind, gone}
    sessions.ended(gone)
    sessions.catch_up()
    assert (behind.told, gone.told, well.told) == (["catch_up"], [], [])


def test_sessions_may_end_while_all_are_told() -> None:
    """As they do when the collector stops."""
    sessions = Sessions()
    peers = [greeted(sessions, name) for name in ("a", "b", "c")]
    for session in sessions:
        sessions.ended(session)
    assert len(sessions) == 0
    assert len(peers) == 3
