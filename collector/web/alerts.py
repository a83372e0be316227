"""/api/v1/alerts: what is wrong, who was told, and that somebody has seen it.

    GET  /api/v1/alerts              {"alerts": [...], "notifiers": [...], "trouble": ""}
    POST /api/v1/alerts/ID/seen      the alert as it is now

To have seen something needs no password: it changes no reading, and quiets no other alert.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, TypeAlias, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.alerts.lives import Alert, State
from collector.alerts.report import AlertReport, Report, concerns
from collector.alerts.signals import series_of
from collector.alerts.words import facts
from collector.errors import CollectorError
from collector.web.asked import Asked
from collector.web.encoding import TIMES, Clock
from collector.web.live import Hub
from collector.web.problems import Refused, answer

Handler: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Any]]

ALERTS = "/api/v1/alerts"
STATES: Sequence[str] = get_args(State)


class WebAlerts:
    """The alerts of one collector, over HTTP.

    Args:
        handlers: what answers `alerts` and `alert_seen`, as on the control socket.
        zone: of times in answers.
    """

    def __init__(
        self, hub: Hub, handlers: Mapping[str, Handler], zone: Callable[[], tzinfo]
    ) -> None:
        self._hub = hub
        self._handlers = handlers
        self._zone = zone

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [
            Route(ALERTS, self._alerts, methods=["GET"]),
            Route(f"{ALERTS}/{{id:int}}/seen", self._seen, methods=["POST"]),
        ]

    def tell(self, alert: Alert) -> None:
        """Tell those who listen live of an alert that is new, has changed or is over."""
        self._hub.tell("alert", series_of(alert.subject), lambda clock: _facts(alert, clock))

    async def _alerts(self, request: Request) -> Response:
        asked = Asked(request.url.query, ("state", "pattern", "time"), self._zone())
        clock = Clock(asked.choice("time", TIMES), asked.zone)
        states, pattern = asked.some("state", STATES), asked.pattern()
        report: Report = await self._ask("alerts")
        found = [
            _told(each, clock)
            for each in report.alerts
            if (states is None or each.alert.state in states) and concerns(each.alert, pattern)
        ]
        notifiers = [msgspec.to_builtins(each) for each in report.notifiers]
        return answer({"alerts": found, "notifiers": notifiers, "trouble": report.trouble})

    async def _seen(self, request: Request) -> Response:
        asked = Asked(request.url.query, ["time"], self._zone())
        clock = Clock(asked.choice("time", TIMES), asked.zone)
        return answer(_told(await self._ask("alert_seen", id=request.path_params["id"]), clock))

    async def _ask(self, name: str, /, **arguments: Any) -> Any:
        try:
            return await self._handlers[name](arguments)
        except CollectorError as error:
            raise Refused(409, str(error)) from None
        except TimeoutError:
            raise Refused(503, "the alerts do not answer in time", {"Retry-After": "5"}) from None


def _told(report: AlertReport, clock: Clock) -> dict[str, Any]:
    notified = [
        {"to": each.to, "at": clock.one(each.at_ns), "error": each.error}
        for each in report.notified
    ]
    return {**_facts(report.alert, clock), "notified": notified}


def _facts(alert: Alert, clock: Clock) -> dict[str, Any]:
    lived = {"fired": clock.one(alert.fired_ns), "seen": clock.one(alert.seen_ns)}
    return {**facts(alert, clock.one), **lived}
