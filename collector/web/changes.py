"""Changes over HTTP: invite, revoke, another key, a command. Each asks for the password, also on this machine.

    POST /api/v1/invitations              {"name": "greenhouse", "valid_s": 900, "password": "..."}
    POST /api/v1/devices/NAME/revoke      {"password": "..."}
    POST /api/v1/devices/NAME/rotate      {"password": "..."}
    POST /api/v1/devices/NAME/command     {"name": "identify", "arguments": [], "password": "..."}

A browser that was left open, or a program of somebody else on this machine, shall change nothing; a
token only reads, which the guard says. What is done is what the commands of the same names do.
"""

import io
from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
import structlog
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.errors import CollectorError
from collector.invitations import MAX_VALID_S, Invitation
from collector.remote import MAX_WITHIN_S, CommandAnswer
from collector.web.asked import Asked
from collector.web.bodies import body_of
from collector.web.encoding import TIMES, Clock
from collector.web.login import Login
from collector.web.problems import Refused, answer
from config.addresses import parse_address
from config.problems import did_you_mean, shown

_log = structlog.get_logger()

Handler: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Any]]
_T = TypeVar("_T", bound="_Confirmed")

INVITATIONS = "/api/v1/invitations"
OF_DEVICE = "/api/v1/devices/{name}"
MAX_BODY_BYTES = 16 * 1024
_QR_BORDER = 4  # ISO/IEC 18004, section 9.1


class _Confirmed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every change says."""

    password: Annotated[str, Meta(max_length=512)] | None = None


class _Invite(_Confirmed, frozen=True, kw_only=True):
    name: Annotated[str, Meta(max_length=200)]
    valid_s: Annotated[float, Meta(ge=10, le=MAX_VALID_S)] = 900.0
    count: int | None = None
    address: Annotated[str, Meta(max_length=300)] | None = None


class _Command(_Confirmed, frozen=True, kw_only=True):
    name: Annotated[str, Meta(max_length=64)]
    arguments: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=16)] = []
    within_s: Annotated[float, Meta(gt=0, le=MAX_WITHIN_S)] = 10.0


class Changes:
    """The changes that one collector takes.

    Args:
        login: checks the password.
        handlers: what answers `invite`, `devices`, `revoke`, `rotate` and `command`.
        zone: of times in answers.
    """

    def __init__(
        self, login: Login, handlers: Mapping[str, Handler], zone: Callable[[], tzinfo]
    ) -> None:
        self._login = login
        self._handlers = handlers
        self._zone = zone

    def routes(self) -> list[Route]:
        """Return what is answered."""
        of_device = {"revoke": self._revoke, "rotate": self._rotate, "command": self._command}
        return [
            Route(INVITATIONS, self._invite, methods=["POST"]),
            *(
                Route(f"{OF_DEVICE}/{verb}", act, methods=["POST"])
                for verb, act in of_device.items()
            ),
        ]

    async def _invite(self, request: Request) -> Response:
        clock = self._clock(request)
        wanted = await self._confirmed(request, _Invite)
        invitation: Invitation = await self._do(
            request,
            "invite",
            name=wanted.name,
            valid_s=wanted.valid_s,
            count=wanted.count,
            address=_address(wanted.address),
        )
        facts = msgspec.to_builtins(invitation)
        facts["expires"] = clock.one(facts.pop("expires_ns"))
        return answer({**facts, "qr": qr_code(invitation.line)}, 201)

    async def _revoke(self, request: Request) -> Response:
        self._clock(request)
        await self._confirmed(request, _Confirmed)
        await self._do(request, "revoke", device=await self._device(request))
        return answer({})

    async def _rotate(self, request: Request) -> Response:
        self._clock(request)
        await self._confirmed(request, _Confirmed)
        rotation = await self._do(request, "rotate", device=await self._device(request))
        return answer(msgspec.to_builtins(rotation))

    async def _command(self, request: Request) -> Response:
        clock = self._clock(request)
        wanted = await self._confirmed(request, _Command)
        came: CommandAnswer = await self._do(
            request,
            "command",
            device=await self._device(request),
            name=wanted.name,
            arguments=wanted.arguments,
            within_s=wanted.within_s,
        )
        facts = msgspec.to_builtins(came)
        facts["heard"] = clock.one(facts.pop("heard_ns"))
        return answer(facts)

    async def _confirmed(self, request: Request, kind: type[_T]) -> _T:
        """Return what is asked for, by somebody who knows the password."""
        body = await body_of(request, MAX_BODY_BYTES)
        try:
            wanted = msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(400, f"the body is not understood: {error}") from None
        await self._login.confirm(wanted.password, request.state.asker.host)
        return wanted

    async def _device(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = [each.device for each in await self._handlers["devices"]({})]
        if name not in known:
            guess = did_you_mean(name, known)
            raise Refused(404, f"no device `{shown(name)}` is known.{guess}")
        return name

    async def _do(self, request: Request, change: str, /, **arguments: Any) -> Any:
        facts = {"device": arguments.get("device"), "name": arguments.get("name")}
        said = {key: shown(value) for key, value in facts.items() if value is not None}
        _log.info("web_change", change=change, peer=request.state.asker.host, **said)
        try:
            return await self._handlers[change](arguments)
        except CollectorError as error:
            raise Refused(409, str(error)) from None

    def _clock(self, request: Request) -> Clock:
        asked = Asked(request.url.query, ["time"], self._zone())
        return Clock(asked.choice("time", TIMES), asked.zone)


def qr_code(line: str) -> str:
    """Return a QR code of a line as SVG: dark on light whatever is around it, as cameras want it."""
    import segno  # an invitation is rare, and it stays loaded

    drawn = io.BytesIO()
    segno.make_qr(line, error="l").save(
        drawn, kind="svg", border=_QR_BORDER, dark="#000", light="#fff", omitsize=True,
        xmldecl=False, nl=False, svgclass=None, lineclass=None,
    )  # fmt: skip
    return drawn.getvalue().decode()


def _address(text: str | None) -> tuple[str, int] | None:
    if not text:
        return None
    try:
        address = parse_address(text)
    except ValueError as error:
        raise Refused(400, f"address: {error}") from None
    return address.host, address.port
