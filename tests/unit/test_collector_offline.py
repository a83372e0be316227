"""collector.offline: members of a collector that does not run."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.certificate import own_certificate
from collector.errors import CollectorError
from collector.invitations import Invitation
from collector.membership import MemberStatus
from collector.offline import do_offline
from collector.settings import CollectorSettings, DevicesSettings
from collector.store.database import FILE_NAME
from collector.trust import Trust
from collector.trust_file import FILE_NAME as TRUST_FILE
from kit.servers import ServerRig, player
from kit.stores import batch, commit
from service import folders
from service.folders import FolderError
from service.keyfile import KeyFileError
from wire.greetings import Joined
from wire.tokens import decode_token

Do = Callable[..., Any]


@pytest.fixture
def do(tmp_path: Path) -> Do:
    """Do what a command asks for, in folders where nothing runs."""
    settings = CollectorSettings(devices=DevicesSettings(listen="192.0.2.1:4711"))

    def act(name: str, /, **arguments: Any) -> Any:
        return do_offline(settings, tmp_path / FILE_NAME, tmp_path, name, arguments)

    return act


def test_invitation_is_good_when_the_collector_runs(do: Do, tmp_path: Path) -> None:
    """It knows the certificate that is going to be served, and where that will be."""
    invitation = do("invite", name="greenhouse", valid_s=900.0)
    assert isinstance(invitation, Invitation)
    token = decode_token(invitation.token)
    assert token.addresses == (("192.0.2.1", 4711),)
    assert token.fingerprint == own_certificate(tmp_path, {}).fingerprint

    async def scenario(rig: ServerRig) -> None:
        assert rig.certificate.fingerprint == token.fingerprint
        [joined] = await (await rig.joiner(token.secret)).said(Joined)
        assert joined.device == "greenhouse"

    player(tmp_path)(scenario)


def test_devices_are_listed(do: Do, tmp_path: Path) -> None:
    """From both files; whether one is connected nobody knows."""
    assert do("devices") == []
    commit(tmp_path / FILE_NAME, "here", batch(1))
    do("invite", name="greenhouse", valid_s=900.0)
    found: list[MemberStatus] = do("devices")
    assert [(each.device, each.standing, each.connected) for each in found] == [
        ("greenhouse", "invited", None),
        ("here", "no key", None),
    ]


def test_revoked_stays_revoked(do: Do, tmp_path: Path) -> None:
    """The collector finds it so when it starts; a name that nobody had is told."""
    commit(tmp_path / FILE_NAME, "here", batch(1))
    with pytest.raises(CollectorError, match="Did you mean `here`"):
        do("revoke", device="hare")
    before_ns = time.time_ns()
    assert do("revoke", device="here") is None
    with closing(Trust(tmp_path / TRUST_FILE)) as trust:
        assert trust.is_revoked("here")
        assert not trust.is_revoked("hare")
        member = trust.find("here")
    assert member is not None
    assert member.revoked_ns is not None
    assert before_ns <= member.revoked_ns <= time.time_ns()


def test_collector_that_runs_after_all_is_left_alone(do: Do, tmp_path: Path) -> None:
    """It has the folder: two must not change the keys at once."""
    with folders.owned(tmp_path), pytest.raises(FolderError, match="another instance is running"):
        do("devices")
    assert do("devices") == []


def test_keys_that_others_may_read_are_refused(do: Do, tmp_path: Path) -> None:
    """As at the start of the collector."""
    do("devices")
    (tmp_path / TRUST_FILE).chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        do("devices")
