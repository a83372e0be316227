"""The guard in front of the application: who may ask what, and what goes out with every answer.

    by a name that is not this machine's     nobody (DNS rebinding)
    plain, from another machine              sent to https
    a change (POST)                          only from a page of ours, as Origin says
    from this machine                        everybody
    from another                             with the cookie of a login, or a token that reads

What a proxy on this machine hands on is not from this machine.
"""

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.web import pages
from collector.web.access import Access
from collector.web.login import COOKIE
from collector.web.logins import Logins
from collector.web.names import Names, as_address
from collector.web.problems import Refused, problem
from config.problems import shown

_log = structlog.get_logger()

# Whoever comes may ask these.
OPEN = ("/healthz", "/login")
_READS = ("GET", "HEAD")
_HANDED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_NOBODY = (
    "a token is wanted: Authorization: Bearer TOKEN. On the collector's machine: "
    "sudo telegauge-collector token NAME"
)
_UNKNOWN = "this token is not known; it may have been taken away"
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # Without any, browsers would not say either where the form of a login comes from.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """The guard of one application; `refusals` counts by status who was not let through.

    Args:
        names: what this collector may be called now.
        clock: monotonic seconds, for the logins.
    """

    def __init__(
        self,
        application: ASGIApp,
        access: Access,
        logins: Logins,
        names: Callable[[], Names],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refusals: dict[int, int] = {}
        self._application = application
        self._access = access
        self._logins = logins
        self._names = names
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say no; as ASGI."""
        request = Request(scope, receive)
        sent = _Sent(send)
        try:
            refusal = self._refusal(request)
            if refusal is not None:
                self._count(refusal.status_code)
            await (refusal or self._application)(scope, receive, sent)
        except Exception as error:  # noqa: BLE001 - a bug of ours ends no more than this request
            _log.error("web_request_failed", path=shown(scope["path"]), exc_info=error)
            if not sent.has_begun:
                await problem(Refused(500, "a fault of the collector; its log says more"))(
                    scope, receive, sent
                )

    def _refusal(self, request: Request) -> Response | None:
        try:
            self._check_host(request)
            if _scheme(request) == "http" and not request.state.asker.is_local:
                return self._to_https(request)
            if request.method not in _READS:
                _check_origin(request)
            return self._stopped(request)
        except Refused as refused:
            return _told(request, refused)

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        server = request.scope["server"]
        own = as_address(server[0]) if server else None
        if len(hosts) == 1:
            names = self._names() | Names(frozenset(), frozenset([own] if own else []))
            if names.knows(hosts[0]):
                return
        raise Refused(
            421,
            f"this collector does not go by the name `{shown(', '.join(hosts))}`. If it should: "
            "web.names in collector.yaml",
        )

    def _to_https(self, request: Request) -> Response:
        if request.method not in _READS:
            raise Refused(403, "https alone is accepted from other machines")
        return RedirectResponse(str(request.url.replace(scheme="https")), 307)

    def _stopped(self, request: Request) -> Response | None:
        """Stop who may not ask this, and note who may ask all."""
        token = _bearer(request)
        is_token = token is not None and self._access.holds(token)
        has_login = self._has_login(request)
        is_trusted = _is_local(request) or has_login or is_token
        request.state.is_trusted, request.state.has_login = is_trusted, has_login
        if request.scope["path"] in OPEN:
            return None
        if is_trusted:
            if is_token and request.method not in _READS:
                raise Refused(403, "a token only reads")
            return None
        if self._access.is_closed:
            if _wants_page(request):
                return pages.closed()
            raise Refused(403, pages.HOW_TO_OPEN)
        if token is None and _wants_page(request) and request.method in _READS:
            return RedirectResponse(_login_for(request), 303)
        raise Refused(
            401,
            _NOBODY if token is None else _UNKNOWN,
            {"WWW-Authenticate": 'Bearer realm="telegauge"'},
        )

    def _has_login(self, request: Request) -> bool:
        cookie = request.cookies.get(COOKIE)
        return cookie is not None and self._logins.holds(cookie, self._clock())

    def _count(self, status: int) -> None:
        self.refusals[status] = self.refusals.get(status, 0) + 1


class _Sent:
    """What is sent, with the headers that each answer has."""

    def __init__(self, send: Send) -> None:
        self.has_begun = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = list(message.get("headers", []))
            has = {name for name, _ in headers}
            pairs = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            headers += [each for each in pairs if each[0] not in has]
            message = {**message, "headers": headers}
        await self._send(message)


def _login_for(request: Request) -> str:
    """Return where to log in, so that what was asked for is shown then."""
    url = request.url
    wanted = f"{url.path}?{url.query}" if url.query else url.path
    return "/login" if wanted == "/" else f"/login?{urlencode({'to': wanted})}"


def _told(request: Request, refused: Refused) -> Response:
    if _wants_page(request):
        page = pages.refusal(refused.detail, refused.status)
        page.headers.update(refused.headers)
        return page
    return problem(refused)


def _is_local(request: Request) -> bool:
    is_local: bool = request.state.asker.is_local
    return is_local and not any(name in request.headers for name in _HANDED_ON)


def _scheme(request: Request) -> str:
    """Return by which scheme it was asked; of what a proxy of this machine hands on it says so."""
    scheme: str = request.scope["scheme"]
    if request.state.asker.is_local:
        return request.headers.get("x-forwarded-proto", scheme)
    return scheme


def _check_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is None:
        raise Refused(403, "a change says where it comes from: the header Origin is missing")
    if origin != f"{_scheme(request)}://{request.headers['host']}":
        raise Refused(403, f"a change from `{shown(origin)}` is not accepted here")


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
