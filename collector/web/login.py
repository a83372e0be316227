"""The password: for a cookie, and for a change. Who guesses waits ever longer, few may try at a time."""

import asyncio
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.admission import Admission
from collector.web import pages
from collector.web.access import Access, Password, is_right
from collector.web.bodies import body_of
from collector.web.logins import VALID_S, Logins
from collector.web.problems import Refused

_log = structlog.get_logger()

# Sent over TLS alone, to this host alone (RFC 6265bis, section 4.1.3.2).
COOKIE = "__Host-telegauge"
# A path of ours: what begins with // would be another host.
_OURS = re.compile(r"/(?![/\\])[\x21-\x7e]*")
MAX_BODY_BYTES = 1024
# Each takes a processor and 16 MiB for a moment: one does, so many wait.
MAX_WAITING = 8
_UNSET = (
    "a change wants the password, and none is set yet. On the collector's machine: "
    "sudo telegauge-collector password"
)


class Login:
    """Logs in and out; `failures` counts wrong passwords."""

    def __init__(
        self, access: Access, logins: Logins, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures = 0
        self._access = access
        self._logins = logins
        self._clock = clock
        # A proxy on this machine hands on guesses of others.
        self._admission = Admission(trusts_loopback=False)
        self._turn = asyncio.Lock()
        self._waiting = 0

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def confirm(self, text: str | None, host: str) -> None:
        """Let somebody of an IP address change something who gives the password, logged in or not.

        Raises:
            Refused: `password` of its facts says why: `unset`, `missing` or `wrong`.
        """
        password = self._access.password
        if password is None:
            raise Refused(403, _UNSET, password="unset")  # noqa: S106 - no secret
        if not text:
            raise Refused(403, "a change wants the password", password="missing")  # noqa: S106
        if not await self._is_right(text, password, host):
            self.failures += 1
            _log.warning("web_change_refused", peer=host, failures=self.failures)
            raise Refused(403, "That is not the password.", password="wrong")  # noqa: S106

    async def show(self, request: Request) -> Response:
        """Answer GET /login."""
        return pages.closed() if self._access.password is None else pages.login(_to(request))

    async def log_in(self, request: Request) -> Response:
        """Answer POST /login."""
        text = await _password_in(request)
        password = self._access.password
        if password is None:
            return pages.closed()
        host = request.state.asker.host
        if not await self._is_right(text, password, host):
            self.failures += 1
            _log.warning("web_login_failed", peer=host, failures=self.failures)
            return pages.login(_to(request), "That is not the password.", 401)
        _log.info("web_login", peer=host)
        response = RedirectResponse(_to(request), 303)
        response.set_cookie(
            COOKIE, self._logins.begin(self._clock()),
            max_age=VALID_S, path="/", secure=True, httponly=True, samesite="strict",
        )  # fmt: skip
        return response

    async def log_out(self, request: Request) -> Response:
        """Answer POST /logout."""
        self._logins.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def _is_right(self, text: str, password: Password, host: str) -> bool:
        place = self._admission.arrive(host, self._clock())
        if place is None:
            raise Refused(
                429,
                "too many wrong passwords from this address; wait a minute",
                {"Retry-After": "60"},
            )
        if self._waiting >= MAX_WAITING:
            raise Refused(503, "too many log in at this moment; try again", {"Retry-After": "5"})
        self._waiting += 1
        right = False
        try:
            async with self._turn:
                right = await asyncio.to_thread(is_right, text, password)
            # It may have been changed while this one was looked at.
            right = right and self._access.password is password
        finally:
            self._waiting -= 1
            if right:
                self._admission.let_in(place, self._clock())
            else:
                self._admission.leave(place, self._clock())
        return right


def _to(request: Request) -> str:
    """Return what of ours is to be shown behind the login; never anything of others."""
    to = request.query_params.get("to", "/")
    return to if _OURS.fullmatch(to) else "/"


async def _password_in(request: Request) -> str:
    body = await body_of(request, MAX_BODY_BYTES)
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return fields.get("password", [""])[0]
