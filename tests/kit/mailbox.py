"""Who is told of alerts: a mail server and a webhook on loopback, which keep what they get.

Both may be told to hang, or to refuse, as servers do.
"""

import email
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook(ThreadingHTTPServer):
    """Takes JSON; `got` is what came. `status`: what it answers with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.got: list[Any] = []
        self.status = 200
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def address(self) -> str:
        """How Apprise reaches it; what stands behind the port is a secret."""
        return f"json://127.0.0.1:{self.server_port}/S3CRET-of-the-hook"

    def hang(self) -> None:
        """Answer nobody, until `go_on` is set."""
        self.go_on.clear()


class _Posted(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.go_on.wait(60)
        if self.server.status == 200:
            self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP as a mail needs; `mails` is what came."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails: list[Message] = []

    @property
    def address(self) -> str:
        """How Apprise reaches it."""
        port = self.server_address[1]
        return (
            f"mailto://keeper:S3CRET-word@example.org:{port}"
            "?smtp=127.0.0.1&mode=insecure&from=pi@example.org&to=keeper@example.org"
        )


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            match line.split()[0].upper():
                case "EHLO":
                    self.say("250-here", "250 AUTH PLAIN LOGIN")
                case "AUTH":
                    self.say("235 fine")
                case "DATA":
                    self.say("354 go on")
                    self.take()
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 fine")

    def take(self) -> None:
        """Take a mail, up to the dot."""
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.mails.append(email.message_from_bytes(b"".join(lines)))
        self.say("250 taken")

    def say(self, *lines: str) -> None:
        """Answer."""
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def text_of(mail: Message) -> str:
    """The words of a mail."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    return b"".join(part.get_payload(decode=True) for part in parts).decode()  # type: ignore[misc]


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Let a server serve on a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if hasattr(server, "go_on"):
            server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
