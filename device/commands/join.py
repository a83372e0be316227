"""telegauge-device join: let this device in at a collector, with the token that it made."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from device.commands import PROGRAM, runtime_folder
from service import control, folders
from service.cli import UsageError

if TYPE_CHECKING:
    from device.credentials import Credentials

HELP = "join a collector, with the token that telegauge-collector invite printed"
# The boot partition of an SD card, which any computer can write (bookworm and later, and before).
BOOT_FILES = (Path("/boot/firmware/telegauge-join"), Path("/boot/telegauge-join"))
_HAND_OVER_S = 10.0
_MAX_TEXT = 64 * 1024


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
    from wire import __version__
    from wire.tokens import TokenError, decode_token, find_token

    file = _file(options)
    try:
        token = decode_token(find_token(_text(options, file)))
    except TokenError as error:
        raise UsageError(str(error)) from None
    if credentials.is_handed_over():
        raise KeyFileError("systemd hands over this device's credentials: change them there")
    folder = folders.prepared(folders.state_folder(PROGRAM))
    found = joining.join(token, folder, f"{PROGRAM} {__version__}")
    credentials.store(folder, found)
    joining.joined(folder)
    print(f"joined as {found.device}, the collector is {found.addresses[0]}")
    if file is not None:
        _erase(file)
    return _hand_over(found)


def _file(options: argparse.Namespace) -> Path | None:
    if options.file is not None and options.token is not None:
        raise UsageError("either TOKEN or --file, not both")
    if options.file is not None:
        return Path(options.file)
    if options.token is not None:
        return None
    return next((file for file in BOOT_FILES if os.access(file, os.F_OK)), None)


def _text(options: argparse.Namespace, file: Path | None) -> str:
    if file is not None:
        try:
            with file.open(encoding="utf-8", errors="replace") as opened:
                return opened.read(_MAX_TEXT)
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from None
    given = options.token
    if given == "-":
        return sys.stdin.read(_MAX_TEXT)
    if given is None:
        raise UsageError(
            "no token. Run `telegauge-collector invite NAME` where the collector is, and paste the "
            "line that it prints; or put that line into the file telegauge-join on the boot partition"
        )
    return str(given)


def _erase(file: Path) -> None:
    """Overwrite the token and remove its file: it is of no more use, and nobody's business."""
    try:
        with file.open("r+b") as opened:
            opened.write(b"\0" * file.stat().st_size)
            opened.flush()
            os.fsync(opened.fileno())
        file.unlink()
    except OSError as error:
        print(f"cannot erase {file}: {error.strerror}; please remove it", file=sys.stderr)


def _hand_over(found: "Credentials") -> int:
    """Let the running agent connect with it; where none runs, say what is next."""
    import msgspec

    socket = runtime_folder() / "control"
    try:
        fields = msgspec.to_builtins(found)
        control.ask_for(type(None), socket, "joined", _HAND_OVER_S, credentials=fields)
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
