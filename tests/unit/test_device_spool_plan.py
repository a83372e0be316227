"""device.spool.plan: what each policy comes to."""

import pytest

from device.spool.plan import Plan


@pytest.mark.parametrize(
    ("policy", "is_durable", "moves"),
    [("frugal", False, True), ("strict", True, False), ("memory", False, False)],
)
def test_policies(policy: str, is_durable: bool, moves: bool) -> None:
    """Only strict reads onto the card, only frugal moves there."""
    plan = Plan(policy, 10.0, 2**20)
    assert (plan.is_durable, plan.moves) == (is_durable, moves)
