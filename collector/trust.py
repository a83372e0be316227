"""Trust: who may come in, and what proves it.

All members are kept in memory, so that a proof is checked at once and an unknown name costs the same
as a wrong key. Changes go to the file first, and may be made from any thread.
"""

import secrets
import sqlite3
import threading
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from msgspec.structs import replace

from collector.errors import TrustError
from collector.trust_file import Member, TrustFile, put_member
from wire.greetings import Join, Joined
from wire.proofs import (
    KEY_BYTES,
    TOKEN_SECRET_BYTES,
    Exchange,
    Verifier,
    is_auth_proof,
    verifier_of,
)

# What an expired invitation was for is told for this long.
_KEPT_NS = 7 * 86400 * 10**9


class Verdict(Enum):
    """What a device's proof is worth. NEWS: it uses a key for the first time."""

    RIGHT = "right"
    NEWS = "news"
    REVOKED = "revoked"
    WRONG = "wrong"


# What a device that was revoked is told, wherever that is noticed.
REVOKED = "this device was revoked; it keeps its readings"
REVOKED_RETRY_S = 3600.0
# Not even the proof was right.
NO_SUCH_INVITATION = "no invitation has this token"


class JoinRefused(Exception):  # noqa: N818 - named for what is the matter
    """A join comes to nothing; the message says why."""


class Trust:
    """Who one collector trusts.

    Raises:
        TrustError: the file cannot be used.
        KeyFileError: others may read it.
    """

    def __init__(self, path: Path) -> None:
        self._file = TrustFile(path)
        self._lock = threading.Lock()
        try:
            self._members = {member.name: member for member in self._file.members()}
        except TrustError:
            self._file.close()
            raise
        # Keys of nobody: what no name has is checked against these.
        self._no_key, self._no_next_key = secrets.token_bytes(32), secrets.token_bytes(32)
        self._no_verifier = Verifier(secrets.token_bytes(32))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    @property
    def fingerprint(self) -> bytes | None:
        """The fingerprint of the certificate that devices know; None: none joined or was invited."""
        with self._lock:
            return self._file.fingerprint()

    def know_by(self, fingerprint: bytes) -> bool:
        """Note by which certificate devices know the collector; say whether they knew it by another."""
        with self._lock:
            former = self._file.fingerprint()
            if former != fingerprint:
                with self._file.change() as database:
                    database.execute("DELETE FROM collector")
                    database.execute("INSERT INTO collector VALUES (?)", (fingerprint,))
        return former not in (None, fingerprint) and any(each.key for each in self.members)

    @property
    def members(self) -> list[Member]:
        """All who were ever invited, by name."""
        return [self._members[name] for name in sorted(self._members)]

    def find(self, device: str) -> Member | None:
        """Return the member of that name; None: it was never invited."""
        return self._members.get(device)

    def may_join(self, now_ns: int) -> set[str]:
        """Return the names that an invitation still has to give."""
        with self._lock, self._file.change() as database:
            rows = database.execute(
                "SELECT name FROM place JOIN invitation ON id = invitation"
                " WHERE NOT is_taken AND expires_ns > ?",
                (now_ns,),
            ).fetchall()
        return {name for (name,) in rows}

    def is_revoked(self, device: str) -> bool:
        """Say whether nothing more of a device may be stored. Any thread may ask."""
        member = self._members.get(device)
        return member is not None and member.revoked_ns is not None

    def check(self, device: str, exchange: Exchange, proof: bytes) -> Verdict:
        """Judge a proof: the same work whether the name is known or not."""
        member = self._members.get(device) or Member(device)
        has_key = is_auth_proof(proof, member.key or self._no_key, exchange, device)
        has_next = is_auth_proof(proof, member.next_key or self._no_next_key, exchange, device)
        if not (has_key or has_next):
            return Verdict.WRONG
        if member.revoked_ns is not None:
            return Verdict.REVOKED
        return Verdict.NEWS if has_next or member.join_nonce else Verdict.RIGHT

    def use_key(self, device: str, exchange: Exchange, proof: bytes) -> bool:
        """Note that a key was used for the first time: the one before it is dead; say if it holds."""
        with self._lock:
            member = self._members.get(device)
            if member is None or member.revoked_ns is not None:
                return False
            if member.next_key and is_auth_proof(proof, member.next_key, exchange, device):
                member = replace(member, key=member.next_key, next_key=None)
            elif not member.key or not is_auth_proof(proof, member.key, exchange, device):
                return False
            self._put(replace(member, join_nonce=None))
            return True

    def invite(self, names: Sequence[str], valid_ns: int, now_ns: int) -> bytes:
        """Invite devices by name, in this order; return the secret of the token, which is not kept.

        What was invited before by one of these names, and has not joined, cannot any more.
        """
        secret = secrets.token_bytes(TOKEN_SECRET_BYTES)
        verifier = verifier_of(secret)
        with self._lock:
            members = [
                replace(self._members.get(name) or Member(name), invited_ns=now_ns)
                for name in names
            ]
            with self._file.change() as database:
                _forget_expired(database, now_ns)
                for member in members:
                    put_member(database, member)
                    _withdraw(database, member.name)
                database.execute(
                    "INSERT INTO invitation VALUES (?, ?, ?)",
                    (verifier.invitation, verifier.stored_key, now_ns + valid_ns),
                )
                database.executemany(
                    "INSERT INTO place (invitation, position, name) VALUES (?, ?, ?)",
                    [(verifier.invitation, *entry) for entry in enumerate(names)],
                )
            self._members |= {member.name: member for member in members}
        return secret

    def join(self, join: Join, exchange: Exchange, proof: bytes, now_ns: int) -> Joined:
        """Give a name and a key to whoever proves to have a token; the same nonce gets the same again.

        Raises:
            JoinRefused: nobody joins by this.
            TrustError: the file cannot be written.
        """
        with self._lock:
            with self._file.change() as database:
                row = database.execute(
                    "SELECT stored_key, expires_ns FROM invitation WHERE id = ?", (join.invitation,)
                ).fetchone()
                stored_key, expires_ns = row or (self._no_verifier.stored_key, 0)
                if not Verifier(stored_key).accepts(proof, exchange):
                    raise JoinRefused(NO_SUCH_INVITATION)
                again = self._joined_with(database, join)
                if again is not None:
                    return again
                if now_ns >= expires_ns:
                    raise JoinRefused("the invitation has expired")
                member = self._take_place(database, join, now_ns)
                put_member(database, member)
            assert member.key is not None
            self._members[member.name] = member
            return Joined(member.name, member.key)

    def revoke(self, device: str, now_ns: int) -> None:
        """Let a device in no more, and nobody by the token that it has: it may have kept that."""
        with self._lock:
            member = self._members.get(device) or Member(device)
            if member.revoked_ns is None:
                member = replace(member, revoked_ns=now_ns)
            member = replace(member, next_key=None, join_nonce=None)
            with self._file.change() as database:
                put_member(database, member)
                database.execute(
                    "UPDATE place SET is_taken = 1 WHERE invitation IN"
                    " (SELECT invitation FROM place WHERE name = ?)",
                    (device,),
                )
            self._members[device] = member

    def rotate(self, device: str) -> bytes:
        """Return another key for a device; the one it has holds until this one is used.

        Asked again meanwhile it is the same again: the device may come with the first it was sent.

        Raises:
            TrustError: it has no key that could be replaced.
        """
        with self._lock:
            member = self._members.get(device)
            if member is None or member.key is None or member.revoked_ns is not None:
                raise TrustError(f"{device} has no key that could be replaced: invite it")
            key = member.next_key or secrets.token_bytes(KEY_BYTES)
            self._put(replace(member, next_key=key))
            return key

    def _put(self, member: Member) -> None:
        with self._file.change() as database:
            put_member(database, member)
        self._members[member.name] = member

    def _joined_with(self, database: sqlite3.Connection, join: Join) -> Joined | None:
        rows = database.execute(
            "SELECT name FROM place WHERE invitation = ? AND is_taken", (join.invitation,)
        )
        for (name,) in rows:
            member = self._members[name]
            if member.join_nonce == join.nonce and member.key and member.revoked_ns is None:
                return Joined(name, member.key)
        return None

    def _take_place(self, database: sqlite3.Connection, join: Join, now_ns: int) -> Member:
        row = database.execute(
            "SELECT position, name FROM place WHERE invitation = ? AND NOT is_taken"
            " ORDER BY position LIMIT 1",
            (join.invitation,),
        ).fetchone()
        if row is None:
            raise JoinRefused("the token was used already, or withdrawn")
        position, name = row
        database.execute(
            "UPDATE place SET is_taken = 1 WHERE invitation = ? AND position = ?",
            (join.invitation, position),
        )
        return Member(
            name,
            key=secrets.token_bytes(KEY_BYTES),
            join_nonce=join.nonce,
            invited_ns=self._members[name].invited_ns,
            joined_ns=now_ns,
        )


def _withdraw(database: sqlite3.Connection, name: str) -> None:
    database.execute("UPDATE place SET is_taken = 1 WHERE name = ?", (name,))


def _forget_expired(database: sqlite3.Connection, now_ns: int) -> None:
    database.execute("DELETE FROM invitation WHERE expires_ns < ?", (now_ns - _KEPT_NS,))
