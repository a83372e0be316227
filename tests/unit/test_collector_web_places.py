"""collector.web.places: how many connections there may be."""

from collector.web.places import MAX_FROM_ELSEWHERE, MAX_OF_ONE, MAX_PLACES, Places


def test_one_machine_has_its_share() -> None:
    """Another one still finds a place; so does the one, when it gives one back."""
    places = Places()
    assert all(places.take("192.0.2.1", False) for _ in range(MAX_OF_ONE))
    assert not places.take("192.0.2.1", False)
    assert places.take("192.0.2.2", False)
    places.leave("192.0.2.1", False)
    assert places.take("192.0.2.1", False)
    assert places.turned_away == 1


def test_of_ipv6_a_network_is_one() -> None:
    """Whoever has a /64 has 2^64 addresses."""
    places = Places()
    assert all(places.take(f"2001:db8::{n}", False) for n in range(1, MAX_OF_ONE + 1))
    assert not places.take("2001:db8::ffff", False)
    assert places.take("2001:db8:0:1::1", False)


def test_this_machine_always_finds_a_place() -> None:
    """However many come from elsewhere; and there is an end to that too."""
    places = Places()
    taken = [places.take(f"192.0.2.{n % 200}", False) for n in range(200)]
    assert sum(taken) == MAX_FROM_ELSEWHERE
    local = [places.take("127.0.0.1", True) for _ in range(MAX_PLACES)]
    assert sum(local) == MAX_PLACES - MAX_FROM_ELSEWHERE
    assert len(places) == MAX_PLACES
