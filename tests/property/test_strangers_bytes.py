"""Whatever a stranger sends, to either end, to a port, a store, a prompt or the control socket.

Only documented errors come of it, sessions end as they should, no answer is out of proportion, and
nothing is kept. What may come out of which decoder is said in kit.decoders and kit.hearing.
"""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import fuzzing
from kit.decoders import TARGETS, Target, decode_body, query_body
from kit.results import Results
from kit.samples import BOMBS, KINDS, SAID, frame
from wire import frames
from wire.conversation import Conversation
from wire.frames import BODIES

KIB, MIB = 1024, 1024 * 1024
SEED = 1
# No input, of 64 KiB at most, needs more than that while it is decoded: a batch inflates to 1 MiB.
PEAK_BYTES = 4 * MIB
# What all inputs of a target leave behind in the quick form, where objects are counted one by one.
KEPT_BYTES = 64 * KIB
# 17 targets, 3 rounds: half an hour.
ROUNDS, SEARCH_S, REPLAY_S = 3, 30, 5
PIECES = [(number, target) for number in range(ROUNDS) for target in TARGETS]
CONVERSATIONS = [target for target in TARGETS if "hearing" in target.run.__module__]

named = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
quick = settings(max_examples=100, deadline=None, derandomize=True)


class Measured(NamedTuple):
    """What came of a run: how many inputs were taken and not, what it left behind, its most."""

    taken: "Counter[bool]"
    kept_bytes: int
    peak_bytes: int


def run_all(run: Callable[[bytes], bool], made: Iterable[bytes]) -> "Counter[bool]":
    """Run the inputs, and count those that were taken and those that were not."""
    taken: Counter[bool] = Counter()
    for data in made:
        try:
            taken[run(data)] += 1
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
    return taken


def measure(run: Callable[[bytes], bool], made: list[bytes]) -> Measured:
    """Run the inputs, and see what they leave behind.

    Python counts every byte that it hands out: unlike the size of the process, which allocators round
    and keep, that is the same in each run.
    """
    tracemalloc.start()
    try:
        run_all(run, made[: len(made) // 5])
        gc.collect()
        tracemalloc.reset_peak()
        before_bytes, _ = tracemalloc.get_traced_memory()
        taken = run_all(run, made)
        gc.collect()
        now_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Measured(taken, now_bytes - before_bytes, peak_bytes - before_bytes)


@named
def test_strangers_bytes(target: Target) -> None:
    """20,000 inputs in all: only documented errors, nothing is kept, and both ends are reached."""
    made = list(islice(target.inputs(SEED), target.quick))
    found = measure(target.run, made)
    assert found.taken.total() == target.quick
    assert found.taken[False] > target.quick // 20
    # Without the key no datagram may ever be taken.
    assert (found.taken[True] > target.quick // 50) is (target.name != "datagram")
    assert found.kept_bytes < KEPT_BYTES
    assert found.peak_bytes < PEAK_BYTES


def test_number_of_inputs() -> None:
    """The quick form makes 20,000, and no decoder goes without."""
    assert sum(target.quick for target in TARGETS) == 20_000
    assert min(target.quick for target in TARGETS) >= 200


@quick
@given(
    st.sampled_from(CONVERSATIONS),
    st.lists(st.sampled_from([frame(each) for each in SAID])),
    st.binary(max_size=3),
)
def test_frames_in_any_order(target: Target, said: list[bytes], rest: bytes) -> None:
    """Each is valid at some point of some conversation; here they come at any, to either end."""
    target.run(b"".join(said) + rest)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=20),
    st.binary(max_size=40), st.sampled_from([bytes(16), bytes(32), 2**63 - 1, 2**61, "x" * 201]),
    st.sampled_from(BOMBS).map(msgspec.Raw),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def bodies(kind: frames.FrameType) -> st.SearchStrategy[tuple[frames.FrameType, bytes]]:
    """Bodies with some of the fields of a kind, in which anything stands."""
    fields = {field.name: values for field in msgspec.structs.fields(BODIES[kind])}
    packed = st.fixed_dictionaries({}, optional=fields).map(msgspec.msgpack.encode)
    return st.tuples(st.just(kind), packed)


any_body = st.sampled_from(KINDS).flatmap(bodies)


@quick
@given(any_body)
def test_bodies_of_any_shape(body: tuple[frames.FrameType, bytes]) -> None:
    """The right fields with wrong values: refused, or sayable again."""
    kind, data = body
    decode_body(bytes([KINDS.index(kind)]) + data)


@quick
@given(values)
def test_stored_bodies_of_any_shape(body: object) -> None:
    """A device's store is asked for whatever MessagePack it sealed."""
    query_body(msgspec.msgpack.encode(body))


# That the tests above can fail --------------------------------------------------------------------


def test_what_is_kept_is_noticed() -> None:
    """A decoder that kept a little of each input would be found."""
    target = TARGETS[1]
    kept: list[bytes] = []
    made = list(islice(target.inputs(SEED), target.quick))
    assert measure(lambda data: bool(kept.append(bytes(64))), made).kept_bytes > KEPT_BYTES
    assert measure(lambda data: bool(bytearray(8 * MIB)), made[:50]).peak_bytes > PEAK_BYTES


@pytest.mark.parametrize("target", CONVERSATIONS, ids=lambda target: target.name)
@pytest.mark.parametrize("fault", ["raises", "says much", "never ends"])
def test_faults_of_a_conversation_are_noticed(
    target: Target, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undocumented error, an answer out of proportion, a session that nothing ends."""
    send = Conversation._send

    def say_much(self: Conversation, body: frames.Body) -> None:
        for _ in range(100):
            send(self, body)

    def fail(_conversation: Conversation, _events: object, kind: object, _data: bytes) -> None:
        raise KeyError(kind)

    if fault == "raises":
        monkeypatch.setattr(Conversation, "_collect", fail)
    elif fault == "says much":
        monkeypatch.setattr(Conversation, "_send", say_much)
    else:
        monkeypatch.setattr(Conversation, "tick", lambda self, now_s: [])
    with pytest.raises((KeyError, AssertionError)):
        run_all(target.run, islice(target.inputs(SEED), 200))


# At length ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each target's inputs go on from piece to piece."""
    return tmp_path_factory.mktemp("corpora")


@pytest.mark.full
@pytest.mark.parametrize(
    ("number", "target"), PIECES, ids=[f"{number}-{target.name}" for number, target in PIECES]
)
def test_strangers_bytes_at_length(number: int, target: Target, corpora: Path) -> None:
    """For half an hour, led by what the inputs reach; a process that hears them does not grow."""
    results = Results("strangers_bytes")
    case = [number, target.name]
    if results.has(case):
        pytest.skip("done in an earlier run")
    if why := fuzzing.reason_not_to():
        pytest.skip(why)
    searched = fuzzing.search(target, corpora / target.name, SEARCH_S, seed=number)
    replayed = fuzzing.replay(target, corpora / target.name, REPLAY_S)
    print(case, searched, replayed)
    assert replayed.grown_kib < KIB
    results.add(case, **searched._asdict(), replayed=replayed.inputs, grown_kib=replayed.grown_kib)
