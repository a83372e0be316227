"""collector.admission: how many stand at the door, who makes room, and who has to wait."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import admission
from collector.admission import (
    FORGOTTEN_AFTER_S,
    FREE_FAILURES,
    KNOWN_FOR_S,
    LONGEST_DELAY_S,
    MAX_ADDRESSES,
    MAX_KNOWN_PLACES,
    MAX_PLACES,
    MAX_PLACES_OF_ONE_KNOWN,
    STAY_S,
    Admission,
    Place,
)


class Door:
    """An admission; `evicted` are the places whose connections were ended, in order."""

    def __init__(self, trusts_loopback: bool = True) -> None:
        self.admission = Admission(trusts_loopback)
        self.evicted: list[Place] = []

    def arrive(self, host: str, now_s: float = 0.0) -> Place | None:
        """A connection comes."""
        place = self.admission.arrive(host, now_s)
        if place is not None:
            place.evict = lambda: self.evicted.append(place)
        return place

    def taken(self, host: str, now_s: float = 0.0) -> Place:
        """A connection comes and finds a place."""
        place = self.arrive(host, now_s)
        assert place is not None
        return place

    def fail(self, host: str, times: int = 1, now_s: float = 0.0) -> None:
        """Somebody from there fails so often, however long he would have to wait."""
        for _ in range(times):
            place = Place(self.taken_address(host), now_s, False, host)
            self.admission.fail(place, now_s)

    def let_in(self, host: str, now_s: float = 0.0) -> None:
        """A device from there is let in."""
        self.admission.let_in(self.taken(host, now_s), now_s)

    def taken_address(self, host: str) -> str:
        """What a host is counted as."""
        place = Admission(True).arrive(host, 0.0)
        assert place is not None
        return place.address

    def counts(self) -> Counter[str]:
        """How many places each address has."""
        return Counter(place.address for place in self.admission.places)


def hosts(number: int) -> list[str]:
    """So many addresses."""
    return [f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}" for index in range(number)]


def full(door: Door) -> list[Place]:
    """Take all places of strangers, an address each, a tenth of a second apart."""
    return [door.taken(host, index / 10) for index, host in enumerate(hosts(MAX_PLACES))]


def test_place_is_free_again_when_its_connection_ends() -> None:
    """Once, however often that is said."""
    door = Door()
    first, second = door.taken("10.0.0.1"), door.taken("10.0.0.1")
    door.admission.leave(first, 0.0)
    door.admission.leave(first, 0.0)
    assert door.admission.places == [second]


def test_address_that_floods_loses_its_own_oldest() -> None:
    """Those of others stay where they are."""
    door = Door()
    others = [door.taken("10.0.0.1"), door.taken("10.0.0.2")]
    flood = [door.taken("10.0.0.3", float(second)) for second in range(MAX_PLACES - 2)]
    newest = door.taken("10.0.0.3", 100.0)
    newcomer = door.taken("10.0.0.4", 100.0)
    assert door.evicted == flood[:2]
    assert door.admission.places == [*others, *flood[2:], newest, newcomer]
    assert (door.admission.evicted, door.admission.turned_away) == (2, 0)


def test_where_each_has_one_the_oldest_makes_room_in_time() -> None:
    """Not before it had its chance; until then who comes has to go."""
    door = Door()
    places = full(door)
    now_s = places[0].since_s + STAY_S
    assert door.arrive("10.9.9.9", now_s) is None
    assert (door.admission.turned_away, door.evicted) == (1, [])
    assert door.arrive("10.9.9.9", now_s + 0.01) is not None
    assert door.evicted == places[:1]


def test_second_of_an_address_makes_room_for_itself() -> None:
    """Where all others have one, an address that comes again loses its first."""
    door = Door()
    places = full(door)
    door.taken(places[5].address, 0.0)
    assert door.evicted == [places[5]]


def test_known_addresses_have_places_of_their_own() -> None:
    """A full door of strangers does not keep a device out; so many at a time, and no more."""
    door = Door()
    for number in range(MAX_KNOWN_PLACES + 1):
        door.let_in(f"192.168.0.{number}")
    full(door)
    known = [door.taken(f"192.168.0.{number}") for number in range(MAX_KNOWN_PLACES)]
    assert all(place.is_known for place in known)
    assert door.evicted == []
    assert len(door.admission.places) == MAX_PLACES + MAX_KNOWN_PLACES
    late = door.arrive(f"192.168.0.{MAX_KNOWN_PLACES}", 0.0)
    assert late is None, "beyond these it is one of many"
    door.admission.leave(known[0], 0.0)
    assert door.taken(f"192.168.0.{MAX_KNOWN_PLACES}").is_known


def test_address_is_known_for_a_day() -> None:
    """By the last time that a device was let in from there."""
    door = Door()
    door.let_in("10.0.0.1", 0.0)
    door.let_in("10.0.0.1", 100.0)
    assert door.taken("10.0.0.1", 100.0 + KNOWN_FOR_S - 1).is_known
    assert not door.taken("10.0.0.1", 100.0 + KNOWN_FOR_S).is_known
    assert not door.taken("10.0.0.2", 0.0).is_known


def test_delays_grow_and_end() -> None:
    """A few failures are free; then it doubles, up to a minute."""
    door = Door()
    door.fail("10.0.0.1", FREE_FAILURES)
    assert door.admission.delay_s("10.0.0.1", 0.0) == 0.0
    delays = []
    for _ in range(9):
        door.fail("10.0.0.1")
        delays.append(door.admission.delay_s("10.0.0.1", 0.0))
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    door.fail("10.0.0.1", 5000)
    assert door.admission.delay_s("10.0.0.1", 0.0) == LONGEST_DELAY_S
    assert door.arrive("10.0.0.1", 59.9) is None
    assert door.arrive("10.0.0.2", 59.9) is not None, "who is not to blame does not wait"
    assert door.arrive("10.0.0.1", 60.0) is not None
    assert door.admission.turned_away == 1


@pytest.mark.parametrize("how", ["let in", "an hour"])
def test_failures_are_forgotten(how: str) -> None:
    """When a device of that address shows its key, and an hour after the last one."""
    door = Door()
    door.fail("10.0.0.1", FREE_FAILURES + 10)
    now_s = FORGOTTEN_AFTER_S
    if how == "let in":
        door.let_in("10.0.0.1", now_s)
    else:
        now_s += 1.0
    door.fail("10.0.0.1", FREE_FAILURES, now_s)
    assert door.admission.delay_s("10.0.0.1", now_s) == 0.0
    door.fail("10.0.0.1", 1, now_s)
    assert door.admission.delay_s("10.0.0.1", now_s) == 1.0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("trusts_loopback", [True, False])
def test_this_machine_is_not_made_to_wait(host: str, trusts_loopback: bool) -> None:
    """Its own device would pay for any program here; unless it needs a key like all others."""
    door = Door(trusts_loopback)
    for _ in range(FREE_FAILURES + 1):
        door.admission.fail(door.taken(host), 0.0)
    assert (door.arrive(host) is None) is not trusts_loopback


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("::1", "::2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, are_one: bool) -> None:
    """All of a /64, which one stranger has to itself; an IPv4 address however it is written."""
    door = Door()
    assert (door.taken(one).address == door.taken(other).address) is are_one


@pytest.mark.parametrize("what", ["failures", "known"])
def test_tables_are_bounded(what: str) -> None:
    """The oldest is forgotten for the newest; whoever comes again is new."""
    door = Door(trusts_loopback=False)
    first, second, *rest = hosts(MAX_ADDRESSES + 1)
    for host in (first, second, first, *rest):
        if what == "known":
            door.let_in(host)
        else:
            door.fail(host, FREE_FAILURES + 1)
    tables = {"failures": set(door.admission._failures), "known": set(door.admission._known)}
    assert len(tables[what]) == MAX_ADDRESSES
    assert first in tables[what]
    assert second not in tables[what]


HOSTS = st.sampled_from(
    ["127.0.0.1", "::1", "::ffff:10.0.0.1", *hosts(120), *(f"2001:db8:{n}::1" for n in range(9))]
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["arrive"] * 6 + ["leave", "let in", "fail"]),
        HOSTS,
        st.integers(0, 10**6),
        st.sampled_from([0.0, 0.01, 0.6, 5.0, 4000.0, 90_000.0]),
    ),
    max_size=400,
)


@settings(deadline=None, max_examples=100)
@given(DEEDS)
def test_whatever_happens_the_door_holds(deeds: list[tuple[str, str, int, float]]) -> None:
    """Never more than 64 + 16 places; who makes room is an oldest of who has most; all is counted."""
    door = Door()
    now_s, came = 0.0, count()
    arrivals = 0
    for deed, host, choice, wait_s in deeds:
        now_s += wait_s
        before, evicted = door.admission.places, len(door.evicted)
        if deed == "arrive":
            next(came)
            arrivals += door.arrive(host, now_s) is not None
        elif before:
            place = before[choice % len(before)]
            if deed == "fail":
                door.admission.fail(place, now_s)
            if deed == "let in":
                door.admission.let_in(place, now_s)
            door.admission.leave(place, now_s)
        places = door.admission.places
        assert sum(not place.is_known for place in places) <= MAX_PLACES
        assert sum(place.is_known for place in places) <= MAX_KNOWN_PLACES
        assert places == sorted(places, key=lambda place: place.since_s)
        for victim in door.evicted[evicted:]:
            assert_fair(victim, before, door.taken_address(host), now_s)
    assert door.admission.evicted == len(door.evicted)
    assert arrivals + door.admission.turned_away == next(came)


def assert_fair(victim: Place, before: list[Place], newcomer: str, now_s: float) -> None:
    """Judge an eviction."""
    strangers = [place for place in before if not place.is_known]
    assert len(strangers) == MAX_PLACES
    counted = Counter([*(place.address for place in strangers), newcomer])
    assert counted[victim.address] == max(counted.values())
    assert victim is next(place for place in strangers if place.address == victim.address)
    assert max(counted.values()) > 1 or now_s - victim.since_s > STAY_S


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 500), st.integers(0, 40), st.floats(0.0, 10.0))
def test_flood_never_costs_a_patient_stranger_its_place(
    flood: int, others: int, step_s: float
) -> None:
    """However many one address opens: who has one place keeps it, and who comes then finds one."""
    door = Door()
    quiet = [door.taken(host) for host in hosts(others)]
    for number in range(flood):
        door.taken("192.0.2.1", number * step_s)
    assert door.arrive("192.0.2.2", flood * step_s) is not None
    assert all(place in door.admission.places for place in quiet)
    assert {place.address for place in door.evicted} <= {"192.0.2.1"}


def test_limits_are_those_that_were_promised() -> None:
    """64 places, 16 of their own for known addresses, for a day."""
    assert (admission.MAX_PLACES, admission.MAX_KNOWN_PLACES) == (64, 16)
    assert admission.KNOWN_FOR_S == 24 * 3600


def test_whoever_leaves_without_having_been_let_in_has_failed() -> None:
    """Whatever the reason; not who made room for others, and not who was let in."""
    door = Door()
    for _ in range(FREE_FAILURES):
        door.admission.leave(door.taken("10.0.0.1"), 0.0)
    assert door.admission.delay_s("10.0.0.1", 0.0) == 0.0
    door.admission.leave(door.taken("10.0.0.1"), 0.0)
    assert door.arrive("10.0.0.1") is None
    for _ in range(FREE_FAILURES + 1):
        place = door.taken("10.0.0.2")
        door.admission.let_in(place, 0.0)
        door.admission.leave(place, 0.0)
    assert door.arrive("10.0.0.2") is not None
    crowd = [door.taken("10.0.0.3") for _ in range(MAX_PLACES + 20)]
    for place in crowd[: FREE_FAILURES + 1]:
        assert place in door.evicted
        door.admission.leave(place, 0.0)
    assert door.admission.delay_s("10.0.0.3", 0.0) == 0.0


def test_known_address_does_not_answer_for_its_neighbours() -> None:
    """All hosts of an IPv6 LAN share a /64: strangers there wait for each other, a device does not."""
    door = Door()
    door.let_in("2001:db8::1")
    for index in range(FREE_FAILURES + 1):
        door.admission.leave(door.taken(f"2001:db8::{index + 2:x}"), 1.0)
    assert door.arrive("2001:db8::99", 1.0) is None
    assert door.taken("2001:db8::1", 1.0).is_known


def test_one_known_address_has_a_share_of_the_places() -> None:
    """It cannot take those of all that are known."""
    door = Door()
    door.let_in("10.0.0.1")
    door.let_in("10.0.0.2")
    taken = [door.taken("10.0.0.1").is_known for _ in range(MAX_KNOWN_PLACES)]
    assert sum(taken) == MAX_PLACES_OF_ONE_KNOWN
    assert door.taken("10.0.0.2").is_known
