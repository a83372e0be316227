"""The device's end of a join: says JOIN, proves that it has the token, and gets its name and key.

device    JOIN             AUTH          BYE
collector       CHALLENGE        JOINED
"""

from wire import frames
from wire.conversation import Conversation, Event
from wire.errors import PeerError
from wire.frames import Body, FrameType
from wire.greetings import Auth, Challenge, Join, Joined
from wire.proofs import Exchange, join_proof, verifier_of
from wire.readings import is_device_name
from wire.tokens import Token


class Joiner(Conversation):
    """Events it gives: `Joined`, once, and `Closed`. To be used behind the certificate of the token."""

    def __init__(self, token: Token, nonce: bytes, agent: str, now_s: float) -> None:
        super().__init__(now_s)
        self._token = token
        self._nonce = nonce
        self._has_proven = self._has_joined = False
        invitation = verifier_of(token.secret).invitation
        self._send(Join(invitation, nonce, frames.VERSION, frames.VERSION, agent))

    def _take(self, kind: FrameType, body: Body) -> Event | None:
        match body:
            case Challenge() if not self._has_proven:
                self._has_proven = True
                exchange = Exchange(self._nonce, body.nonce, self._token.fingerprint)
                self._send(Auth(join_proof(self._token.secret, exchange)))
                return None
            case Joined() if self._has_proven:
                return self._take_joined(body)
        raise PeerError(f"{kind.name} at this point")

    def _take_joined(self, joined: Joined) -> Event:
        if self._has_joined or not is_device_name(joined.device):
            raise PeerError("JOINED that names no device, or comes twice")
        self._has_joined = True
        return joined
