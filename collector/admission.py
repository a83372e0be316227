"""Admission: how many may stand at the door, and for how long a stranger is not listened to.

Pure: the time is an argument, seconds of a monotonic clock. A place is taken by each connection from
its arrival until its device is let in. Addresses answer for what comes from them, never names: else a
stranger could lock out a device by failing under its name.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

MAX_PLACES = 64
# Beside these, for addresses from which a device was let in within a day.
MAX_KNOWN_PLACES = 16
KNOWN_FOR_S = 86400.0
# How many addresses are remembered; beyond, the oldest is forgotten.
MAX_ADDRESSES = 4096
FREE_FAILURES = 5
LONGEST_DELAY_S = 60.0
FORGOTTEN_AFTER_S = 3600.0
# Where each address has one place only, who stands there longer than this makes room.
STAY_S = 0.5
_IPV6_PREFIX = 64


class Place:
    """A connection's place at the door; `evict` is what ends that connection."""

    def __init__(self, address: str, since_s: float, is_known: bool) -> None:
        self.address = address
        self.since_s = since_s
        self.is_known = is_known
        self.evict: Callable[[], object] = lambda: None


class Admission:
    """The door of one collector. `turned_away` and `evicted` count who had to go.

    Args:
        trusts_loopback: this machine's own addresses are never made to wait for their failures.
    """

    def __init__(self, trusts_loopback: bool) -> None:
        self.turned_away = 0
        self.evicted = 0
        self._trusts_loopback = trusts_loopback
        self._places: list[Place] = []
        self._known: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    @property
    def places(self) -> list[Place]:
        """Who stands at the door, the longest first."""
        return list(self._places)

    def arrive(self, host: str, now_s: float) -> Place | None:
        """Give a place to a connection from an IP address; None: it has to go at once."""
        address = _address(host)
        if self.delay_s(address, now_s) or not self._make_room(address, now_s):
            self.turned_away += 1
            return None
        place = Place(address, now_s, self._has_known_place(address, now_s))
        self._places.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Note that a connection is over, or in; a second time changes nothing."""
        if place in self._places:
            self._places.remove(place)

    def let_in(self, place: Place, now_s: float) -> None:
        """Note that a device was let in: its address is known from now on."""
        self.leave(place)
        self._failures.pop(place.address, None)
        _remember(self._known, place.address, now_s)

    def fail(self, place: Place, now_s: float) -> None:
        """Note that whoever came from there could not prove anything, or spoke nonsense."""
        if self._trusts_loopback and _is_loopback(place.address):
            return
        failures, last_s = self._failures.get(place.address, (0, now_s))
        count = 1 if now_s - last_s > FORGOTTEN_AFTER_S else failures + 1
        _remember(self._failures, place.address, (count, now_s))

    def delay_s(self, address: str, now_s: float) -> float:
        """Return for how long nobody from an address is listened to; 0: come in."""
        failures, last_s = self._failures.get(address, (0, now_s))
        if failures <= FREE_FAILURES:
            return 0.0
        delay_s = min(2.0 ** min(failures - FREE_FAILURES - 1, 30), LONGEST_DELAY_S)
        return max(0.0, last_s + delay_s - now_s)

    def _make_room(self, address: str, now_s: float) -> bool:
        if self._has_known_place(address, now_s):
            return True
        strangers = [place for place in self._places if not place.is_known]
        if len(strangers) < MAX_PLACES:
            return True
        victim = _victim(strangers, address, now_s)
        if victim is None:
            return False
        self.leave(victim)
        self.evicted += 1
        victim.evict()
        return True

    def _has_known_place(self, address: str, now_s: float) -> bool:
        if now_s - self._known.get(address, -KNOWN_FOR_S) >= KNOWN_FOR_S:
            return False
        return sum(place.is_known for place in self._places) < MAX_KNOWN_PLACES


def _victim(strangers: list[Place], newcomer: str, now_s: float) -> Place | None:
    """Return who makes room: the oldest of the address that has most, the newcomer counted in."""
    counts = Counter(place.address for place in strangers)
    counts[newcomer] += 1
    most, count = counts.most_common(1)[0]
    if count > 1:
        return next((place for place in strangers if place.address == most), None)
    oldest = strangers[0]
    return oldest if now_s - oldest.since_s > STAY_S else None


def _address(host: str) -> str:
    """Return what stands for all that one stranger may call its own: of IPv6 a /64."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def _is_loopback(address: str) -> bool:
    return "/" not in address and ipaddress.ip_address(address).is_loopback


def _remember(table: dict[str, _T], address: str, fact: _T) -> None:
    table.pop(address, None)
    table[address] = fact
    if len(table) > MAX_ADDRESSES:
        del table[next(iter(table))]
