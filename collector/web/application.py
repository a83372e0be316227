"""The application: which path is answered by what."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.alerts.report import Figures
from collector.gaps import meaning
from collector.report import Status
from collector.store import GapRow, Reader
from collector.times import zone_name
from collector.web import latest, metrics, pages
from collector.web.asked import Asked
from collector.web.assets import PREFIX, Assets
from collector.web.doubts import doubts
from collector.web.encoding import TIMES, Clock
from collector.web.latest import Latest
from collector.web.live import Hub
from collector.web.problems import Refused, answer, problem
from collector.web.reading import Reading
from collector.web.readings import readings
from collector.web.streaming import Streamed
from config.problems import did_you_mean, shown
from wire import __version__

_API = "/api/v1"
# The views of the page: which one is meant, it reads from the address itself.
VIEWS = ("/", "/chart", "/devices", "/alerts")


class Application:
    """The endpoints of one collector; `asgi` serves them, behind the guard.

    `figures` gives those of the alerts, where there are some.

    Args:
        status: how the collector is doing, as `telegauge-collector status` has it.
        zone: of times without an offset, and of those in answers.
        web_facts: what the door knows of itself.
        trouble: why the collector is not well, "" where it is.
    """

    def __init__(
        self,
        reading: Reading,
        hub: Hub,
        status: Callable[[], Awaitable[Status]],
        zone: Callable[[], tzinfo],
        web_facts: Callable[[], metrics.WebFacts],
        trouble: Callable[[], str],
    ) -> None:
        self.figures: Callable[[], Figures] = Figures
        self.latest = Latest()
        self._assets = Assets()
        self._reading = reading
        self._hub = hub
        self._status = status
        self._zone = zone
        self._web_facts = web_facts
        self._trouble = trouble
        reads = {
            **dict.fromkeys(VIEWS, self._page),
            "/api": self._index,
            "/healthz": self._healthz,
            "/metrics": self._metrics,
            f"{_API}/about": self._about,
            f"{_API}/series": self._series,
            f"{_API}/latest": self._latest,
            f"{_API}/readings": self._readings,
            f"{_API}/gaps": self._gaps,
            f"{_API}/doubts": self._doubts,
            f"{_API}/live": self._live,
        }
        self._paths = list(reads)
        self.asgi = Starlette(
            routes=[
                *(Route(path, act, methods=["GET"]) for path, act in reads.items()),
                Route(f"{PREFIX}/{{digest}}/{{name:path}}", self._file, methods=["GET"]),
            ],
            exception_handlers={
                Refused: _refused,
                HTTPException: self._not_here,
                Exception: _failed,
            },
        )

    def add(self, routes: Iterable[Route]) -> None:
        """Answer also what another part answers, such as the login."""
        for route in routes:
            self.asgi.router.routes.append(route)
            if "GET" in (route.methods or ()):
                self._paths.append(route.path)

    async def _page(self, request: Request) -> Response:
        return self._assets.page(request)

    async def _file(self, request: Request) -> Response:
        return self._assets.file(request)

    async def _about(self, request: Request) -> Response:
        """Say what a page has to know of the collector."""
        asked = self._asked(request)
        facts = {
            "version": __version__,
            "page": self._assets.digest,
            "time_zone": zone_name(asked.zone, asked.now_ns),
            "now": asked.now_ns // 10**6,
            "has_login": request.state.has_login,
        }
        return answer(facts)

    async def _index(self, request: Request) -> Response:
        self._asked(request)
        return pages.index(request.state.has_login)

    async def _healthz(self, request: Request) -> Response:
        """Say whether it is well; strangers are told no more than that."""
        trouble = self._trouble()
        facts: dict[str, str] = {"status": "failing" if trouble else "ok"}
        if trouble and request.state.is_trusted:
            facts["detail"] = trouble
        return answer(facts, 503 if trouble else 200)

    async def _metrics(self, request: Request) -> Response:
        self._asked(request)
        with self._reading.question():
            status = await self._status()
        text = metrics.text(status, self.figures(), self._web_facts())
        return Response(text, 200, None, metrics.MEDIA_TYPE)

    async def _series(self, request: Request) -> Response:
        asked = self._asked(request, "pattern")
        rows = await self._reading.ask(lambda reader: reader.series(asked.pattern()))
        return answer({"series": [{"series": row.name, **_but(row, "name")} for row in rows]})

    async def _latest(self, request: Request) -> Response:
        asked = self._asked(request, "pattern", "time")
        clock = _clock(asked)

        def work(reader: Reader) -> Response:
            return answer(latest.told(self.latest.of(reader, asked.pattern()), clock))

        return await self._reading.ask(work)

    async def _readings(self, request: Request) -> Response:
        return await readings(self._reading, request.url.query, self._zone())

    async def _gaps(self, request: Request) -> Response:
        asked = self._asked(request, "pattern", "start", "end", "last", "time")
        clock, span = _clock(asked), asked.span(None)
        device = asked.pattern().partition("/")[0]  # who gives a series means its device
        rows = await self._reading.ask(lambda reader: reader.gaps(device, *span))
        return answer({"gaps": [_gap(row, clock) for row in rows]})

    async def _doubts(self, request: Request) -> Response:
        return await doubts(self._reading, request.url.query, self._zone())

    async def _live(self, request: Request) -> Response:
        asked = self._asked(request, "pattern", "time")
        clock, after = _clock(asked), request.headers.get("last-event-id")
        row = int(after) if after and after.isascii() and after.isdigit() else None
        listener = await self._hub.listen(asked.pattern(), clock, row)
        return Streamed(
            self._hub.events(listener),
            "text/event-stream",
            partial(self._hub.leave, listener),
            {"X-Accel-Buffering": "no"},
        )

    def _asked(self, request: Request, *accepted: str) -> Asked:
        return Asked(request.url.query, accepted, self._zone())

    async def _not_here(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "it is registered for these"
        path = shown(request.url.path)
        if error.status_code == 404:
            detail = f"nothing is at {path}.{did_you_mean(path, self._paths)}"
            return problem(Refused(404, detail, accepted=self._paths))
        allowed = (error.headers or {}).get("Allow", "")
        return problem(
            Refused(error.status_code, f"{path} takes {allowed or 'other methods'}", error.headers)
        )


async def _refused(_request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused), "it is registered for these"
    return problem(refused)


async def _failed(_request: Request, _error: Exception) -> Response:
    return problem(Refused(500, "a fault of the collector; its log says more"))


def _clock(asked: Asked) -> Clock:
    return Clock(asked.choice("time", TIMES), asked.zone)


def _gap(gap: GapRow, clock: Clock) -> Mapping[str, Any]:
    return {
        "device": gap.device,
        "from": clock.one(gap.from_ns),
        "to": clock.one(gap.to_ns),
        "readings": gap.readings,
        "reason": gap.reason,
        "meaning": meaning(gap.reason),
        "epoch": None if gap.epoch is None else gap.epoch.hex(),
        "first_seq": gap.first_seq,
        "last_seq": gap.last_seq,
        "recorded": clock.one(gap.recorded_ns),
    }


def _but(row: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in row._asdict().items() if key != name}
