"""Logins: the browsers that gave the password. Pure: the time is an argument, monotonic seconds.

In memory, and of each only the SHA-256 of its cookie: a restart ends them all, and so does another
password.
"""

import hashlib
import secrets

VALID_S = 7 * 86_400
MAX_LOGINS = 256


class Logins:
    """The logins of one collector; the oldest goes where there would be too many."""

    def __init__(self) -> None:
        self._until_s: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._until_s)

    def begin(self, now_s: float) -> str:
        """Begin one; return its cookie."""
        if len(self._until_s) >= MAX_LOGINS:
            del self._until_s[next(iter(self._until_s))]
        cookie = secrets.token_urlsafe(32)
        self._until_s[_digest(cookie)] = now_s + VALID_S
        return cookie

    def holds(self, cookie: str, now_s: float) -> bool:
        """Say whether a cookie is one of these."""
        digest = _digest(cookie)
        until_s = self._until_s.get(digest)
        if until_s is not None and now_s >= until_s:
            del self._until_s[digest]
            return False
        return until_s is not None

    def end(self, cookie: str) -> None:
        """End one."""
        self._until_s.pop(_digest(cookie), None)

    def end_all(self) -> None:
        """End them all."""
        self._until_s.clear()


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
