"""Admission: how many may stand at the door, and for how long a stranger is not listened to.

Pure: the time is an argument, seconds of a monotonic clock. A place is taken by each connection from
its arrival until its device is let in, or nothing is left of it. Whoever leaves without having been
let in has failed, whatever the reason. Addresses answer for what comes from them, never names: else
a stranger could lock out a device by failing under its name. Of IPv6 a stranger's address is all of
its /64; one from which a device was let in stands for itself.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

MAX_PLACES = 64
# Beside these, for addresses from which a device was let in within a day; and for each of them.
MAX_KNOWN_PLACES = 16
MAX_PLACES_OF_ONE_KNOWN = 4
KNOWN_FOR_S = 86400.0
# How many addresses are remembered; beyond, the oldest is forgotten.
MAX_ADDRESSES = 4096
FREE_FAILURES = 10
LONGEST_DELAY_S = 60.0
FORGOTTEN_AFTER_S = 3600.0
# Where each address has one place only, who stands there longer than this makes room.
STAY_S = 0.5
_IPV6_PREFIX = 64


class Place:
    """A connection's place at the door; `evict` is what ends that connection.

    `address` is what it is counted under, `host` (an IP address) where it comes from.
    """

    def __init__(self, address: str, since_s: float, is_known: bool, host: str) -> None:
        self.address = address
        self.host = host
        self.since_s = since_s
        self.is_known = is_known
        self.evict: Callable[[], object] = lambda: None


class Admission:
    """The door of one collector. `turned_away` and `evicted` count who had to go.

    Args:
        trusts_loopback: this machine's own addresses are never made to wait for their failures; may
            be changed.
    """

    def __init__(self, trusts_loopback: bool) -> None:
        self.turned_away = 0
        self.evicted = 0
        self.trusts_loopback = trusts_loopback
        self._places: list[Place] = []
        self._known: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    @property
    def sent_away(self) -> int:
        """How many connections had to go."""
        return self.turned_away + self.evicted

    @property
    def places(self) -> list[Place]:
        """Who stands at the door, the longest first."""
        return list(self._places)

    def arrive(self, host: str, now_s: float) -> Place | None:
        """Give a place to a connection from an IP address; None: it has to go at once."""
        whole = _whole(host)
        address = whole if self._is_known(whole, now_s) else _network(whole)
        if self.delay_s(address, now_s) or not self._make_room(address, now_s):
            self.turned_away += 1
            return None
        place = Place(address, now_s, self._has_known_place(address, now_s), whole)
        self._places.append(place)
        return place

    def leave(self, place: Place, now_s: float) -> None:
        """Note that nothing is left of a connection; if it was not let in before, it has failed."""
        if self._give_up(place):
            self.fail(place, now_s)

    def _give_up(self, place: Place) -> bool:
        if place not in self._places:
            return False
        self._places.remove(place)
        return True

    def let_in(self, place: Place, now_s: float) -> None:
        """Note that a device was let in: its address is known from now on."""
        self._give_up(place)
        self._failures.pop(place.address, None)
        _remember(self._known, place.host, now_s)

    def fail(self, place: Place, now_s: float) -> None:
        """Note that whoever came from there was not let in."""
        if self.trusts_loopback and _is_loopback(place.address):
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
        self._give_up(victim)
        self.evicted += 1
        victim.evict()
        return True

    def _is_known(self, address: str, now_s: float) -> bool:
        return now_s - self._known.get(address, -KNOWN_FOR_S) < KNOWN_FOR_S

    def _has_known_place(self, address: str, now_s: float) -> bool:
        if not self._is_known(address, now_s):
            return False
        known = [place.address for place in self._places if place.is_known]
        return len(known) < MAX_KNOWN_PLACES and known.count(address) < MAX_PLACES_OF_ONE_KNOWN


def network(host: str) -> str:
    """Return what stands for all that whoever comes from an IP address may call its own."""
    return _network(_whole(host))


def _victim(strangers: list[Place], newcomer: str, now_s: float) -> Place | None:
    """Return who makes room: the oldest of the address that has most, the newcomer counted in."""
    counts = Counter(place.address for place in strangers)
    counts[newcomer] += 1
    most, count = counts.most_common(1)[0]
    if count > 1:
        return next((place for place in strangers if place.address == most), None)
    oldest = strangers[0]
    return oldest if now_s - oldest.since_s > STAY_S else None


def _whole(host: str) -> str:
    """Return an address in its one form: without a zone, and IPv4 as such."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _network(address: str) -> str:
    """Return what stands for all that one stranger may call its own: of IPv6 a /64."""
    if ":" not in address or _is_loopback(address):
        return address
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _is_loopback(address: str) -> bool:
    return "/" not in address and ipaddress.ip_address(address).is_loopback


def _remember(table: dict[str, _T], address: str, fact: _T) -> None:
    table.pop(address, None)
    table[address] = fact
    if len(table) > MAX_ADDRESSES:
        del table[next(iter(table))]
