"""How a session of the link ends, or never begins, in the link's own words beside ByeReason's."""

from wire.bodies import ByeReason
from wire.conversation import Closed

NO_CONNECTION = "no_connection"
# Why a session never began: who answers is not who should.
WRONG_COLLECTOR = "wrong_collector"
# Why there is no session, until a person joins this device (again).
NOT_JOINED = "not_joined"
# Where a device is not let in, trying again at once is of no use.
UNWELCOME = (NOT_JOINED, WRONG_COLLECTOR, ByeReason.NOT_ACCEPTED, ByeReason.REVOKED)
CHANGED = "this device has another name, key or collector now"


def not_joined(host: str) -> Closed:
    """Return the end of what is not even tried: plain readings never leave this machine."""
    return Closed(
        NOT_JOINED,
        f"{host} is another machine, and this device has not joined: run telegauge-collector invite "
        "NAME there, and paste the line that it prints here",
    )
