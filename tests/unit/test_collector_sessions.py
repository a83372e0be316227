"""collector.sessions: one session a device, the newest wins; and how many there may be."""

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from collector.replacements import WITHIN_S
from collector.sessions import Sessions
from wire.bodies import Result


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

    def close(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> None:
        """Note why."""
        self.told.append(reason)

    def give_key(self, key: bytes) -> None:
        """Note it."""
        self.told.append("give_key")

    def catch_up(self) -> None:
        """Read again."""
        self.told.append("catch_up")

    async def command(self, name: str, arguments: Sequence[str], within_s: float) -> Result | None:
        """Note the command."""
        self.told.append(name)
        return None


def greeted(sessions: Sessions, device: str) -> Peer:
    """A session that is let in."""
    peer = Peer(device)
    sessions.greeted(peer, device)
    return peer


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


def test_session_of_a_device_is_its_newest() -> None:
    """Whoever wants to command a device finds it, while it is there."""
    sessions = Sessions()
    former = greeted(sessions, "greenhouse")
    assert sessions.of("greenhouse") is former
    newer = greeted(sessions, "greenhouse")
    assert sessions.of("greenhouse") is newer
    sessions.ended(newer)
    assert sessions.of("greenhouse") is None
    assert sessions.of("cellar") is None


def test_shared_name_is_shown_and_logged_once() -> None:
    """From the third replacement of a living session on, until ten minutes have passed."""
    now_s = 0.0
    sessions = Sessions(lambda: now_s)
    with capture_logs() as logs:
        assert [sessions.note_replaced("greenhouse") for _ in range(5)] == [False] * 2 + [True] * 3
        assert not sessions.note_replaced("cellar")
        assert sessions.duplicate_identities == {"greenhouse"}
        assert [(log["event"], log["log_level"], log["device"]) for log in logs] == [
            ("duplicate_identity", "error", "greenhouse")
        ]
        now_s = WITHIN_S
        assert sessions.duplicate_identities == set()
        assert [sessions.note_replaced("greenhouse") for _ in range(3)] == [False, False, True]
    assert len(logs) == 2


def test_room_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """And there again when a session ends."""
    monkeypatch.setattr("collector.sessions.MAX_SESSIONS", 2)
    sessions = Sessions()
    first = greeted(sessions, "a")
    assert sessions.has_room()
    greeted(sessions, "b")
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
