"""/api/v1/devices: how each device is doing, those that were invited and never came among them."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.membership import MemberStatus
from collector.report import DeviceStatus, Status
from collector.store import DatedReading
from collector.web.asked import Asked
from collector.web.encoding import TIMES, Clock
from collector.web.latest import Latest
from collector.web.problems import answer
from collector.web.reading import Reading

DEVICES = "/api/v1/devices"
# The sensor that each agent has of itself.
_OWN_SERIES = "*/agent.*"
# What the API calls times of which the programs count nanoseconds.
_TIMES = {
    "heard_ns": "heard",
    "joined_ns": "joined",
    "latest_ns": "latest",
    "measured_ns": "measured",
    "revoked_ns": "revoked",
    "since_ns": "since",
    "time_ns": "time",
}


class Devices:
    """Answers for one collector.

    Args:
        status: how the collector is doing.
        members: who was invited, or is in the store, by name.
        zone: of times in answers.
    """

    def __init__(
        self,
        reading: Reading,
        latest: Latest,
        status: Callable[[], Awaitable[Status]],
        members: Callable[[Mapping[str, Any]], Awaitable[list[MemberStatus]]],
        zone: Callable[[], tzinfo],
    ) -> None:
        self._reading = reading
        self._latest = latest
        self._status = status
        self._members = members
        self._zone = zone

    def routes(self) -> list[Route]:
        """Return what is answered."""
        return [Route(DEVICES, self._devices, methods=["GET"])]

    async def _devices(self, request: Request) -> Response:
        asked = Asked(request.url.query, ["time"], self._zone())
        clock = Clock(asked.choice("time", TIMES), asked.zone)
        with self._reading.question():
            status, members = await self._status(), await self._members({})
            own = await self._reading.do(lambda reader: self._latest.of(reader, _OWN_SERIES))
        return answer({"devices": told(status.devices, members, own.readings.values(), clock)})


def told(
    statuses: Iterable[DeviceStatus],
    members: Iterable[MemberStatus],
    own: Iterable[DatedReading],
    clock: Clock,
) -> list[Mapping[str, Any]]:
    """Return devices as JSON holds them, by name."""
    by_name = {each.device: each for each in statuses}
    agents = _agents(own, clock)
    return [
        {
            **_facts(by_name.get(each.device) or _unheard(each), clock),
            **_facts(each, clock, ("standing", "has_unused_key", "joined_ns", "revoked_ns")),
            "agent": agents.get(each.device),
        }
        for each in members
    ]


def _unheard(member: MemberStatus) -> DeviceStatus:
    return DeviceStatus(member.device, None, member.connected, 0, None)


def _facts(of: msgspec.Struct, clock: Clock, names: Iterable[str] = ()) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(of)
    wanted = {name: facts[name] for name in names} or facts
    shown: dict[str, Any] = _with_times(wanted, clock)
    return shown


def _with_times(facts: Any, clock: Clock) -> Any:
    """Return facts with each instant as the answer is to write it."""
    if isinstance(facts, list | tuple):
        return [_with_times(each, clock) for each in facts]
    if not isinstance(facts, dict):
        return facts
    return {
        _TIMES.get(name, name): clock.one(fact) if name in _TIMES else _with_times(fact, clock)
        for name, fact in facts.items()
    }


def _agents(own: Iterable[DatedReading], clock: Clock) -> dict[str, dict[str, Any]]:
    """Return what each agent last said of itself, by device: values by channel, and when."""
    found: dict[str, dict[str, Any]] = {}
    newest_ns: dict[str, int] = {}
    for reading in own:
        device, _, rest = reading.series.partition("/")
        facts = found.setdefault(device, {"time": None, "values": {}})
        value = reading.value if math.isfinite(reading.value) else None
        facts["values"][rest.partition(".")[2]] = value
        if reading.time_ns is not None and reading.time_ns >= newest_ns.get(device, 0):
            newest_ns[device] = reading.time_ns
            facts["time"] = clock.one(reading.time_ns)
    return found
