"""collector.trust: who is let in by what, and what a token is good for."""

import secrets
import tempfile
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from msgspec.structs import replace

from collector.errors import TrustError
from collector.trust import NO_SUCH_INVITATION, JoinRefused, Trust, Verdict
from collector.trust_file import FILE_NAME, Member
from kit.stores import change, rows
from wire.greetings import Join, Joined
from wire.proofs import Exchange, auth_proof, join_proof, verifier_of

VALID_NS = 900 * 10**9
DAY_NS = 86400 * 10**9
NOW_NS = 1_790_000_000 * 10**9
NONCE = bytes(range(32))


def exchange(nonce: bytes = NONCE) -> Exchange:
    """What one connection proves over."""
    return Exchange(nonce, secrets.token_bytes(32), bytes(32))


def join_with(
    trust: Trust, secret: bytes, nonce: bytes = NONCE, now_ns: int = NOW_NS, invited: bytes = b""
) -> Joined:
    """Join as a device does; `invited` is the secret of the invitation that it names, if another."""
    over = exchange(nonce)
    join = Join(verifier_of(invited or secret).invitation, nonce, 1, 1)
    return trust.join(join, over, join_proof(secret, over), now_ns)


def judged(trust: Trust, device: str, key: bytes) -> Verdict:
    """What a key is worth."""
    over = exchange()
    return trust.check(device, over, auth_proof(key, over, device))


def use(trust: Trust, device: str, key: bytes) -> bool:
    """Come in with a key for the first time; return whether it holds."""
    over = exchange()
    return trust.use_key(device, over, auth_proof(key, over, device))


def refusal(trust: Trust, *join: Any, **how: Any) -> tuple[str, bool]:
    """Why nobody joins so, and whether it is a stranger who tries."""
    with pytest.raises(JoinRefused) as caught:
        join_with(trust, *join, **how)
    return str(caught.value), str(caught.value) == NO_SUCH_INVITATION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys lie."""
    return tmp_path / FILE_NAME


@pytest.fixture
def trust(path: Path) -> Iterator[Trust]:
    """A collector's trust, in nobody yet."""
    opened = Trust(path)
    yield opened
    opened.close()


def joined(trust: Trust, device: str = "greenhouse") -> bytes:
    """Let a device in, and let it use its key; return that."""
    key = join_with(trust, trust.invite([device], VALID_NS, NOW_NS)).key
    assert use(trust, device, key)
    return key


def test_device_that_joins_has_the_name_and_a_key(trust: Trust) -> None:
    """Its first proof is news, every later one is right; the times are kept."""
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    assert trust.find("greenhouse") == Member("greenhouse", invited_ns=NOW_NS)
    device, key = msgspec.structs.astuple(join_with(trust, secret, now_ns=NOW_NS + 5))
    assert device == "greenhouse"
    assert judged(trust, "greenhouse", key) is Verdict.NEWS
    assert use(trust, "greenhouse", key)
    assert judged(trust, "greenhouse", key) is Verdict.RIGHT
    assert trust.members == [
        Member("greenhouse", key, invited_ns=NOW_NS, joined_ns=NOW_NS + 5),
    ]


def test_every_key_is_another(trust: Trust) -> None:
    """Random, 32 bytes; so is the secret of a token, of 16."""
    keys = {joined(trust, name) for name in ("a", "b", "c")}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 3
    tokens = {trust.invite(["a"], VALID_NS, NOW_NS) for _ in range(3)}
    assert len(tokens) == 3
    assert {len(secret) for secret in tokens} == {16}


def test_nothing_in_the_file_can_join(path: Path, trust: Trust) -> None:
    """What is kept of a token is no secret: neither the secret nor what a proof is made with."""
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    assert secret not in path.read_bytes()
    ((kept,),) = rows(path, "SELECT stored_key FROM invitation")
    assert refusal(trust, kept[:16], invited=secret)[1]


@pytest.mark.parametrize("device", ["greenhouse", "cellar", "nobody"])
def test_wrong_key(trust: Trust, device: str) -> None:
    """Known, invited or never heard of: the answer is one."""
    joined(trust)
    trust.invite(["cellar"], VALID_NS, NOW_NS)
    assert judged(trust, device, secrets.token_bytes(32)) is Verdict.WRONG
    assert not use(trust, device, secrets.token_bytes(32))


def test_key_of_one_device_is_no_key_of_another(trust: Trust) -> None:
    """Nor is it good for a proof over another exchange."""
    key = joined(trust)
    joined(trust, "cellar")
    assert judged(trust, "cellar", key) is Verdict.WRONG
    proof = auth_proof(key, exchange(), "greenhouse")
    assert trust.check("greenhouse", exchange(), proof) is Verdict.WRONG


def test_join_is_repeatable_until_the_first_auth(trust: Trust) -> None:
    """Whoever lost the reply gets it again, as often as he asks, also after the token expired."""
    secret = trust.invite(["pi-1", "pi-2"], VALID_NS, NOW_NS)
    first = join_with(trust, secret)
    late_ns = NOW_NS + 2 * VALID_NS
    assert join_with(trust, secret) == join_with(trust, secret, now_ns=late_ns) == first
    assert judged(trust, first.device, first.key) is Verdict.NEWS
    assert use(trust, first.device, first.key)
    assert join_with(trust, secret).device == "pi-2", "from then on it is another join"


def test_places_are_given_in_order(trust: Trust) -> None:
    """One a nonce; then the token is used up."""
    secret = trust.invite(["pi-1", "pi-2", "pi-3"], VALID_NS, NOW_NS)
    nonces = [bytes([number]) * 32 for number in range(4)]
    names = [join_with(trust, secret, nonce).device for nonce in nonces[:3]]
    assert names == ["pi-1", "pi-2", "pi-3"]
    assert refusal(trust, secret, nonces[3]) == ("the token was used already, or withdrawn", False)
    assert join_with(trust, secret, nonces[1]).device == "pi-2"


def test_token_that_is_not_good(trust: Trust) -> None:
    """Expired, used up, or never made; only who cannot prove one is a stranger."""
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    other = secrets.token_bytes(16)
    stranger = ("no invitation has this token", True)
    assert refusal(trust, other) == stranger
    assert refusal(trust, other, invited=secret) == stranger
    expired = ("the invitation has expired", False)
    assert refusal(trust, secret, now_ns=NOW_NS + VALID_NS) == expired
    join_with(trust, secret, now_ns=NOW_NS + VALID_NS - 1)
    assert refusal(trust, secret, bytes(32))[0] == "the token was used already, or withdrawn"


def test_what_expired_long_ago_is_forgotten(path: Path, trust: Trust) -> None:
    """At the next invitation; a week long one is told what was the matter."""
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    later_ns = NOW_NS + VALID_NS + 7 * DAY_NS
    trust.invite(["cellar"], VALID_NS, later_ns)
    assert refusal(trust, secret, now_ns=later_ns)[0] == "the invitation has expired"
    trust.invite(["attic"], VALID_NS, later_ns + 1)
    assert refusal(trust, secret, now_ns=later_ns)[1]
    assert len(rows(path, "SELECT * FROM place")) == 2


def test_invitation_of_a_known_name_gives_it_a_new_key_at_the_join(trust: Trust) -> None:
    """Not before: who never joins goes on with the former, which then dies."""
    former = joined(trust)
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS + 1)
    assert judged(trust, "greenhouse", former) is Verdict.RIGHT
    key = join_with(trust, secret).key
    assert judged(trust, "greenhouse", former) is Verdict.WRONG
    assert not use(trust, "greenhouse", former)
    assert judged(trust, "greenhouse", key) is Verdict.NEWS


def test_newer_invitation_of_a_name_withdraws_the_former(trust: Trust) -> None:
    """Of many names only that one: the others join by it still."""
    first = trust.invite(["pi-1", "pi-2"], VALID_NS, NOW_NS)
    second = trust.invite(["pi-1"], VALID_NS, NOW_NS)
    assert join_with(trust, first, bytes(32)).device == "pi-2"
    assert refusal(trust, first)[0] == "the token was used already, or withdrawn"
    assert join_with(trust, second).device == "pi-1"


def test_rotated_key(trust: Trust) -> None:
    """Both hold until the new one is used; then the former is dead."""
    former = joined(trust)
    key = trust.rotate("greenhouse")
    assert judged(trust, "greenhouse", former) is Verdict.RIGHT
    assert judged(trust, "greenhouse", key) is Verdict.NEWS
    assert use(trust, "greenhouse", key)
    assert judged(trust, "greenhouse", former) is Verdict.WRONG
    assert judged(trust, "greenhouse", key) is Verdict.RIGHT


def test_rotated_again_before_the_key_was_used(trust: Trust) -> None:
    """It is the same key: the device may be on its way with what it was sent first."""
    former = joined(trust)
    key = trust.rotate("greenhouse")
    assert trust.rotate("greenhouse") == key
    assert use(trust, "greenhouse", key)
    assert trust.rotate("greenhouse") not in (key, former)


@pytest.mark.parametrize("standing", ["unknown", "invited", "revoked"])
def test_who_has_no_key_gets_no_other(trust: Trust, standing: str) -> None:
    """The message says what to do instead."""
    if standing != "unknown":
        trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    if standing == "revoked":
        joined(trust)
        trust.revoke("greenhouse", NOW_NS)
    with pytest.raises(TrustError, match="greenhouse has no key that could be replaced: invite it"):
        trust.rotate("greenhouse")


def test_revoked_device(trust: Trust) -> None:
    """It is told so if its key is right; neither key of it is used any more."""
    key = joined(trust)
    other = trust.rotate("greenhouse")
    assert not trust.is_revoked("greenhouse")
    trust.revoke("greenhouse", NOW_NS + 1)
    trust.revoke("greenhouse", NOW_NS + 2)
    assert trust.is_revoked("greenhouse")
    assert judged(trust, "greenhouse", key) is Verdict.REVOKED
    assert judged(trust, "greenhouse", other) is Verdict.WRONG
    assert not use(trust, "greenhouse", key)
    (member,) = trust.members
    assert member.revoked_ns == NOW_NS + 1, "the first time counts"


@pytest.mark.parametrize("has_joined", [True, False])
def test_revoked_device_cannot_join(trust: Trust, has_joined: bool) -> None:
    """By what it was invited with; not even by saying the same again."""
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    if has_joined:
        join_with(trust, secret)
    trust.revoke("greenhouse", NOW_NS)
    assert refusal(trust, secret) == ("the token was used already, or withdrawn", False)


def test_revoked_device_comes_back_by_a_new_invitation(trust: Trust) -> None:
    """When it joins, not before; its former key stays dead."""
    former = joined(trust)
    trust.revoke("greenhouse", NOW_NS)
    secret = trust.invite(["greenhouse"], VALID_NS, NOW_NS)
    assert trust.is_revoked("greenhouse")
    key = join_with(trust, secret).key
    assert not trust.is_revoked("greenhouse")
    assert judged(trust, "greenhouse", former) is Verdict.WRONG
    assert judged(trust, "greenhouse", key) is Verdict.NEWS


def test_name_that_was_never_invited_can_be_revoked(trust: Trust) -> None:
    """A device of this machine, which had no key."""
    trust.revoke("here", NOW_NS)
    assert trust.is_revoked("here")
    assert trust.find("here") == Member("here", revoked_ns=NOW_NS)
    assert not trust.is_revoked("elsewhere")


def refuse_writes(path: Path) -> None:
    """Let every change of a member fail, as on a full disk."""
    for what in ("INSERT", "UPDATE"):
        change(
            path,
            f"CREATE TRIGGER full_{what} BEFORE {what} ON member BEGIN SELECT RAISE(FAIL, 'full'); END",
        )


def accept_writes(path: Path) -> None:
    """Take that back."""
    for what in ("INSERT", "UPDATE"):
        change(path, f"DROP TRIGGER full_{what}")


def test_change_that_is_not_on_disk_did_not_happen(path: Path, trust: Trust) -> None:
    """Neither in memory: nobody is let in, or kept out, by what a restart would forget."""
    key = joined(trust)
    secret = trust.invite(["pi-1", "pi-2"], VALID_NS, NOW_NS)
    before = trust.members
    refuse_writes(path)
    over = exchange()
    attempts = (
        lambda: join_with(trust, secret),
        lambda: trust.revoke("greenhouse", NOW_NS),
        lambda: trust.rotate("greenhouse"),
        lambda: trust.invite(["greenhouse"], VALID_NS, NOW_NS),
        lambda: trust.use_key("greenhouse", over, auth_proof(key, over, "greenhouse")),
    )
    for attempt in attempts:
        with pytest.raises(TrustError, match="full"):
            attempt()
    assert trust.members == before
    accept_writes(path)
    assert join_with(trust, secret).device == "pi-1"


def test_file_that_cannot_be_read_is_told(path: Path, trust: Trust) -> None:
    """And is closed again."""
    trust.close()
    change(path, "ALTER TABLE member RENAME COLUMN joined_ns TO other")
    with pytest.raises(TrustError, match="cannot be used"):
        Trust(path)


def test_many_may_join_at_once(trust: Trust) -> None:
    """From threads: each gets a name of its own, and the same nonce from two threads one."""
    secret = trust.invite([f"pi-{number}" for number in range(8)], VALID_NS, NOW_NS)
    nonces = [bytes([number]) * 32 for number in range(8)] * 2
    names: list[tuple[bytes, str]] = []

    def join(nonce: bytes) -> None:
        names.append((nonce, join_with(trust, secret, nonce).device))

    threads = [threading.Thread(target=join, args=[nonce]) for nonce in nonces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 16
    assert len(set(names)) == len({name for _, name in names}) == 8


class Ticket(NamedTuple):
    """A token as the model knows it; `places` are names, None where one was taken or withdrawn."""

    secret: bytes
    expires_ns: int
    names: list[str]
    places: list[str | None]

    def nonce(self, device: int) -> bytes:
        """Return the nonce by which one of the devices that have this token joins."""
        return sha256(self.secret + bytes([device])).digest()


NAMES = [f"pi-{number}" for number in range(5)]
DEVICES = st.integers(0, 4)


class TrustMachine(RuleBasedStateMachine):
    """Trust against a few dictionaries: whatever is done in whatever order, and reopened between."""

    tickets = Bundle("tickets")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.path = Path(self.folder.name) / FILE_NAME
        self.trust = Trust(self.path)
        self.members: dict[str, Member] = {}
        self.issued: list[Ticket] = []
        self.now_ns = NOW_NS

    def teardown(self) -> None:
        """Leave no file behind."""
        self.trust.close()
        self.folder.cleanup()

    @initialize(target=tickets)
    def begin(self) -> Any:
        """There is an invitation from the start on."""
        return self.invite(NAMES[:2], VALID_NS)

    @rule(
        target=tickets,
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
        valid_ns=st.sampled_from([VALID_NS, 3 * DAY_NS]),
    )
    def invite(self, names: list[str], valid_ns: int) -> Ticket:
        """Invite some, known or not."""
        secret = self.trust.invite(names, valid_ns, self.now_ns)
        self.withdraw(*names)
        for name in names:
            member = self.members.get(name) or Member(name)
            self.members[name] = replace(member, invited_ns=self.now_ns)
        ticket = Ticket(secret, self.now_ns + valid_ns, names, list(names))
        self.issued.append(ticket)
        return ticket

    @rule(target=keys, ticket=tickets, device=DEVICES)
    def join(self, ticket: Ticket, device: int) -> Any:
        """Join, for the first time or again."""
        nonce = ticket.nonce(device)
        members = [self.members[name] for name in ticket.names]
        again = [member for member in members if member.join_nonce == nonce]
        waiting = [name for name in ticket.places if name is not None]
        if again:
            (member,) = again
            assert join_with(self.trust, ticket.secret, nonce, self.now_ns) == Joined(
                member.name, member.key or b""
            )
        elif self.now_ns >= ticket.expires_ns or not waiting:
            assert not refusal(self.trust, ticket.secret, nonce, self.now_ns)[1]
            return multiple()
        else:
            got = join_with(self.trust, ticket.secret, nonce, self.now_ns)
            assert got.device == waiting[0]
            ticket.places[ticket.places.index(waiting[0])] = None
            invited_ns = self.members[got.device].invited_ns
            member = Member(got.device, got.key, None, nonce, invited_ns, self.now_ns)
            self.members[got.device] = member
        return member.name, member.key

    @rule(ticket=tickets, device=DEVICES)
    def join_without_the_token(self, ticket: Ticket, device: int) -> None:
        """Who knows an invitation and a nonce, and not its secret."""
        wrong = secrets.token_bytes(16)
        nonce = ticket.nonce(device)
        assert refusal(self.trust, wrong, nonce, self.now_ns, invited=ticket.secret)[1]

    @rule(named=keys)
    def come(self, named: tuple[str, bytes]) -> None:
        """Come with a key that was given once, and use it if it is news."""
        name, key = named
        member = self.members[name]
        holds = key in (member.key, member.next_key)
        is_news = holds and (key == member.next_key or member.join_nonce is not None)
        verdict = judged(self.trust, name, key)
        if member.revoked_ns is not None:
            assert verdict is (Verdict.REVOKED if holds else Verdict.WRONG)
            assert not use(self.trust, name, key)
            return
        assert (verdict is Verdict.WRONG) is not holds
        assert (verdict is Verdict.NEWS) is is_news
        assert use(self.trust, name, key) is holds
        if key == member.next_key:
            member = replace(member, key=key, next_key=None)
        if holds:
            self.members[name] = replace(member, join_nonce=None)

    @rule(named=keys, other=st.sampled_from(NAMES))
    def come_as_another(self, named: tuple[str, bytes], other: str) -> None:
        """Nobody comes in under another's name."""
        if other != named[0]:
            assert judged(self.trust, other, named[1]) is Verdict.WRONG

    @rule(target=keys, name=st.sampled_from(NAMES))
    def rotate(self, name: str) -> Any:
        """Give a new key to who has one."""
        member = self.members.get(name)
        if member is None or member.key is None or member.revoked_ns is not None:
            with pytest.raises(TrustError):
                self.trust.rotate(name)
            return multiple()
        key = self.trust.rotate(name)
        assert member.next_key in (None, key)
        self.members[name] = replace(member, next_key=key)
        return name, key

    @rule(name=st.sampled_from(NAMES))
    def revoke(self, name: str) -> None:
        """Let one in no more, whoever it is."""
        self.trust.revoke(name, self.now_ns)
        for ticket in self.issued:
            if name in ticket.names:
                ticket.places[:] = [None] * len(ticket.places)
        member = self.members.get(name) or Member(name)
        revoked_ns = member.revoked_ns or self.now_ns
        self.members[name] = replace(member, next_key=None, join_nonce=None, revoked_ns=revoked_ns)

    @rule()
    def reopen(self) -> None:
        """Start again: all that was returned is still so."""
        self.trust.close()
        self.trust = Trust(self.path)

    @rule(wait_ns=st.sampled_from([1, VALID_NS // 2, DAY_NS]))
    @precondition(lambda self: self.now_ns < NOW_NS + 6 * DAY_NS)
    def wait(self, wait_ns: int) -> None:
        """Let time pass, not so much that an invitation is forgotten."""
        self.now_ns += wait_ns

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        """Members are those of the model; no two hold one key; no two were given by one nonce."""
        assert self.trust.members == [self.members[name] for name in sorted(self.members)]
        held = [key for member in self.members.values() for key in (member.key, member.next_key)]
        alive = [key for key in held if key is not None]
        assert len(set(alive)) == len(alive)
        nonces = [member.join_nonce for member in self.members.values() if member.join_nonce]
        assert len(set(nonces)) == len(nonces)

    def withdraw(self, *names: str) -> None:
        """Take the places of names out of all tickets."""
        for ticket in self.issued:
            ticket.places[:] = [None if name in names else name for name in ticket.places]


TestTrust = TrustMachine.TestCase
TestTrust.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


def test_another_certificate_is_noticed(tmp_path: Path) -> None:
    """Devices that joined know the one that the collector had then."""
    trust = Trust(tmp_path / FILE_NAME)
    try:
        assert trust.fingerprint is None
        assert not trust.know_by(bytes(32))
        assert not trust.know_by(b"\1" * 32), "nobody has joined yet"
        secret = trust.invite(["pi-0"], VALID_NS, NOW_NS)
        join_with(trust, secret, bytes(32), NOW_NS)
        assert not trust.know_by(b"\1" * 32)
        assert trust.know_by(b"\2" * 32)
        assert trust.fingerprint == b"\2" * 32
    finally:
        trust.close()
