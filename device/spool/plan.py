"""The plan of a run: what the policy that was chosen comes to."""

from typing import NamedTuple


class Plan(NamedTuple):
    """What the policy comes to.

    `max_bytes`: what may wait in all.
    """

    policy: str
    at_risk_s: float
    max_bytes: int

    @property
    def is_durable(self) -> bool:
        """Whether near is on the card."""
        return self.policy == "strict"

    @property
    def moves(self) -> bool:
        """Whether what waits longer than most of `at_risk_s` goes to the card."""
        return self.policy == "frugal"
