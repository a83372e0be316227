"""Commands about members, typed through the real program at a collector that runs, or at none."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.__main__ import main
from collector.invitations import Inviter
from collector.membership import Membership
from collector.store.database import FILE_NAME
from config.addresses import Address
from kit.servers import ServerRig, server_rig
from kit.waiting import WITHIN_S
from service.control import ControlServer

Typed = Callable[..., Awaitable[int]]
Scenario = Callable[[ServerRig, Typed], Awaitable[None]]


class Commanded:
    """A collector's folders, with a YAML that shows times of Seoul."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.runtime = folder, folder / "run"
        self.runtime.mkdir()
        self.config = folder / "c.yaml"
        self.config.write_text("devices: {listen: '127.0.0.1:4711'}\ntime_zone: Asia/Seoul\n")
        monkeypatch.setenv("STATE_DIRECTORY", str(self.state))
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(self.runtime))

    @property
    def store(self) -> Path:
        """The file of the store."""
        return self.state / FILE_NAME

    def type(self, *words: str) -> int:
        """Type a command where no collector runs, or in another thread; return its exit code."""
        verb, *rest = words
        return main([verb, "-c", str(self.config), *rest])

    def play(self, scenario: Scenario) -> None:
        """Run a scenario with a collector's network and control socket."""

        async def typed(*words: str) -> int:
            return await asyncio.to_thread(self.type, *words)

        async def whole() -> None:
            async with asyncio.timeout(WITHIN_S), server_rig(self.store) as rig:
                here = [Address("127.0.0.1", rig.server.port)]
                inviter = Inviter(rig.trust, rig.certificate.fingerprint, lambda: here)
                members = Membership(rig.services, inviter, rig.file)
                names = ("invite", "devices", "revoke", "rotate")
                control = ControlServer(
                    self.runtime / "control", {name: getattr(members, name) for name in names}
                )
                await control.start()
                try:
                    await scenario(rig, typed)
                finally:
                    await control.close()

        with capture_logs():  # else the server's lines stand among the command's
            asyncio.run(whole())
