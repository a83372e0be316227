"""telegauge-device join: let this device in at a collector, with the token that it made."""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from device import PROGRAM
from device.commands import runtime_folder, yaml_of
from service import control, folders
from service.cli import UsageError

if TYPE_CHECKING:
    from device.credentials import Credentials
    from device.token_file import TokenFile
    from wire.tokens import Token

HELP = "join a collector, with the token that telegauge-collector invite printed"
# The boot partition of an SD card, which any computer can write (bookworm and later, and before).
BOOT_FILES = (Path("/boot/firmware/telegauge-join"), Path("/boot/telegauge-join"))
_ASK_S = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the token is."""
    parser.add_argument(
        "token",
        nargs="?",
        metavar="TOKEN",
        help="the token, or - to read it from standard input; left out: the file "
        f"{BOOT_FILES[0].name} on the boot partition",
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="read it from this file, which is erased after use",
    )


def run(options: argparse.Namespace) -> int:
    """Join, keep what the collector gives, and let a running agent use it."""
    from device import credentials, joining
    from service.keyfile import KeyFileError

    with ExitStack() as stack:
        file = _file(options, stack)
        token = _token(_given(options) if file is None else file.read())
        if credentials.is_handed_over():
            raise KeyFileError(credentials.HANDED_OVER)
        folder = folders.prepared(folders.state_folder(PROGRAM))
        name, hint = _name(options)
        found = _joined(token, folder)
        if name not in ("", found.device):
            raise UsageError(
                f"this token is for `{found.device}`, but device.yaml says `name: {name}`: change it "
                f"there,{hint} then paste the same line again (the join can be repeated until its key "
                "is used)"
            )
        credentials.store(folder, found)
        if file is not None:
            _erase(file)
    joining.joined(folder)
    return _hand_over(found)


def _file(options: argparse.Namespace, stack: ExitStack) -> "TokenFile | None":
    from device.token_file import TokenFile

    if options.file is not None and options.token is not None:
        raise UsageError("either TOKEN or --file, not both")
    path = options.file
    if path is None and options.token is None:
        path = next(filter(os.path.lexists, BOOT_FILES), None)
    if path is None:
        return None
    try:
        return stack.enter_context(TokenFile(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _given(options: argparse.Namespace) -> bytes:
    from device.token_file import MAX_BYTES

    given = options.token
    if given == "-":
        return sys.stdin.buffer.read(MAX_BYTES)
    if given is None:
        raise UsageError(
            "no token. Run `telegauge-collector invite NAME` where the collector is, and paste the "
            "line that it prints; or put that line into the file telegauge-join on the boot partition"
        )
    return os.fsencode(given)


def _token(data: bytes) -> "Token":
    from wire.tokens import TokenError, decode_token, find_token

    try:
        return decode_token(find_token(data.decode(errors="replace")))
    except TokenError as error:
        raise UsageError(str(error)) from None


def _name(options: argparse.Namespace) -> tuple[str, str]:
    """Return the `name:` in force, if there is one, and what a change of it needs."""
    try:
        name = control.ask_for(str, runtime_folder() / "control", "joining", _ASK_S)
    except control.NotRunning:
        return yaml_of(options).name or "", ""
    return name, " restart the agent,"


def _joined(token: "Token", folder: Path) -> "Credentials":
    """Return what the token gives this device, or gave it before."""
    from device import joining
    from wire import __version__

    found = joining.joined_already(token, folder)
    if found is not None:
        print(f"joined by this line already, as {found.device}")
        return found
    found = joining.join(token, folder, f"{PROGRAM} {__version__}")
    print(f"joined as {found.device}, the collector is {found.addresses[0]}")
    return found


def _erase(file: "TokenFile") -> None:
    """Overwrite the token and remove its file: it is of no more use, and nobody's business."""
    try:
        file.erase()
    except OSError as error:
        print(f"cannot erase {file.path}: {error.strerror}; please remove it", file=sys.stderr)


def _hand_over(found: "Credentials") -> int:
    """Let the running agent connect with it; where none runs, say what is next."""
    import msgspec

    socket = runtime_folder() / "control"
    try:
        fields = msgspec.to_builtins(found)
        control.ask_for(type(None), socket, "joined", _ASK_S, credentials=fields)
    except control.NotRunning:
        installed = Path("/etc/systemd/system", f"{PROGRAM}.service")
        units = (installed, Path("/usr/lib/systemd/system") / installed.name)
        start = (
            f"sudo systemctl start {PROGRAM}" if any(map(Path.exists, units)) else f"{PROGRAM} run"
        )
        print(f"the agent is not running. Next: {start}")
        return 0
    print("the running agent connects with it now")
    return 0
