"""device.recovery: when what fails is tried again, on a clock that is an argument."""

from device.recovery import LONGEST_WAIT_S, PAUSES_S, REOPEN_AFTER, Recovery, pauses_s


def test_new_sensor_is_tried_at_once() -> None:
    """Nothing has failed yet."""
    assert Recovery().wait_s(0.0) == 0


def test_open_that_fails_is_waited_for_longer_and_longer() -> None:
    """Doubling, up to a minute."""
    recovery, waits = Recovery(), []
    for _ in range(9):
        recovery.open_failed(100.0)
        waits.append(recovery.wait_s(100.0))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, LONGEST_WAIT_S]
    assert recovery.wait_s(130.0) == 30
    assert recovery.wait_s(160.0) == 0


def test_reads_that_fail_in_a_row_close_the_sensor() -> None:
    """One or two in passing do not."""
    recovery = Recovery()
    assert [recovery.read_failed(0.0) for _ in range(REOPEN_AFTER)] == [False, False, True]
    assert recovery.wait_s(0.0) == 1


def test_good_read_forgets_everything() -> None:
    """The next failure begins anew."""
    recovery = Recovery()
    for _ in range(4):
        recovery.open_failed(0.0)
    recovery.succeeded()
    assert recovery.wait_s(0.0) == 0
    assert [recovery.read_failed(0.0) for _ in range(REOPEN_AFTER)] == [False, False, True]
    assert recovery.wait_s(0.0) == 1


def test_who_asks_by_hand_does_not_wait() -> None:
    """For one try; where it fails too the wait goes on growing."""
    recovery = Recovery()
    recovery.open_failed(0.0)
    recovery.hurry()
    assert recovery.wait_s(0.0) == 0
    recovery.open_failed(0.0)
    assert recovery.wait_s(0.0) == 2


def test_tries_of_one_turn_fit_its_timeout() -> None:
    """With a short timeout there is one try, or two."""
    assert list(pauses_s(0.0, 2.0)) == list(PAUSES_S)
    assert list(pauses_s(0.0, 0.05)) == [PAUSES_S[0]]
    assert list(pauses_s(0.0, 0.01)) == []
