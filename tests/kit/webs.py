"""An HTTP door in a thread of its own, over a real store, and clients on real sockets."""

import asyncio
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from collector.alerts.report import Report
from collector.following import Following
from collector.offline import do_offline
from collector.remote import command
from collector.report import Status, stored_status
from collector.sessions import Sessions
from collector.settings import CollectorSettings, WebSettings
from collector.store import Reader, open_for_writing
from collector.web.access import Access
from collector.web.changes import Handler
from collector.web.granting import Granting
from collector.web.web import Web
from kit.programs import free_port
from kit.stores import commit
from kit.waiting import WITHIN_S
from wire.receiver import Arrived

_T = TypeVar("_T")


class Reply(NamedTuple):
    """What was answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Client:
    """Asks one HTTP door; a connection a question. `tls` is what it connects with, None: plain."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.port = port
        self.host = host
        self.tls = tls

    def connect(self) -> socket.socket:
        """A connection that nothing was said on."""
        connection = socket.create_connection((self.host, self.port), WITHIN_S)
        return self.tls.wrap_socket(connection) if self.tls else connection

    def get(self, path: str, **headers: str) -> Reply:
        """Ask with GET; `Last_Event_ID="1"` is the header Last-Event-ID."""
        return self.ask("GET", path, headers)

    def post(self, path: str, body: str = "", **headers: str) -> Reply:
        """Send a form, as a page of the door itself would."""
        scheme = "https" if self.tls else "http"
        given = {"Origin": f"{scheme}://{self.host}:{self.port}"} | headers
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, kind | given, body)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> Reply:
        """Ask, and take the whole answer."""
        connection = self.send(method, path, headers, body)
        try:
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> http.client.HTTPConnection:
        """Ask; the answer is still to be taken."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=WITHIN_S)
        connection.sock = self.connect()
        given = {name.replace("_", "-"): value for name, value in headers.items() if value}
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(None if body is None else body.encode())
        return connection


def trusting() -> ssl.SSLContext:
    """What a browser connects with whose user has accepted the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class WebRig:
    """A door that serves; `client` asks it in plain, `secure` over TLS. No device is connected.

    `trouble`: why its collector is not well.
    """

    def __init__(self, folder: Path, settings: CollectorSettings) -> None:
        self.folder = folder
        self.file = folder / "telegauge.db"
        self.settings = settings
        self.port = int(settings.web.listen.rpartition(":")[2])
        self.client = Client(self.port)
        self.secure = Client(self.port, tls=trusting())
        self.trouble = ""
        self.web: Web
        self.access: Access
        self.following: Following
        self.granting: Granting
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def commit(self, device: str, *batches: Arrived) -> None:
        """Store what came of a device, and tell the door."""
        commit(self.file, device, *batches)
        self._loop.call_soon_threadsafe(self.following.committed)

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something in the door's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN_S)

    def call(self, act: Callable[[], _T]) -> _T:
        """Call something in the door's loop."""

        async def work() -> _T:
            return act()

        return self.do(work())

    def start(self) -> None:
        """Serve."""
        self._thread.start()
        self.do(self._start())

    def stop(self) -> None:
        """End it."""
        self.do(self.web.close())
        self.do(self.following.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN_S)
        self._loop.close()

    async def _start(self) -> None:
        self.access = Access(self.folder)
        self.following = Following(self.file)
        self.web = Web(
            self.settings, self.following, self.folder, self.access, self._status,
            lambda: self.trouble, self._handlers(),
        )  # fmt: skip
        self.granting = Granting(self.access, self.web.reached, self.web.end_strangers)
        await self.web.start()

    async def _status(self) -> Status:
        return await asyncio.to_thread(self._stored)

    def _handlers(self) -> dict[str, Handler]:
        """What the commands of these names do where no collector runs."""

        def offline(name: str) -> Handler:
            async def handle(arguments: Mapping[str, Any]) -> Any:
                where = (self.settings, self.file, self.folder)
                return await asyncio.to_thread(do_offline, *where, name, arguments)

            return handle

        async def send(arguments: Mapping[str, Any]) -> Any:
            return await command(Sessions(), self.file, arguments)

        async def alerts(_arguments: Mapping[str, Any]) -> Any:
            return Report([], [])

        handlers = {name: offline(name) for name in ("invite", "devices", "revoke")}
        return handlers | {"command": send, "alerts": alerts}

    def _stored(self) -> Status:
        reader = Reader(self.file)
        try:
            return stored_status(reader, 1)
        finally:
            reader.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())


@contextmanager
def web_rig(folder: Path, **web: Any) -> Iterator[WebRig]:
    """A door over a store that is there, ended afterwards; `web` is of WebSettings."""
    file = folder / "telegauge.db"
    if not file.exists():
        open_for_writing(file).close()
    settings = WebSettings(**({"listen": f"127.0.0.1:{free_port()}"} | web))
    rig = WebRig(folder, CollectorSettings(web=settings, time_zone="Asia/Seoul"))
    rig.start()
    try:
        yield rig
    finally:
        rig.stop()


class Events:
    """What comes of /api/v1/live; `read` gives the next event as a mapping of its fields."""

    def __init__(self, client: Client, query: str = "", **headers: str) -> None:
        self._connection = client.send("GET", f"/api/v1/live{query}", headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        assert self._response.readline().startswith(b"retry:"), self._response.read()
        self._response.readline()

    def read(self) -> dict[str, Any]:
        """Return the next event; `data` is decoded."""
        fields: dict[str, Any] = {}
        while line := self._response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = json.loads(value) if name == "data" else value
        return fields

    def close(self) -> None:
        """Go away."""
        self._response.close()
        self._connection.close()


@contextmanager
def listening(client: Client, query: str = "", **headers: str) -> Iterator[Events]:
    """Listen to what comes."""
    events = Events(client, query, **headers)
    try:
        yield events
    finally:
        events.close()


def is_closed_by_peer(connection: socket.socket) -> bool:
    """Whether the door ends a connection within a while, whatever it says before."""
    connection.settimeout(WITHIN_S)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def unpacked(body: bytes) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Take format=columns apart, as its description says: the head of each block, and its columns."""
    assert body[:8] == b"TGCOLS1\n"
    at, blocks = 8, []
    while True:
        length = int.from_bytes(body[at : at + 4], "little")
        head = json.loads(body[at + 4 : at + 4 + length])
        at += 4 + length
        assert at % 8 == 0
        if head.get("end"):
            assert at == len(body)
            return [*blocks, (head, [])]
        count = head["count"]
        widths = [8, 8, 1] if "columns" not in head else [8] * (1 + len(head["columns"]))
        columns = []
        for width in widths:
            columns.append(body[at : at + width * count])
            at += width * count
        at += -at % 8
        blocks.append((head, columns))
