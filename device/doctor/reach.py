"""The collector: whether it answers, and is the one that this device joined.

Nothing is said to it: a greeting under this device's name would end the agent's own session.
"""

import socket
from collections.abc import Callable
from typing import NamedTuple

from config.addresses import Address
from device.connecting import why_not
from device.contact import Contact
from device.doctor.finding import Finding, bad, good
from service import tls

_SUBJECT = "collector"
_TRY_S = 5.0
_JOIN = (
    "on the collector: sudo telegauge-collector invite {device}\n"
    "here: sudo telegauge-device join TOKEN"
)


class Answer(NamedTuple):
    """What came of one address: `failure` says why nobody was met, `objection` what is wrong with who was."""

    address: Address
    failure: str = ""
    objection: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the right one was met there."""
        return not (self.failure or self.objection)


def look(contact: Contact, try_s: float = _TRY_S) -> list[Answer]:
    """Try the addresses in turn, until the right one answers."""
    answers: list[Answer] = []
    for address in filter(contact.may_use, contact.addresses):
        answers.append(_met(contact, address, try_s))
        if answers[-1].is_right:
            break
    return answers


def judge(contact: Contact, answers: list[Answer]) -> list[Finding]:
    """Say whether readings can be handed over."""
    join = _JOIN.format(device=contact.device)
    if not answers:
        where = contact.addresses[0]
        message = f"{where} is another machine, and this device has not joined it"
        return [bad(_SUBJECT, message, join)]
    right = next((answer for answer in answers if answer.is_right), None)
    if right is not None:
        how = ", and shows the right certificate" if contact.credentials else " on this machine"
        return [good(_SUBJECT, f"{right.address} answers{how}")]
    wrong = [
        bad(_SUBJECT, f"{each.address}: {each.objection}", join)
        for each in answers
        if each.objection
    ]
    tried = "; ".join(f"{each.address}: {each.failure}" for each in answers if each.failure)
    mend = (
        "on the collector: systemctl status telegauge-collector"
        if contact.credentials
        else f"sudo systemctl start telegauge-collector; to send to another machine:\n{join}"
    )
    return wrong or [bad(_SUBJECT, f"it is not reached ({tried})", mend)]


def _met(contact: Contact, address: Address, try_s: float) -> Answer:
    check: Callable[[socket.socket], str] = _secured(contact) if contact.credentials else _plain
    try:
        with socket.create_connection(address, timeout=try_s) as connection:
            return Answer(address, objection=check(connection))
    except OSError as error:
        return Answer(address, why_not(error, try_s))


def _plain(_connection: socket.socket) -> str:
    return ""


def _secured(contact: Contact) -> Callable[[socket.socket], str]:
    joined = contact.credentials
    assert joined is not None

    def check(plain: socket.socket) -> str:
        with tls.client_context().wrap_socket(plain) as connection:
            shown = tls.shown_fingerprint(connection)
        if shown == joined.fingerprint:
            return ""
        return (
            "it shows another certificate than the collector that this device joined, as after it "
            "was set up anew"
        )

    return check
