"""A program of its own that sends one message through Apprise, and ends: python -m collector.alerts.sending

    its input    {"address": "mailto://...", "title": "...", "body": "..."}
    its output   {"error": ""}, or why it was not sent

So Apprise costs nothing while nothing is sent, and a server that hangs costs this program alone. The
address holds a password: neither it nor any part of it is ever in the output.
"""

import json
import logging
import re
import sys

MISSING = "Apprise is missing: pip install 'telegauge[notify]', or apt install apprise"
_MAX_BYTES = 1024 * 1024


def send(address: str, title: str, body: str) -> str:
    """Send a message; return why it was not sent, or ""."""
    try:
        import apprise
    except ImportError:
        return MISSING
    heard = _Heard()
    logging.getLogger("apprise").addHandler(heard)
    # Since 1.9 it can keep things on disk, which nobody wants here.
    mode = getattr(apprise, "PersistentStoreMode", None)
    asset = apprise.AppriseAsset(**({"storage_mode": mode.MEMORY} if mode else {}))
    teller = apprise.Apprise(asset=asset)
    if not teller.add(address):
        why = without(address, "; ".join(heard.lines))
        return f"Apprise does not know what this address means. {why}".rstrip()
    try:
        if teller.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
            return ""
    except Exception as error:  # noqa: BLE001 - whatever a library does, it was not sent
        heard.lines.append(f"{type(error).__name__}: {error}")
    return without(
        address, "; ".join(heard.lines) or "it was not sent, and Apprise does not say why"
    )


def without(address: str, text: str) -> str:
    """Return a text in which nothing of an address is left that could be a secret."""
    scheme, _, rest = address.partition("://")
    parts = {rest, *re.split(r"[:/@?&=#,;]+", rest)}
    parts |= {_unquoted(part) for part in parts}
    for part in sorted(parts - {"", scheme}, key=len, reverse=True):
        if len(part) > 2:
            text = re.sub(re.escape(part), "***", text, flags=re.IGNORECASE)
    return " ".join(text.split())


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


class _Heard(logging.Handler):
    """What Apprise says went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        if len(self.lines) < 4:
            self.lines.append(record.getMessage())


def main() -> None:
    """Read what to send, send it, say what came of it."""
    output, sys.stdout = sys.stdout, sys.stderr  # nothing else may be said there
    wanted = json.loads(sys.stdin.buffer.read(_MAX_BYTES))
    error = send(wanted["address"], wanted["title"], wanted["body"])
    json.dump({"error": error}, output)


if __name__ == "__main__":
    main()
