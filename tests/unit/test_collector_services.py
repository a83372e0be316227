"""collector.services: what ends for a device, and for all that came without a key; over real sockets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kit.servers import Scenario, ServerRig, player
from kit.waiting import until
from wire.conversation import Closed
from wire.greetings import Ready


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""
    return player(tmp_path)


def test_plain_sessions_end_when_they_are_no_longer_allowed(
    play: Callable[[Scenario], None],
) -> None:
    """And none begins any more; those with a key stay. Allowed again, they come again."""

    async def scenario(rig: ServerRig) -> None:
        plain = await rig.device("shed")
        keyed = await rig.device("greenhouse", rig.let_in())
        rig.services.allow_plain(True)
        rig.services.allow_plain(False)
        closed = await plain.closed()
        assert closed.reason == "not_accepted"
        assert "plain_on_loopback: false" in closed.detail
        again = await rig.arrive("shed")
        assert (await again.closed()).reason == "not_accepted"
        assert not again.heard(Ready)
        assert not keyed.heard(Closed)
        assert not rig.admission.trusts_loopback
        rig.services.allow_plain(True)
        await rig.device("shed")

    play(scenario)


def test_plain_session_that_gives_way_takes_nothing_with_it(
    play: Callable[[Scenario], None],
) -> None:
    """The device has come again, with the key that it has by now: that session and its key stay."""

    async def scenario(rig: ServerRig) -> None:
        former = await rig.device("greenhouse")
        former.flush = lambda: None  # type: ignore[method-assign] # it does not answer the PING
        now = await rig.device("greenhouse", rig.let_in())
        assert len(rig.sessions) == 2
        session = rig.sessions.of("greenhouse")
        rig.services.allow_plain(False)
        assert (await former.closed()).reason == "not_accepted"
        await until(lambda: len(rig.sessions) == 1)
        assert rig.sessions.of("greenhouse") is session
        assert not now.heard(Closed)

    play(scenario)
