"""device.sensors.debounce: the first edge is never late, the last state never lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from device.sensors.debounce import Debounce

QUIET_S = 0.05
QUIET_NS = 50_000_000


def played(debounce: Debounce, edges: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """What is told of edges in order of time, with a timer that rings exactly when it should."""
    told, state = [], debounce.is_active

    def settle() -> None:
        assert debounce.settles_ns is not None
        since_ns = debounce.settle(debounce.settles_ns, state)
        if since_ns is not None:
            told.append((since_ns, state))

    for time_ns, is_active in edges:
        while debounce.settles_ns is not None and debounce.settles_ns <= time_ns:
            settle()
        state = is_active
        if debounce.edge(time_ns, is_active):
            told.append((time_ns, is_active))
    while debounce.settles_ns is not None:
        settle()
    return told


def test_first_edge_is_told_at_once() -> None:
    """With its own time; what bounces behind it is not told."""
    debounce = Debounce(QUIET_S, False)
    assert debounce.edge(1000, True)
    assert not debounce.edge(2000, False)
    assert not debounce.edge(3000, True)
    assert debounce.settle(1000 + QUIET_NS, True) is None
    assert debounce.is_active


def test_last_state_is_told_with_the_time_of_its_edge() -> None:
    """A pulse shorter than the quiet while is two changes all the same."""
    assert played(Debounce(QUIET_S, False), [(0, True), (10, False)]) == [(0, True), (10, False)]


def test_without_a_quiet_time_every_change_is_told() -> None:
    """And nothing is to be looked at later."""
    debounce = Debounce(0, False)
    assert [debounce.edge(n, bool(n % 2)) for n in range(1, 5)] == [True] * 4
    assert debounce.settles_ns is None
    assert not debounce.edge(9, False), "the state it has already"


@given(
    st.booleans(),
    st.lists(st.integers(1, 3 * QUIET_NS), max_size=50),
)
def test_whatever_bounces_comes_to_rest_in_its_state(begins: bool, pauses: list[int]) -> None:
    """Told changes alternate, never come closer than the quiet while before them, and end as the pin."""
    edges, time_ns, state = [], 0, begins
    for pause_ns in pauses:
        time_ns, state = time_ns + pause_ns, not state
        edges.append((time_ns, state))
    told = played(Debounce(QUIET_S, begins), edges)
    states = [begins, *(is_active for _, is_active in told)]
    assert all(a is not b for a, b in pairwise(states))
    assert states[-1] is state
    assert {time_ns for time_ns, _ in told} <= {time_ns for time_ns, _ in edges}
