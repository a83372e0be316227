"""Credentials: what a join gave this device, in a key file that is its own, or handed over by systemd."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from config.addresses import parse_address
from device.errors import JoinError
from service import keyfile
from wire.readings import is_device_name

FILE_NAME = "credentials"
HANDED_OVER = "systemd hands over this device's credentials: change them there"


# As wire.fields.Secret, which `check` need not load.
_Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Credentials(msgspec.Struct, frozen=True):
    """This device's name and key, and the collector that knows them.

    `fingerprint` is the SHA-256 of the collector's certificate, `addresses` (host:port) where it
    was found, and where else it may be. `invitation` is whose token it joined by.
    """

    device: str
    key: _Bytes32
    fingerprint: _Bytes32
    addresses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    invitation: bytes | None = None


def is_handed_over(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether systemd hands the credentials over, so that no others can be kept."""
    return keyfile.handed_over(FILE_NAME, environ) is not None


def load(folder: Path, environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """Return the credentials of this device; None where it never joined.

    Raises:
        JoinError: the file is not what a join wrote.
        KeyFileError: others may read it, or it cannot be read.
    """
    file = keyfile.handed_over(FILE_NAME, environ) or folder / FILE_NAME
    data = keyfile.read(file, environ)
    if data is None:
        return None
    try:
        return checked(msgspec.json.decode(data, type=Credentials))
    except (msgspec.MsgspecError, ValueError) as error:
        raise JoinError(
            f"{file} is not what a join wrote: {error}. Join again, with a new token of "
            "telegauge-collector invite"
        ) from None


def checked(credentials: Credentials) -> Credentials:
    """Return credentials whose names are ones.

    Raises:
        ValueError: they are not.
    """
    if not is_device_name(credentials.device):
        raise ValueError(f"`{credentials.device[:80]}` cannot name a device")
    for address in credentials.addresses:
        parse_address(address)
    return credentials


def store(folder: Path, credentials: Credentials) -> None:
    """Keep credentials in place of others.

    Raises:
        KeyFileError: they cannot be written; the former ones are still there.
    """
    keyfile.write(folder / FILE_NAME, msgspec.json.encode(credentials) + b"\n")


def replace(folder: Path, credentials: Credentials, former: Credentials) -> None:
    """Keep credentials in place of `former`, if those are what is kept.

    Raises:
        JoinError, KeyFileError: they are not any more, or cannot be read or written.
    """
    if load(folder, {}) != former:
        raise JoinError("other credentials are kept by now: this device has joined again")
    store(folder, credentials)
