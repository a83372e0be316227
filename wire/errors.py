"""The error tree of the contract.

    WireError
        LocalProtocolError      we broke the contract: a bug of ours, let it be seen
        PeerError               the peer, or bytes from it, did: log, count, close
            BatchError            a sealed batch that cannot be taken as it is

Bytes from a peer can only ever produce a PeerError, and a conversation turns even that into an
event: nothing a peer sends raises past `receive`.
"""


class WireError(Exception):
    """Base of everything that this package raises on purpose."""


class LocalProtocolError(WireError):
    """Our own end was asked for something the contract does not allow at this point."""


class PeerError(WireError):
    """The peer sent what the contract does not allow; the message names what was seen and limits."""


class BatchError(PeerError):
    """A sealed batch whose size, checksum or content is not as the contract says."""
