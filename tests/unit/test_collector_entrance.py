"""collector.entrance: who is let in, who is not, and what each of them hears; over real sockets."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from collector.admission import FREE_FAILURES
from kit.servers import Connection, Scenario, ServerRig, all_said, bodies, player
from kit.stores import batch, change, rows
from kit.waiting import until
from kit.wireworks import EPOCH, MOMENT
from service import tls
from wire import conversation, frames
from wire.bodies import Bye, DatagramKey, OpenDatagrams
from wire.conversation import Closed, State
from wire.frames import Body
from wire.greetings import Auth, Challenge, Hello, Join, Joined, Ready
from wire.proofs import Exchange, auth_proof, join_proof, verifier_of

VALID_NS = 900 * 10**9
NONCE = bytes(range(32))


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a server on a real socket; nothing may reach the loop's handler."""
    return player(tmp_path)


@pytest.fixture
def play_strictly(tmp_path: Path) -> Callable[[Scenario], None]:
    """The same with `plain_on_loopback: false`."""
    return player(tmp_path, plain_on_loopback=False)


def invited(rig: ServerRig, *names: str, valid_ns: int = VALID_NS) -> bytes:
    """Invite devices; return the secret of their token."""
    return rig.trust.invite(names or ["greenhouse"], valid_ns, time.time_ns())


def hello(nonce: bytes | None = NONCE) -> Hello:
    """What a device says first."""
    return Hello("greenhouse", 1, 1, "test", nonce)


async def refused(rig: ServerRig, name: str = "greenhouse", key: bytes | None = None) -> Closed:
    """Let a device come that is not let in; return what it hears."""
    device = await rig.arrive(name, key)
    closed = await device.closed()
    assert closed.by_peer
    assert not device.heard(Ready)
    await until(lambda: not rig.admission.places)
    return closed


async def challenged(rig: ServerRig, greeting: Hello | Join) -> tuple[Connection, Exchange]:
    """Greet over TLS; return the connection and what a proof is to be made over."""
    reader, writer = await rig.connect(over_tls=True)
    writer.write(frames.encode(greeting))
    head = await reader.readexactly(frames.HEAD_BYTES)
    [challenge] = bodies(head + await reader.readexactly(int.from_bytes(head[:4], "little")))
    assert isinstance(challenge, Challenge)
    assert greeting.nonce is not None
    exchange = Exchange(greeting.nonce, challenge.nonce, rig.certificate.fingerprint)
    return (reader, writer), exchange


async def said_to(connection: Connection, *said: Body) -> list[Body]:
    """Say frames in one piece; return everything that is answered until the end."""
    reader, writer = connection
    writer.write(b"".join(map(frames.encode, said)))
    return bodies(await all_said(reader))


async def only_bye(connection: Connection, *said: Body) -> str:
    """Say frames that end it; return why."""
    [bye] = await said_to(connection, *said)
    assert isinstance(bye, Bye)
    return bye.reason


# who has a key


def test_right_key_is_let_in(play: Callable[[Scenario], None]) -> None:
    """The first time and every other; it stores, its place is free again, its address known."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        with capture_logs() as logs:
            for seq in (1, 2):
                device = await rig.device("greenhouse", key)
                device.send_batches(batch(seq))
                await device.acknowledged(EPOCH, seq)
                assert rig.admission.places == []
                await device.leave()
                await rig.all_gone()
        started = [log for log in logs if log["event"] == "session_started"]
        assert [(log["device"], log["tls"]) for log in started] == [("greenhouse", True)] * 2
        place = rig.admission.arrive("127.0.0.1", asyncio.get_running_loop().time())
        assert place is not None
        assert place.is_known

    play(scenario)


@pytest.mark.parametrize("over_tls", [True, False])
def test_another_machine_needs_a_key(play: Callable[[Scenario], None], over_tls: bool) -> None:
    """With it it is let in; plain it hears that it is not accepted, and what to do."""

    async def scenario(rig: ServerRig) -> None:
        rig.is_far = True
        if over_tls:
            await rig.device("greenhouse", rig.let_in())
            return
        closed = await refused(rig)
        assert (closed.reason, closed.retry_after_s) == ("not_accepted", 0.0)
        assert "join, and come over TLS" in closed.detail
        assert rows(rig.file, "SELECT * FROM device") == []

    play(scenario)


def test_browser_on_another_machine_is_told_where_it_is(play: Callable[[Scenario], None]) -> None:
    """In its own language, as on this one; nothing of a device or a store is in it."""

    async def scenario(rig: ServerRig) -> None:
        rig.is_far = True
        reader, writer = await rig.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await all_said(reader)).startswith(b"HTTP/1.1 400 ")

    play(scenario)


def test_unknown_name_and_wrong_key_hear_the_same(play: Callable[[Scenario], None]) -> None:
    """And so does whoever was invited and has not joined."""

    async def scenario(rig: ServerRig) -> None:
        rig.let_in()
        invited(rig, "cellar")
        key = secrets.token_bytes(32)
        heard = [await refused(rig, name, key) for name in ("greenhouse", "cellar", "nobody")]
        assert heard[0].reason == "not_accepted"
        assert len(set(heard)) == 1
        assert rows(rig.file, "SELECT * FROM device") == []

    play(scenario)


def test_proof_over_another_certificate_is_wrong(play: Callable[[Scenario], None]) -> None:
    """Whoever stands between the two with a certificate of his own gains nothing by it."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        connection, exchange = await challenged(rig, hello())
        between = exchange._replace(fingerprint=bytes(32))
        proof = auth_proof(key, between, "greenhouse")
        assert await only_bye(connection, Auth(proof)) == "not_accepted"

    play(scenario)


def test_recorded_proof_is_worth_nothing(play: Callable[[Scenario], None]) -> None:
    """Every connection is challenged with a nonce of its own."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        _, exchange = await challenged(rig, hello())
        connection, other = await challenged(rig, hello())
        assert exchange.collector_nonce != other.collector_nonce
        recorded = Auth(auth_proof(key, exchange, "greenhouse"))
        assert await only_bye(connection, recorded) == "not_accepted"

    play(scenario)


def test_revoked_device_hears_so(play: Callable[[Scenario], None]) -> None:
    """If its key is right; who only knows the name learns nothing, and is a stranger."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        await (await rig.device("greenhouse", key)).leave()
        rig.trust.revoke("greenhouse", time.time_ns())
        closed = await refused(rig, "greenhouse", key)
        assert (closed.reason, closed.retry_after_s) == ("revoked", 3600.0)
        wrong = await refused(rig, "greenhouse", secrets.token_bytes(32))
        assert wrong == await refused(rig, "nobody", secrets.token_bytes(32))

    play(scenario)


def test_tls_without_a_nonce_is_refused(play: Callable[[Scenario], None]) -> None:
    """Also from this machine: TLS is for who proves something."""

    async def scenario(rig: ServerRig) -> None:
        connection = await rig.connect(over_tls=True)
        assert await only_bye(connection, hello(None)) == "not_accepted"

    play(scenario)


# plain


def test_invited_name_is_not_let_in_plain(play: Callable[[Scenario], None]) -> None:
    """On loopback neither, from the invitation on; another name is, with a nonce or without."""

    async def scenario(rig: ServerRig) -> None:
        await (await rig.device()).leave()
        invited(rig)
        closed = await refused(rig)
        assert closed.reason == "not_accepted"
        assert "telegauge-collector invite greenhouse" in closed.detail
        await rig.device("cellar")
        reader, writer = await rig.connect()
        writer.write(frames.encode(Hello("attic", 1, 1, "test", NONCE)))
        ready = frames.encode(rig.ready)
        assert await reader.readexactly(len(ready)) == ready

    play(scenario)


def test_nobody_is_let_in_plain_where_the_yaml_says_so(
    play_strictly: Callable[[Scenario], None],
) -> None:
    """`plain_on_loopback: false`: this machine's own devices need a key too, and have it."""

    async def scenario(rig: ServerRig) -> None:
        assert (await refused(rig)).reason == "not_accepted"
        await rig.device("greenhouse", rig.let_in())

    play_strictly(scenario)


def test_join_is_for_tls_alone(play: Callable[[Scenario], None]) -> None:
    """A key never travels openly, not even within this machine; the token stays good."""

    async def scenario(rig: ServerRig) -> None:
        secret = invited(rig)
        join = Join(verifier_of(secret).invitation, NONCE, 1, 1)
        assert await only_bye(await rig.connect(), join) == "not_accepted"
        await (await rig.joiner(secret)).said(Joined)

    play(scenario)


# what is not allowed at this point


def test_proof_counts_once(play: Callable[[Scenario], None]) -> None:
    """Two in one piece are no way to try twice: neither is looked at."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        connection, exchange = await challenged(rig, hello())
        right = Auth(auth_proof(key, exchange, "greenhouse"))
        assert await only_bye(connection, Auth(bytes(32)), right) == "protocol_error"
        connection, exchange = await challenged(rig, hello())
        right = Auth(auth_proof(key, exchange, "greenhouse"))
        assert await only_bye(connection, right, right) == "protocol_error"
        assert len(rig.sessions) == 0

    play(scenario)


@pytest.mark.parametrize("over_tls", [True, False])
@pytest.mark.parametrize("said", [[Auth(bytes(32))], [hello(), Auth(bytes(32))]], ids=str)
def test_proof_that_nobody_asked_for(
    play: Callable[[Scenario], None], over_tls: bool, said: list[Body]
) -> None:
    """It is no way past the challenge."""

    async def scenario(rig: ServerRig) -> None:
        answers = await said_to(await rig.connect(over_tls), *said)
        assert isinstance(answers[-1], Bye)
        assert answers[-1].reason == "protocol_error"
        assert not any(isinstance(answer, Ready) for answer in answers)

    play(scenario)


# who joins


def test_device_joins(play: Callable[[Scenario], None]) -> None:
    """Its name and its key, with which it is let in; the join itself is no session."""

    async def scenario(rig: ServerRig) -> None:
        secret = invited(rig, "pi-1", "pi-2")
        with capture_logs() as logs:
            for number in (1, 2):
                joiner = await rig.joiner(secret, bytes([number]) * 32)
                [joined] = await joiner.said(Joined)
                assert joined.device == f"pi-{number}"
                assert len(rig.sessions) == number - 1
                assert rig.admission.places == []
                await joiner.leave()
                await rig.device(joined.device, joined.key)
        told = [log["device"] for log in logs if log["event"] == "device_joined"]
        assert told == ["pi-1", "pi-2"]
        assert not any(log["log_level"] != "info" for log in logs)
        assert not any(joined.key.hex() in str(log) or secret.hex() in str(log) for log in logs)

    play(scenario)


def test_join_is_repeated_until_the_key_is_used(play: Callable[[Scenario], None]) -> None:
    """A device that lost the answer gets it again."""

    async def scenario(rig: ServerRig) -> None:
        secret = invited(rig)
        first, again = [await (await rig.joiner(secret)).said(Joined) for _ in range(2)]
        assert first == again
        await rig.device("greenhouse", first[0].key)
        closed = await (await rig.joiner(secret)).closed()
        assert (closed.reason, closed.detail) == (
            "not_accepted",
            "the token was used already, or withdrawn",
        )

    play(scenario)


@pytest.mark.parametrize("fault", ["expired", "used", "unknown", "of another token"])
def test_token_that_lets_nobody_in(play_strictly: Callable[[Scenario], None], fault: str) -> None:
    """Who has one that was good hears what is the matter; all of them have failed."""

    async def scenario(rig: ServerRig) -> None:
        secret = invited(rig, valid_ns=-1 if fault == "expired" else VALID_NS)
        join = Join(verifier_of(secret).invitation, NONCE, 1, 1)
        if fault == "used":
            await (await rig.joiner(secret)).said(Joined)
        if fault in ("unknown", "of another token"):
            secret = secrets.token_bytes(16)
        if fault == "unknown":
            join = replace(join, invitation=verifier_of(secret).invitation)
        connection, exchange = await challenged(rig, join)
        [bye] = await said_to(connection, Auth(join_proof(secret, exchange)))
        details = {
            "expired": "the invitation has expired",
            "used": "the token was used already, or withdrawn",
        }
        assert isinstance(bye, Bye)
        assert bye.reason == "not_accepted"
        assert bye.detail == details.get(fault, "no invitation has this token")
        await until(lambda: len(rig.admission._failures) == 1)

    play_strictly(scenario)


def test_join_ends_the_former_session_of_the_name(play: Callable[[Scenario], None]) -> None:
    """Its key is dead, and so is what it was handed for its datagrams."""

    async def scenario(rig: ServerRig) -> None:
        former_key = rig.let_in()
        former = await rig.device("greenhouse", former_key)
        former.send(OpenDatagrams(bytes(16), MOMENT, 0))
        await former.said(DatagramKey)
        secret = invited(rig)
        former.send_batches(batch(1))
        await former.acknowledged(EPOCH, 1)
        [joined] = await (await rig.joiner(secret)).said(Joined)
        closed = await former.closed()
        assert (closed.reason, closed.by_peer) == ("not_accepted", True)
        assert rig.datagrams.keys == 0
        assert (await refused(rig, "greenhouse", former_key)).reason == "not_accepted"
        device = await rig.device("greenhouse", joined.key)
        assert await device.hold(EPOCH) == {EPOCH: 1}, "its series go on"

    play(scenario)


# failures and faults


def test_strangers_are_made_to_wait(play_strictly: Callable[[Scenario], None]) -> None:
    """From the sixth failure on an address is not listened to; nobody hears a word there."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        with capture_logs() as logs:
            for _ in range(FREE_FAILURES + 1):
                await refused(rig, "greenhouse", secrets.token_bytes(32))
        reader, _ = await rig.connect()
        assert await all_said(reader) == b""
        assert rig.admission.turned_away == 1
        assert {log["event"] for log in logs} == {"device_not_let_in"}, "once each"
        assert all(log["claims"] == "greenhouse" for log in logs)
        rig.admission._failures.clear()
        await rig.device("greenhouse", key)

    play_strictly(scenario)


@contextmanager
def refusing_writes(rig: ServerRig) -> Iterator[None]:
    """Let the file of the keys refuse every change."""
    file = rig.file.parent / "trust.db"
    change(
        file, "CREATE TRIGGER full BEFORE UPDATE ON member BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    change(
        file, "CREATE TRIGGER more BEFORE INSERT ON member BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    yield
    change(file, "DROP TRIGGER full")
    change(file, "DROP TRIGGER more")


@pytest.mark.parametrize("what", ["join", "first use"])
def test_trust_that_cannot_be_written(play: Callable[[Scenario], None], what: str) -> None:
    """Nobody is let in by what a restart would forget; it is logged, and works again later."""

    async def scenario(rig: ServerRig) -> None:
        secret, key = invited(rig, "pi"), rig.let_in()
        with refusing_writes(rig), capture_logs() as logs:
            peer = await (rig.joiner(secret) if what == "join" else rig.arrive("greenhouse", key))
            closed = await peer.closed()
        assert (closed.reason, closed.retry_after_s) == ("stopping", 60.0)
        assert not peer.heard(Joined)
        assert not peer.heard(Ready)
        [log] = [log for log in logs if log["event"] == "trust_failed"]
        assert (log["log_level"], log["exc_info"]) == ("error", None)
        assert "full" in log["detail"]
        await (await rig.joiner(secret)).said(Joined)
        await rig.device("greenhouse", key)

    play(scenario)


@asynccontextmanager
async def slow_trust(rig: ServerRig) -> AsyncIterator[None]:
    """Let whatever wants to change who is trusted wait, as a slow disk would; then let it end."""
    await asyncio.to_thread(rig.trust._lock.acquire)
    try:
        yield
    finally:
        rig.trust._lock.release()
    await until(lambda: all(_is_done(session._entrance._work) for session in rig.made))


def _is_done(work: "asyncio.Task[None] | None") -> bool:
    return work is None or work.done()


def is_working(rig: ServerRig) -> bool:
    """Whether the newest session waits for Trust."""
    return bool(rig.made) and rig.made[-1]._entrance._work is not None


def test_connection_that_ends_while_trust_works(play: Callable[[Scenario], None]) -> None:
    """The join has happened, and the same again brings it home; a key that was used is used."""

    async def scenario(rig: ServerRig) -> None:
        secret = invited(rig)
        async with slow_trust(rig):
            joiner = await rig.joiner(secret)
            await until(lambda: is_working(rig))
            await joiner.leave()
            await until(lambda: not rig.admission.places)
        member = rig.trust.find("greenhouse")
        assert member is not None
        [joined] = await (await rig.joiner(secret)).said(Joined)
        assert joined.key == member.key
        async with slow_trust(rig):
            device = await rig.arrive("greenhouse", joined.key)
            await until(lambda: is_working(rig))
            await device.leave()
            await until(lambda: not rig.admission.places)
        assert len(rig.sessions) == 0
        member = rig.trust.find("greenhouse")
        assert member is not None
        assert member.join_nonce is None
        await rig.device("greenhouse", joined.key)

    play(scenario)


def test_trust_that_takes_too_long(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device hears so and comes again; what becomes of it then is said to nobody."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        async with slow_trust(rig):
            device = await rig.arrive("greenhouse", key)
            await until(lambda: is_working(rig))
            monkeypatch.setattr(conversation, "GREETING_S", 0.0)
            rig.made[-1]._tick()
            closed = await device.closed()
        assert closed.reason == "silence"
        assert not device.heard(Ready)
        assert len(rig.sessions) == 0
        monkeypatch.undo()
        await rig.device("greenhouse", key)

    play(scenario)


def test_key_that_dies_while_it_is_being_used(play: Callable[[Scenario], None]) -> None:
    """It was right when it was looked at, and is not when that is to be written: it is refused."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        async with slow_trust(rig):
            device = await rig.arrive("greenhouse", key)
            await until(lambda: is_working(rig))
            member = rig.trust._members["greenhouse"]
            rig.trust._members["greenhouse"] = replace(member, revoked_ns=1)
        assert (await device.closed()).reason == "not_accepted"
        assert len(rig.sessions) == 0

    play(scenario)


def test_connection_that_is_evicted_while_trust_works(play: Callable[[Scenario], None]) -> None:
    """Nothing is let in on it any more, and nothing breaks."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        async with slow_trust(rig):
            device = await rig.arrive("greenhouse", key)
            await until(lambda: is_working(rig))
            [place] = rig.admission.places
            place.evict()
            await device.closed()
            await until(lambda: rig.made[-1].receiver.state is State.CLOSED)
        assert len(rig.sessions) == 0

    play(scenario)


def test_fault_of_ours_is_logged_with_its_place(play: Callable[[Scenario], None]) -> None:
    """What no person can mend must be found; the device hears of trouble all the same."""

    async def scenario(rig: ServerRig) -> None:
        key = rig.let_in()
        rig.trust.use_key = None  # type: ignore[method-assign, assignment]
        with capture_logs() as logs:
            closed = await (await rig.arrive("greenhouse", key)).closed()
        assert closed.reason == "stopping"
        [log] = [log for log in logs if log["event"] == "trust_failed"]
        assert isinstance(log["exc_info"], TypeError)

    play(scenario)


def test_fingerprint_is_that_of_the_connection(play: Callable[[Scenario], None]) -> None:
    """A device sees the certificate that the collector proves over."""

    async def scenario(rig: ServerRig) -> None:
        _, writer = await rig.connect(over_tls=True)
        assert tls.peer_fingerprint(writer.transport) == rig.certificate.fingerprint

    play(scenario)


def test_notes_say_that_somebody_claims_to_be_a_device(play: Callable[[Scenario], None]) -> None:
    """Of one that is known, with where it was; names that nobody has are not remembered."""

    async def scenario(rig: ServerRig) -> None:
        rig.let_in()
        for name in ("greenhouse", "greenhouse", "nobody"):
            await refused(rig, name, key=bytes(32))
        (trouble,) = rig.services.notes.of("greenhouse").troubles
        assert (trouble.what, trouble.count) == ("device_not_let_in", 2)
        assert "127.0.0.1" in trouble.detail
        assert set(rig.services.notes.copy()) == {"greenhouse"}

    play(scenario)
