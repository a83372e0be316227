"""What a gap means, in words for people; the reasons themselves are the wire's."""

from wire.bodies import GapReason

# Each says what happened, and fits a line.
MEANINGS = {
    GapReason.SPOOL_FULL: "the device's spool was full: it dropped the oldest that waited",
    GapReason.POWER_CUT: "the device lost power before this was on its card",
    GapReason.SPOOL_LOST: "the device's spool is gone, with all that waited in it",
    GapReason.SPOOL_UNREADABLE: "the device could not read this back from its card",
    GapReason.REJECTED: "damaged before it came: the collector could not store it",
    GapReason.UNDECODABLE: "stored, but nothing can be read from it any more",
    GapReason.COLLECTOR_ROLLBACK: "the collector lost it: its store was replaced or restored",
    GapReason.DATAGRAM_LOST: "datagrams that never arrived; each is sent only once",
}
UNKNOWN = "a reason that this version of telegauge-collector does not know"


def meaning(reason: str) -> str:
    """Return what a reason means; a newer agent may have given one that is not known here."""
    return MEANINGS.get(reason, UNKNOWN)
