"""service.tls: 1.3 alone, known by a fingerprint, and small; tried with real handshakes."""

import asyncio
import asyncio.sslproto
import hashlib
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.certificate import own_certificate
from service import tls

ROOT = Path(__file__).parents[2]
Ends = tuple[asyncio.WriteTransport, asyncio.WriteTransport]


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A certificate with its key."""
    return own_certificate(tmp_path, {}).file


class End(asyncio.Protocol):
    """One end of a connection; it keeps what comes."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.WriteTransport] = (
            asyncio.get_running_loop().create_future()
        )
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.came = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.made.set_result(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.came += data

    def connection_lost(self, _error: Exception | None) -> None:
        """Note it."""
        self.lost.set_result(None)


@asynccontextmanager
async def connected(
    serving: ssl.SSLContext, connecting: ssl.SSLContext
) -> AsyncIterator[tuple[End, End]]:
    """The serving and the connecting end of a connection that has agreed on TLS."""
    loop = asyncio.get_running_loop()
    ends: list[End] = []

    def accepted() -> End:
        ends.append(End())
        return ends[-1]

    server = await loop.create_server(accepted, "127.0.0.1", 0, ssl=serving)
    try:
        transport, end = await loop.create_connection(
            End, *server.sockets[0].getsockname(), ssl=connecting, server_hostname=""
        )
        await ends[0].made
        yield ends[0], end
        transport.abort()
        await asyncio.gather(end.lost, ends[0].lost)
    finally:
        server.close()


def play(
    pem: Path,
    scenario: Callable[[End, End], Awaitable[None]] | None = None,
    *,
    serving: ssl.SSLContext | None = None,
    connecting: ssl.SSLContext | None = None,
) -> None:
    """Run a scenario with both ends, or only agree on TLS."""

    async def run() -> None:
        serve, connect = serving or tls.server_context(pem), connecting or tls.client_context()
        async with asyncio.timeout(20), connected(serve, connect) as (here, there):
            if scenario is not None:
                await scenario(here, there)

    asyncio.run(run())


def of_version(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """The context, as of an end that knows one version only."""
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    return context


def test_both_ends_agree_on_1_3(pem: Path) -> None:
    """With a cipher of that version."""

    async def scenario(here: End, there: End) -> None:
        for end in (here, there):
            connection: Any = (await end.made).get_extra_info("ssl_object")
            assert connection.version() == "TLSv1.3"
            assert connection.cipher()[1] == "TLSv1.3"

    play(pem, scenario)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("is_server", [True, False])
def test_an_older_version_is_refused(pem: Path, is_server: bool) -> None:
    """Whichever end offers nothing better; between two old ends the same contexts would do."""
    old_server = of_version(tls.server_context(pem), ssl.TLSVersion.TLSv1_2)
    old_client = of_version(tls.client_context(), ssl.TLSVersion.TLSv1_2)
    play(pem, serving=old_server, connecting=old_client)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        play(
            pem,
            serving=old_server if is_server else None,
            connecting=None if is_server else old_client,
        )


def test_fingerprint_is_the_same_on_both_ends(pem: Path) -> None:
    """What the collector reads in its file is what a device sees, and what openssl says."""
    cryptography = pytest.importorskip("cryptography.x509")
    certificate = cryptography.load_pem_x509_certificate(pem.read_bytes())
    der = certificate.public_bytes(
        pytest.importorskip("cryptography.hazmat.primitives.serialization").Encoding.DER
    )

    async def scenario(here: End, there: End) -> None:
        assert tls.peer_fingerprint(await there.made) == tls.fingerprint_of_pem(pem)
        assert tls.peer_fingerprint(await here.made) is None, "a device has no certificate"

    play(pem, scenario)
    assert tls.fingerprint_of_pem(pem) == hashlib.sha256(der).digest()


def test_fingerprint_of_a_chain_is_that_of_its_first(tmp_path: Path, pem: Path) -> None:
    """Which is the one that is shown."""
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pem.read_bytes() + b"\n" + pem.read_bytes())
    assert tls.fingerprint_of_pem(chain) == tls.fingerprint_of_pem(pem)


def test_connection_without_tls_has_no_fingerprint() -> None:
    """It is not taken for one that has."""

    async def scenario() -> None:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert tls.peer_fingerprint(writer.transport) is None
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_file_that_holds_no_certificate(tmp_path: Path, pem: Path) -> None:
    """Nothing but the documented errors, whatever it holds instead."""
    whole = pem.read_bytes()
    file = tmp_path / "other.pem"
    for content in (b"", b"\xff\xfe", whole[:-200], whole[: whole.index(b"-----END")]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"PEM|ascii|padding"):
            tls.fingerprint_of_pem(file)
        with pytest.raises(ssl.SSLError):
            tls.server_context(file)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        tls.fingerprint_of_pem(file)
    with pytest.raises(FileNotFoundError):
        tls.server_context(file)


def buffer_bytes(end: End) -> int:
    """How much asyncio keeps for a connection to read into: its own buffer, on a real connection."""
    transport: Any = end.made.result()
    return len(transport._ssl_protocol._ssl_buffer)


@pytest.fixture
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has shrunk nothing yet; other tests find asyncio as it was."""
    monkeypatch.setattr(asyncio.sslproto.SSLProtocol, "max_size", 256 * 1024)


@pytest.mark.usefixtures("_large")
def test_idle_connection_keeps_a_small_buffer(pem: Path) -> None:
    """It fails when asyncio no longer reads the size where we set it, or names its buffer otherwise."""

    async def large(here: End, _there: End) -> None:
        assert buffer_bytes(here) == 256 * 1024

    async def small(here: End, there: End) -> None:
        assert buffer_bytes(here) == buffer_bytes(there) == tls.BUFFER_BYTES == 16 * 1024

    play(pem, large)
    assert tls.shrink_buffers()
    play(pem, small)


@pytest.mark.usefixtures("_large")
def test_small_buffer_takes_large_records(pem: Path) -> None:
    """What is much larger comes through it whole, both ways."""
    data = bytes(range(256)) * 4096

    async def scenario(here: End, there: End) -> None:
        for sender, receiver in ((here, there), (there, here)):
            (await sender.made).write(data)
            while len(receiver.came) < len(data):
                await asyncio.sleep(0.001)
            assert bytes(receiver.came) == data

    assert tls.shrink_buffers()
    play(pem, scenario)


@pytest.mark.parametrize("other", [None, "256 KiB"])
def test_asyncio_that_has_no_such_size_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    """It is said, so that the log can tell: nothing fails for it."""
    if other is None:
        monkeypatch.delattr(asyncio.sslproto.SSLProtocol, "max_size")
    else:
        monkeypatch.setattr(asyncio.sslproto.SSLProtocol, "max_size", other)
    assert not tls.shrink_buffers()
    assert getattr(asyncio.sslproto.SSLProtocol, "max_size", None) == other


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads proc(5)")
def test_idle_connections_cost_little_memory(pem: Path) -> None:
    """Both ends of one, measured over 200 in a process of their own: under 48 KiB each end."""
    script = (
        "import asyncio, gc, sys\n"
        "from pathlib import Path\n"
        "from service import tls\n"
        "def resident():\n"
        "    gc.collect()\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        "async def main():\n"
        "    loop, here, there = asyncio.get_running_loop(), [], []\n"
        "    def accept():\n"
        "        here.append(asyncio.Protocol())\n"
        "        return here[-1]\n"
        "    server = await loop.create_server(\n"
        "        accept, '127.0.0.1', 0, ssl=tls.server_context(Path(sys.argv[1]))\n"
        "    )\n"
        "    client = tls.client_context()\n"
        "    async def connect(count):\n"
        "        for _ in range(count):\n"
        "            there.append(await loop.create_connection(\n"
        "                asyncio.Protocol, *server.sockets[0].getsockname(),\n"
        "                ssl=client, server_hostname='',\n"
        "            ))\n"
        "    tls.shrink_buffers()\n"
        "    await connect(50)\n"
        "    before = resident()\n"
        "    await connect(200)\n"
        "    print((resident() - before) // 400)\n"
        "    for transport, _ in there:\n"
        "        transport.abort()\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(pem)],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 48 * 1024
