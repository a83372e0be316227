"""What changes or shows the members of a collector that does not run."""

import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from collector import trust_file
from collector.certificate import own_certificate
from collector.interfaces import reachable_at
from collector.invitations import Inviter
from collector.membership import check_known, standings
from collector.settings import CollectorSettings
from collector.store import devices_of, names_in
from collector.trust import Trust
from collector.web.access import Access
from collector.web.granting import PASSWORD, REQUESTS, Reached, grant, urls
from config.addresses import parse_address
from service import folders

_NOT_RUNNING = "the collector is not running: start it before the device joins"


def do_offline(
    settings: CollectorSettings,
    store_file: Path,
    state_folder: Path,
    name: str,
    arguments: Mapping[str, Any],
) -> object:
    """Do what the running collector would: `invite`, `devices`, `revoke`, and what the web grants.

    Raises:
        CollectorError: it cannot be done.
        FolderError: the folder belongs to others, or to a collector that runs after all.
        KeyFileError: others may read the keys.
    """
    if name in REQUESTS:
        return _do_web(settings, state_folder, name, arguments)
    with (
        folders.owned(state_folder),
        closing(Trust(state_folder / trust_file.FILE_NAME)) as trust,
    ):
        if name == "invite":
            listen = parse_address(settings.devices.listen)
            # The one that devices know may be handed over to the running collector, and not to us.
            fingerprint = trust.fingerprint or own_certificate(state_folder).fingerprint
            inviter = Inviter(
                trust, fingerprint, partial(reachable_at, listen), partial(names_in, store_file)
            )
            invitation = inviter.invite(arguments, time.time_ns())
            return replace(invitation, notes=[*invitation.notes, _NOT_RUNNING])
        rows = devices_of(store_file)
        if name == "devices":
            return standings(trust.members, rows, None, trust.may_join(time.time_ns()))
        check_known(arguments["device"], trust, rows)
        trust.revoke(arguments["device"], time.time_ns())
        return None


def _do_web(
    settings: CollectorSettings, state_folder: Path, name: str, arguments: Mapping[str, Any]
) -> object:
    with folders.owned(state_folder):
        answer = grant(Access(state_folder), name, arguments)
    if name != PASSWORD:
        return answer
    return Reached(urls(settings.web.listen), None, "the collector is not running: start it")
