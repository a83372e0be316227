"""collector.answers: what a running collector says of itself."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from collector.answers import Answers
from collector.errors import StoreError
from collector.report import Status
from collector.store.database import FILE_NAME
from kit.servers import ServerRig, server_rig
from kit.stores import batch, commit
from kit.wireworks import EPOCH


def asked(file: Path, *names: str) -> Status:
    """Connect devices, let each store something, and ask."""

    async def main() -> Status:
        async with server_rig(file) as rig:
            answers = answers_of(rig)
            rig.admission.turned_away, rig.admission.evicted = 2, 3
            for name in names:
                device = await rig.device(name)
                device.send_batches(batch(1))
                await device.acknowledged(EPOCH, 1)
            return await answers.status({})

    return asyncio.run(main())


def answers_of(rig: ServerRig) -> Answers:
    """What answers for the parts of a rig."""
    return Answers(rig.services, rig.server, rig.file, rig.housekeeper)


def test_status_of_a_running_collector(tmp_path: Path) -> None:
    """Who is connected and who is away, what waits, and where it all is."""
    file = tmp_path / FILE_NAME
    commit(file, "cellar", batch(1), batch(2))
    status = asked(file, "greenhouse", "attic")
    assert (status.running, status.store, status.sessions) == (True, str(file), 2)
    assert (status.pending_bytes, status.listen) == (0, "127.0.0.1:0")
    assert status.turned_away == 5
    assert status.store_bytes > 0
    assert status.uptime_s is not None
    assert status.commits is not None
    assert 0 <= status.uptime_s < 60
    assert status.commits >= 2
    assert [(each.device, each.connected, each.readings) for each in status.devices] == [
        ("attic", True, 1),
        ("cellar", False, 2),
        ("greenhouse", True, 1),
    ]


def test_status_travels_as_json(tmp_path: Path) -> None:
    """What the control socket sends can be read back as what was said."""
    status = asked(tmp_path / FILE_NAME, "greenhouse")
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(status)), Status) == status


def test_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Whoever asked gets the reason as an answer; the collector goes on."""

    async def main() -> None:
        async with server_rig(tmp_path / FILE_NAME) as rig:
            rig.file.rename(tmp_path / "elsewhere")
            with pytest.raises(StoreError, match="no store here"):
                await answers_of(rig).status({})
            (tmp_path / "elsewhere").rename(rig.file)
            assert (await answers_of(rig).status({})).running

    asyncio.run(main())
