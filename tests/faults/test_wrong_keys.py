"""Who has no right key and no right token is not let in, whatever is tried, and learns nothing by it."""

import asyncio
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from collector import trust_file
from collector.trust import NO_SUCH_INVITATION, JoinRefused, Trust, Verdict
from kit.keys import joined
from kit.results import Results
from kit.servers import ServerRig, server_rig
from service import tls
from service.stream import ConversationStream
from wire.bodies import ByeReason
from wire.conversation import Closed, Conversation, Event
from wire.greetings import Join, Joined, Ready
from wire.joiner import Joiner
from wire.proofs import (
    NONCE_BYTES,
    TOKEN_SECRET_BYTES,
    Exchange,
    auth_proof,
    is_auth_proof,
    join_proof,
    verifier_of,
)
from wire.sender import Prover, Sender
from wire.tokens import Token

FINGERPRINT = bytes(32)
DIFFERENCE_US = 100
PLANTED_US = 200


class Try(ConversationStream):
    """One connection over TLS; `end` is how it ended, `let_in` whether that was by mistake."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(conversation)
        self.over: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.let_in: list[Event] = []

    def happened(self, event: Event) -> None:
        """Note what must not happen."""
        if isinstance(event, Ready | Joined):
            self.let_in.append(event)

    def ended(self, closed: Closed) -> None:
        """Note the end."""
        self.over.set_result(closed)


async def tried(rig: ServerRig, conversation: Conversation) -> tuple[Closed, float]:
    """Try to come in; return how that ended, and how long after TLS was agreed on."""
    _, stream = await asyncio.get_running_loop().create_connection(
        lambda: Try(conversation), "127.0.0.1", rig.server.port,
        ssl=tls.client_context(), server_hostname="",
    )  # fmt: skip
    began_s = time.perf_counter()
    closed = await stream.over
    took_s = time.perf_counter() - began_s
    assert not stream.let_in, stream.let_in
    stream.transport.abort()
    return closed, took_s


def as_device(rig: ServerRig, name: str, key: bytes, fingerprint: bytes | None = None) -> Sender:
    """The device's end of a session under a name, with a key."""
    seen = fingerprint or rig.certificate.fingerprint
    now_s = asyncio.get_running_loop().time()
    return Sender(name, "stranger", now_s, Prover(key, secrets.token_bytes(NONCE_BYTES), seen))


def by_token(rig: ServerRig, secret: bytes, fingerprint: bytes | None = None) -> Joiner:
    """The device's end of a join."""
    seen = fingerprint or rig.certificate.fingerprint
    token = Token(seen, secret, (("127.0.0.1", 1),))
    nonce = secrets.token_bytes(NONCE_BYTES)
    return Joiner(token, nonce, "stranger", asyncio.get_running_loop().time())


def play(folder: Path, scenario: Callable[[ServerRig], object]) -> None:
    """Run a scenario at a collector where nobody has to wait for failures."""

    async def run() -> None:
        async with server_rig(folder / "telegauge.db") as rig:
            await scenario(rig)  # type: ignore[misc]

    asyncio.run(run())


def test_nobody_comes_in_by_a_wrong_key(tmp_path: Path) -> None:
    """Wrong key, revoked key, unknown device, key of another, certificate of another: never."""

    async def scenario(rig: ServerRig) -> None:
        seen = rig.certificate.fingerprint
        found = {
            name: joined(rig.trust, seen, name, rig.server.port)
            for name in ("greenhouse", "shed", "gone")
        }
        rig.trust.revoke("gone", time.time_ns())
        wrong, unknown = secrets.token_bytes(32), secrets.token_bytes(32)
        tries = {
            "wrong key": as_device(rig, "greenhouse", wrong),
            "key of another": as_device(rig, "greenhouse", found["shed"].key),
            "unknown": as_device(rig, "nobody", unknown),
            "known key, unknown name": as_device(rig, "nobody", found["shed"].key),
            "other certificate": as_device(rig, "shed", found["shed"].key, bytes(32)),
            "revoked, wrong key": as_device(rig, "gone", wrong),
        }
        ends = {what: (await tried(rig, each))[0] for what, each in tries.items()}
        assert len(set(ends.values())) == 1, "they tell one from another"
        assert ends["unknown"].reason == ByeReason.NOT_ACCEPTED
        end, _ = await tried(rig, as_device(rig, "gone", found["gone"].key))
        assert (end.reason, end.retry_after_s) == (ByeReason.REVOKED, 3600)
        assert rig.sessions.devices == []

    play(tmp_path, scenario)


def test_nobody_comes_in_by_a_wrong_token(tmp_path: Path) -> None:
    """A guessed one, one for another certificate, a used one, an expired one, a revoked name's."""

    async def scenario(rig: ServerRig) -> None:
        now_ns = time.time_ns()
        used = rig.trust.invite(["used"], 10**12, now_ns)
        expired = rig.trust.invite(["expired"], 1, now_ns - 10)
        withdrawn = rig.trust.invite(["gone"], 10**12, now_ns)
        good = rig.trust.invite(["good"], 10**12, now_ns)
        rig.trust.revoke("gone", now_ns)
        nonces = (secrets.token_bytes(NONCE_BYTES), secrets.token_bytes(NONCE_BYTES))
        exchange = Exchange(*nonces, rig.certificate.fingerprint)
        join = Join(verifier_of(used).invitation, nonces[0], 1, 1)
        rig.trust.join(join, exchange, join_proof(used, exchange), now_ns)
        tries = {
            "guessed": by_token(rig, secrets.token_bytes(TOKEN_SECRET_BYTES)),
            "other certificate": by_token(rig, good, bytes(32)),
            "used": by_token(rig, used),
            "expired": by_token(rig, expired),
            "withdrawn": by_token(rig, withdrawn),
        }
        ends = {what: (await tried(rig, each))[0] for what, each in tries.items()}
        assert {end.reason for end in ends.values()} == {ByeReason.NOT_ACCEPTED}
        assert "expired" in ends["expired"].detail

    play(tmp_path, scenario)


def guess(trust: Trust, tries: int) -> Counter[str]:
    """Guess tokens and proofs of a good invitation; return what became of them."""
    secret = trust.invite(["greenhouse"], 10**15, time.time_ns())
    good = verifier_of(secret).invitation
    became: Counter[str] = Counter()
    for number in range(tries):
        exchange = Exchange(secrets.token_bytes(32), secrets.token_bytes(32), FINGERPRINT)
        other = secrets.token_bytes(TOKEN_SECRET_BYTES)
        invitation = good if number % 2 else verifier_of(other).invitation
        proof = join_proof(other, exchange) if number % 4 < 2 else secrets.token_bytes(32)
        try:
            trust.join(
                Join(invitation, exchange.device_nonce, 1, 1), exchange, proof, time.time_ns()
            )
        except JoinRefused as refused:
            became["refused" if str(refused) == NO_SUCH_INVITATION else "told more"] += 1
        else:
            became["joined"] += 1
    return became


@pytest.mark.parametrize(
    "tries", [1000, pytest.param(10_000, marks=pytest.mark.full)], ids=["1000", "10000"]
)
def test_guessing_below_the_limits(tmp_path: Path, tries: int) -> None:
    """The check of a token itself, with no limit of tries in front of it."""
    trust = Trust(tmp_path / trust_file.FILE_NAME)
    try:
        assert guess(trust, tries) == {"refused": tries}
    finally:
        trust.close()


def test_check_does_the_same_work_for_a_name_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown name and wrong key: the same answer, by as many proofs that are made and compared."""
    made: list[str] = []

    def counted(proof: bytes, key: bytes, exchange: Exchange, device: str) -> bool:
        made.append(device)
        return is_auth_proof(proof, key, exchange, device)

    monkeypatch.setattr("collector.trust.is_auth_proof", counted)
    trust = Trust(tmp_path / trust_file.FILE_NAME)
    try:
        joined(trust, FINGERPRINT, "greenhouse", 1)
        exchange = Exchange(bytes(32), bytes(32), FINGERPRINT)
        proof = auth_proof(secrets.token_bytes(32), exchange, "greenhouse")
        assert trust.check("greenhouse", exchange, proof) is Verdict.WRONG
        assert trust.check("nobody", exchange, proof) is Verdict.WRONG
        assert made == ["greenhouse"] * 2 + ["nobody"] * 2
    finally:
        trust.close()


async def medians_us(rig: ServerRig, tries: int) -> tuple[float, float]:
    """Try as a known and as an unknown device, in turn; return the median time of each, in us."""
    took: dict[str, list[float]] = {"known": [], "nobody": []}
    for name in [name for _ in range(tries) for name in took]:
        key = secrets.token_bytes(32)
        _, took_s = await tried(rig, as_device(rig, name, key))
        took[name].append(took_s * 1e6)
    return statistics.median(took["known"]), statistics.median(took["nobody"])


def measure(folder: Path, tries: int) -> dict[str, object]:
    """Compare the times of a wrong key and an unknown name; then with a difference planted."""
    figures: dict[str, object] = {}

    async def scenario(rig: ServerRig) -> None:
        joined(rig.trust, rig.certificate.fingerprint, "known", rig.server.port)
        known_us, nobody_us = await medians_us(rig, tries)
        honest = rig.trust.check

        def slower(device: str, exchange: Exchange, proof: bytes) -> Verdict:
            until_s = time.perf_counter() + PLANTED_US / 1e6 * (device == "known")
            while time.perf_counter() < until_s:
                pass
            return honest(device, exchange, proof)

        rig.trust.check = slower  # type: ignore[method-assign]
        slow_us, quick_us = await medians_us(rig, tries)
        figures.update(
            tries=tries, known_us=round(known_us), nobody_us=round(nobody_us),
            difference_us=round(abs(known_us - nobody_us), 1),
            planted_difference_us=round(slow_us - quick_us, 1),
        )  # fmt: skip

    play(folder, scenario)
    return figures


@pytest.mark.full
@pytest.mark.parametrize("number", range(3))
def test_times_tell_nothing(tmp_path: Path, number: int) -> None:
    """1,000 tries each in turn: the medians differ by less than 100 us; a planted 200 us is found."""
    results = Results("unknown name or wrong key")
    if results.has(number):
        pytest.skip("done in an earlier run")
    figures = measure(tmp_path, 1000)
    assert figures["difference_us"] < DIFFERENCE_US, figures  # type: ignore[operator]
    assert figures["planted_difference_us"] > DIFFERENCE_US, figures  # type: ignore[operator]
    results.add(number, **figures)
