"""The link as its sessions see it: what each of them needs of it, and tells it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from device.contact import Contact
from device.datagram_epochs import DatagramEpochs
from device.spool import Spool
from wire.bodies import Command, Describe, Result


class LinkSide(Protocol):
    """What a session needs of the link."""

    contact: Contact
    agent: str
    spool: Spool
    offering: asyncio.Lock
    obey: Callable[[Command], Awaitable[Result]]
    datagrams: DatagramEpochs | None

    def describe(self) -> Describe:
        """Return what this device has, now."""

    async def take_key(self, contact: Contact, key: bytes) -> None:
        """Use another key for a contact from now on."""

    def met(self, contact: Contact, owner: str) -> None:
        """Note whose the epochs are that are offered to a contact."""

    def went_up(self, collector: str) -> None:
        """Note that batches flow."""

    def progressed(self, news: bool) -> None:
        """Note an acknowledgement, and whether it was of anything new."""
