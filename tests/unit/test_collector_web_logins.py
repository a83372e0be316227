"""collector.web.logins: cookies that hold for a while."""

from collector.web.logins import MAX_LOGINS, VALID_S, Logins


def test_login_holds_until_its_end() -> None:
    """Seven days; what nobody gave never holds."""
    logins = Logins()
    cookie = logins.begin(0.0)
    assert logins.holds(cookie, VALID_S - 1)
    assert not logins.holds(cookie + "x", 1)
    assert not logins.holds("", 1)
    assert not logins.holds(cookie, VALID_S)
    assert len(logins) == 0


def test_logins_end() -> None:
    """One, and all."""
    logins = Logins()
    one, other, third = (logins.begin(0.0) for _ in range(3))
    logins.end(one)
    assert not logins.holds(one, 1)
    assert logins.holds(other, 1)
    logins.end_all()
    assert not logins.holds(third, 1)


def test_logins_are_bounded() -> None:
    """The oldest goes."""
    logins = Logins()
    cookies = [logins.begin(0.0) for _ in range(MAX_LOGINS + 1)]
    assert len(logins) == MAX_LOGINS
    assert not logins.holds(cookies[0], 1)
    assert logins.holds(cookies[1], 1)
