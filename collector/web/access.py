"""Who may read over HTTP from other machines: the password of the page, and the tokens of programs.

Neither is kept: of the password what scrypt makes of it (RFC 7914), of a token its SHA-256. They
lie in one file for the collector alone.
"""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

import msgspec

from collector.errors import WebError
from config.problems import did_you_mean, shown
from service import keyfile

FILE_NAME = "web-access.json"
MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_BYTES = 512
MAX_TOKENS = 100
# RFC 7914: 16 MiB and about half a second on a Pi 4.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 5
_MEMORY_BYTES = 64 * 2**20
_SALT_BYTES = _KEY_BYTES = 32
# What scanners for secrets in files find it by.
_TOKEN_PREFIX = "telegauge_"  # noqa: S105 - no secret
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Password(msgspec.Struct, frozen=True):
    """What a password is checked against."""

    salt: bytes
    key: bytes
    cost: int


class Token(msgspec.Struct, frozen=True):
    """A token that reads; `made_ns` is UTC."""

    name: str
    digest: bytes
    made_ns: int


class TokenStatus(msgspec.Struct, frozen=True):
    """What is shown of a token."""

    name: str
    made_ns: int


class _Content(msgspec.Struct, frozen=True):
    password: Password | None = None
    tokens: tuple[Token, ...] = ()


class Access:
    """The open file; what it says is kept in memory, and each change is on disk when it returns.

    Raises:
        KeyFileError: others may read it.
        WebError: it is none.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        data = keyfile.read(self._file)
        try:
            self._content = msgspec.json.decode(data, type=_Content) if data else _Content()
        except msgspec.MsgspecError as error:
            raise WebError(
                f"{self._file} cannot be used: {error}. Remove it, and set the password and the "
                "tokens again"
            ) from None

    @property
    def password(self) -> Password | None:
        """What the password is checked against; None: none was set."""
        return self._content.password

    @property
    def is_closed(self) -> bool:
        """Whether nobody of another machine can come in."""
        return self._content == _Content()

    @property
    def tokens(self) -> list[TokenStatus]:
        """The tokens there are, by name."""
        found = [TokenStatus(each.name, each.made_ns) for each in self._content.tokens]
        return sorted(found, key=lambda each: each.name)

    def set_password(self, password: Password | None) -> None:
        """Take another password, or None.

        Raises:
            KeyFileError: it cannot be written; the former one holds.
        """
        self._keep(_Content(password, self._content.tokens))

    def add_token(self, name: str, digest: bytes, made_ns: int) -> None:
        """Let a token read.

        Raises:
            WebError: there is one of that name, or it is no name.
            KeyFileError: it cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise WebError(
                f"`{shown(name)}` is not accepted as a name. Accepted: lower case letters, digits "
                "and -, such as grafana"
            )
        if name in self._names:
            raise WebError(
                f"there is a token `{name}`. Take it away first: telegauge-collector token {name} --remove"
            )
        if len(self._names) >= MAX_TOKENS:
            raise WebError(f"{MAX_TOKENS} tokens are accepted, and there are so many")
        token = Token(name, digest, made_ns)
        self._keep(_Content(self._content.password, (*self._content.tokens, token)))

    def remove_token(self, name: str) -> None:
        """Let a token read no more.

        Raises:
            WebError: there is none of that name.
            KeyFileError: it cannot be written.
        """
        if name not in self._names:
            raise WebError(f"there is no token `{shown(name)}`.{did_you_mean(name, self._names)}")
        left = tuple(each for each in self._content.tokens if each.name != name)
        self._keep(_Content(self._content.password, left))

    def holds(self, token: str) -> bool:
        """Say whether a token is one that reads."""
        digest = digest_of(token)
        found = [hmac.compare_digest(each.digest, digest) for each in self._content.tokens]
        return any(found)

    @property
    def _names(self) -> list[str]:
        return [each.name for each in self._content.tokens]

    def _keep(self, content: _Content) -> None:
        keyfile.write(self._file, msgspec.json.encode(content))
        self._content = content


def new_password(text: str) -> Password:
    """Return what a password will be checked against. Takes a while, on purpose.

    Raises:
        WebError: it is too short, or too long.
    """
    if len(text) < MIN_PASSWORD_CHARACTERS:
        raise WebError(
            f"the password has {len(text)} characters, {MIN_PASSWORD_CHARACTERS} are the least"
        )
    if len(text.encode()) > MAX_PASSWORD_BYTES:
        raise WebError(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
    salt = secrets.token_bytes(_SALT_BYTES)
    return Password(salt, _derived(text, salt, _COST), _COST)


def is_right(text: str, password: Password) -> bool:
    """Say whether a text is the password. Takes a while, on purpose."""
    return hmac.compare_digest(_derived(text, password.salt, password.cost), password.key)


def new_token() -> str:
    """Return a token nobody can guess."""
    return _TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def _derived(text: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(
        text.encode(), salt=salt, n=cost, r=_BLOCK, p=_PARALLEL,
        maxmem=_MEMORY_BYTES, dklen=_KEY_BYTES,
    )  # fmt: skip
