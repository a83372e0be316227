"""service.kernelclock: what the kernel says of its clock."""

import time

import pytest

from service import kernelclock
from service.kernelclock import kernel_synchronised


def test_kernel_is_asked_and_nothing_is_set() -> None:
    """A plain yes or no, on any machine, also without the right to set the clock."""
    before_ns = time.time_ns() - time.monotonic_ns()
    assert kernel_synchronised() in (True, False)
    after_ns = time.time_ns() - time.monotonic_ns()
    assert abs(after_ns - before_ns) < 10**9


@pytest.mark.parametrize(("state", "said"), [(0, True), (4, True), (5, False), (-1, False)])
def test_what_adjtimex_returns(monkeypatch: pytest.MonkeyPatch, state: int, said: bool) -> None:
    """TIME_OK, and leap seconds that are near; TIME_ERROR, and a call that is not permitted."""

    class Libc:
        """The C library, as far as it is asked."""

        def adjtimex(self, _timex: object) -> int:
            """Say what is to be said."""
            return state

    monkeypatch.setattr(kernelclock, "_libc", Libc())
    assert kernel_synchronised() is said
