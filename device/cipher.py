"""The cipher of datagrams: the library is imported only where readings travel over UDP."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wire.datagrams import Cipher


def cipher_problem() -> str | None:
    """Say what is missing for `transport: udp`; None where nothing is."""
    try:
        cipher(bytes(32))
    except ImportError as error:
        return (
            f"transport udp encrypts with the library cryptography, which cannot be used here "
            f"({error}). Install it with: pip install 'telegauge[udp]', or set transport to tcp"
        )
    return None


def cipher(key: bytes) -> "Cipher":
    """Return the cipher of a key; ImportError where the library is missing."""
    # Imported when datagrams are used: it costs 7 MB, and only they need it.
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)
