"""The entrance: what one connection has to show before its session begins.

    over TLS    a name and the proof of its key, or the token of an invitation
    plain       a name that was never invited, from this machine, where the YAML allows that

Of everybody else nothing is taken, and nobody learns whether it was the name or the key.
"""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol

import structlog

from collector.admission import Place
from collector.errors import TrustError
from collector.services import NOT_EVEN_HERE, Services
from collector.trust import REVOKED, REVOKED_RETRY_S, JoinRefused, Verdict
from config.addresses import Address
from wire.bodies import ByeReason
from wire.conversation import State
from wire.greetings import Auth, Hello, Join, Joined
from wire.proofs import NONCE_BYTES, Exchange
from wire.receiver import Receiver

_log = structlog.get_logger()

_TROUBLE_RETRY_S = 60.0
_WRONG = "the collector does not know this device by this key; join again with a new token"
_PLAIN = "plain connections are for this machine's own devices only; join, and come over TLS"
_NO_KEY = "over TLS a device proves its key; join with a token from telegauge-collector invite"


class Caller(NamedTuple):
    """Who connects, from where, and how.

    `fingerprint`: of the certificate that it was shown; None: it came without TLS. `is_local`: from
    this machine to a loopback address of it.
    """

    peer: Address
    is_local: bool
    fingerprint: bytes | None
    place: Place


class Visitor(Protocol):
    """What the entrance needs of the session that is to begin."""

    def let_in(self, hello: Hello) -> None:
        """Begin the session."""

    def close(self, reason: str, detail: str = "", retry_after_s: float = 0.0) -> None:
        """Say BYE and close."""

    def flush(self) -> None:
        """Write what the receiver has to say."""


class Entrance:
    """The way in of one connection; `has_told`: the log says already how it ended."""

    def __init__(
        self, services: Services, caller: Caller, receiver: Receiver, visitor: Visitor
    ) -> None:
        self._services = services
        self._caller = caller
        self._receiver = receiver
        self._visitor = visitor
        self._greeting: Hello | Join
        self._nonce = b""
        self._work: asyncio.Task[None] | None = None
        self.has_told = False

    def take(self, event: Hello | Join | Auth) -> None:
        """Act on what was said before READY."""
        if self._receiver.state is not State.GREETING:
            return  # what came with it has ended this already
        if isinstance(event, Auth):
            self._judge(event.proof)
        elif self._caller.fingerprint is None:
            self._take_plain(event)
        elif event.nonce is None:
            self._refuse(_NO_KEY)
        else:
            self._greeting, self._nonce = event, secrets.token_bytes(NONCE_BYTES)
            self._receiver.challenge(self._nonce)

    def closed(self, now_s: float) -> None:
        """Note that nothing is left of the connection; a change of trust that has begun goes on."""
        self._services.admission.leave(self._caller.place, now_s)

    def _take_plain(self, greeting: Hello | Join) -> None:
        if not self._caller.is_local or isinstance(greeting, Join):
            self._refuse(_PLAIN)
        elif not self._services.plain_on_loopback:
            self._refuse(NOT_EVEN_HERE, device=greeting.device)
        elif self._services.trust.is_revoked(greeting.device):
            self._turn_away(ByeReason.REVOKED, REVOKED, REVOKED_RETRY_S, device=greeting.device)
        elif self._services.trust.find(greeting.device) is not None:
            self._refuse(
                f"{greeting.device} was invited, so it needs its key: join with the token, or with "
                f"one that telegauge-collector invite {greeting.device} makes"
            )
        else:
            self._let_in(greeting)

    def _judge(self, proof: bytes) -> None:
        assert self._caller.fingerprint is not None, "only who comes over TLS is challenged"
        assert self._greeting.nonce is not None, "and only with a nonce"
        exchange = Exchange(self._greeting.nonce, self._nonce, self._caller.fingerprint)
        if isinstance(self._greeting, Join):
            self._begin(self._join(self._greeting, exchange, proof))
            return
        hello = self._greeting
        match self._services.trust.check(hello.device, exchange, proof):
            case Verdict.RIGHT:
                self._let_in(hello)
            case Verdict.NEWS:
                self._begin(self._use_key(hello, exchange, proof))
            case Verdict.REVOKED:
                self._turn_away(ByeReason.REVOKED, REVOKED, REVOKED_RETRY_S)
            case Verdict.WRONG:
                self._refuse(_WRONG, device=hello.device)

    async def _use_key(self, hello: Hello, exchange: Exchange, proof: bytes) -> None:
        holds = await asyncio.to_thread(self._services.trust.use_key, hello.device, exchange, proof)
        if self._receiver.state is not State.GREETING:
            return
        # It may have been revoked, or joined anew, while this came back from the thread.
        if holds and self._services.trust.check(hello.device, exchange, proof) is Verdict.RIGHT:
            self._let_in(hello)
        else:
            self._refuse(_WRONG, device=hello.device)

    async def _join(self, join: Join, exchange: Exchange, proof: bytes) -> None:
        try:
            joined = await asyncio.to_thread(
                self._services.trust.join, join, exchange, proof, time.time_ns()
            )
        except JoinRefused as refused:
            self._refuse(str(refused))
            return
        self._tell_joined(joined)

    def _tell_joined(self, joined: Joined) -> None:
        self.has_told = True
        _log.info("device_joined", device=joined.device, peer=str(self._caller.peer))
        self._services.cut(
            joined.device, ByeReason.NOT_ACCEPTED, "another device has joined under this name"
        )
        if self._receiver.state is State.GREETING:
            self._receiver.joined(joined.device, joined.key)
            self._services.admission.let_in(self._caller.place, self._now_s())

    def _let_in(self, hello: Hello) -> None:
        self._services.admission.let_in(self._caller.place, self._now_s())
        self._visitor.let_in(hello)

    def _refuse(self, detail: str, device: str | None = None) -> None:
        self._turn_away(ByeReason.NOT_ACCEPTED, detail, device=device)

    def _turn_away(
        self, reason: str, detail: str, retry_after_s: float = 0.0, device: str | None = None
    ) -> None:
        self.has_told = True
        if device is not None and self._services.trust.find(device) is not None:
            told = f"somebody at {self._caller.peer} says to be it, and was not let in: {detail}"
            self._services.notes.trouble(device, "device_not_let_in", told, time.time_ns())
        _log.warning(
            "device_not_let_in",
            peer=str(self._caller.peer),
            claims=device,
            reason=reason,
            detail=detail,
        )
        self._visitor.close(reason, detail, retry_after_s)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._done)

    def _done(self, work: "asyncio.Task[None]") -> None:
        error = None if work.cancelled() else work.exception()
        if error is not None:
            _log.error("trust_failed", detail=str(error), exc_info=_fault(error))
            self._visitor.close(
                ByeReason.STOPPING, "the collector cannot look up its keys", _TROUBLE_RETRY_S
            )
        self._visitor.flush()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _fault(error: BaseException) -> BaseException | None:
    """Return an error of ours, whose place is to be logged; what a person can mend says enough."""
    return None if isinstance(error, TrustError) else error
