"""collector.web.access: passwords and tokens, and the file that knows neither."""

from pathlib import Path

import pytest

from collector.errors import WebError
from collector.web import access
from collector.web.access import Access, digest_of, is_right, new_password, new_token
from service.keyfile import KeyFileError


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little."""
    monkeypatch.setattr(access, "_COST", 2)


def test_only_the_password_is_right() -> None:
    """What is kept does not hold it, and differs each time."""
    one, other = new_password("correct horse"), new_password("correct horse")
    assert is_right("correct horse", one)
    assert not is_right("correct horsf", one)
    assert one.key != other.key
    assert b"horse" not in one.key + one.salt


@pytest.mark.parametrize(
    ("text", "part"), [("", "10 are the least"), ("ninechars", "9 characters"), ("x" * 513, "512")]
)
def test_bad_passwords_are_refused(text: str, part: str) -> None:
    """Too short, and too long to be typed."""
    with pytest.raises(WebError, match=part):
        new_password(text)


def test_what_is_granted_is_kept(tmp_path: Path) -> None:
    """For the collector alone, and for its next start; of the token only what checks it."""
    kept, token = Access(tmp_path), new_token()
    assert kept.is_closed
    kept.set_password(new_password("correct horse"))
    kept.add_token("grafana", digest_of(token), 5)
    file = tmp_path / access.FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    assert token.encode() not in file.read_bytes()
    again = Access(tmp_path)
    assert not again.is_closed
    assert again.password == kept.password
    assert [(each.name, each.made_ns) for each in again.tokens] == [("grafana", 5)]
    assert again.holds(token)
    assert not again.holds(token + "x")


def test_what_is_taken_away_holds_no_more(tmp_path: Path) -> None:
    """A token and the password; then all is closed again."""
    kept, token = Access(tmp_path), new_token()
    kept.set_password(new_password("correct horse"))
    kept.add_token("grafana", digest_of(token), 5)
    kept.remove_token("grafana")
    kept.set_password(None)
    assert not kept.holds(token)
    assert kept.is_closed
    assert Access(tmp_path).is_closed


def test_names_of_tokens_are_checked(tmp_path: Path) -> None:
    """One of a name, so many in all, and no name that is none."""
    kept = Access(tmp_path)
    kept.add_token("grafana", b"1", 1)
    with pytest.raises(WebError, match=r"there is a token `grafana`\. Take it away first"):
        kept.add_token("grafana", b"2", 2)
    with pytest.raises(WebError, match="is not accepted as a name"):
        kept.add_token("a b", b"2", 2)
    with pytest.raises(WebError, match="Did you mean `grafana`"):
        kept.remove_token("grafanna")
    for number in range(access.MAX_TOKENS - 1):
        kept.add_token(f"t{number}", b"2", 2)
    with pytest.raises(WebError, match="100 tokens are accepted"):
        kept.add_token("more", b"3", 3)


def test_files_that_cannot_be_trusted(tmp_path: Path) -> None:
    """One that is none says what to do; one that others may read is refused."""
    file = tmp_path / access.FILE_NAME
    file.touch(0o600)
    file.write_text("{")
    with pytest.raises(WebError, match="Remove it"):
        Access(tmp_path)
    file.chmod(0o644)
    with pytest.raises(KeyFileError):
        Access(tmp_path)
