"""device.commands.join: the one line that a person pastes, from wherever it comes, and what is next."""

import asyncio
import io
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from device import credentials
from device.__main__ import main
from device.commands import join
from device.credentials import FILE_NAME, Credentials
from device.joining import PENDING_NAME
from device.token_file import TokenFile
from kit import programs
from kit.links import play
from kit.programs import Program, free_port
from kit.servers import ServerRig, server_rig
from kit.users import not_root, open_folder
from kit.waiting import until
from wire.tokens import encode_token

VALID_NS = 900 * 10**9
COUNTER = "  count:\n    driver: synthetic:counter\n    interval: 100ms\n"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, of a device where nothing runs and nothing lies on the boot partition."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(join, "BOOT_FILES", (tmp_path / "boot", tmp_path / "old-boot"))
    return tmp_path / "state"


Scenario = Callable[[ServerRig], Awaitable[None]]


def with_collector(folder: Path, scenario: Scenario) -> None:
    """Play a scenario with a collector's network side."""

    async def whole() -> None:
        (folder / "collector").mkdir()
        async with server_rig(folder / "collector" / "telegauge.db") as server:
            await scenario(server)

    play(whole())


def token_of(server: ServerRig, *names: str) -> str:
    """The token of an invitation to a collector."""
    secret = server.trust.invite(names or ["greenhouse"], VALID_NS, time.time_ns())
    return encode_token(server.certificate.fingerprint, secret, [("127.0.0.1", server.server.port)])


async def run(*arguments: str) -> int:
    """Run the command, while the collector goes on."""
    return await asyncio.to_thread(main, ["join", *arguments])


def stored(state: Path) -> Credentials:
    """What the state folder holds; no nonce may be left beside it."""
    found = credentials.load(state, {})
    assert found is not None
    assert not (state / PENDING_NAME).exists()
    return found


# --- where the token comes from


def line_of(token: str) -> str:
    """What telegauge-collector invite prints to be pasted."""
    return f"sudo telegauge-device join {token}\n"


def test_argument(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The device has a name and a key then; without an agent the next command is named."""

    async def scenario(server: ServerRig) -> None:
        assert await run(token_of(server)) == 0
        member = server.trust.find("greenhouse")
        assert member is not None
        found = stored(state)
        assert (found.device, found.key) == ("greenhouse", member.key)
        out, err = capsys.readouterr()
        joined, then = out.splitlines()
        assert joined == f"joined as greenhouse, the collector is 127.0.0.1:{server.server.port}"
        assert then.startswith("the agent is not running. Next: ")
        assert then.endswith(("telegauge-device run", "sudo systemctl start telegauge-device"))
        assert err == ""

    with_collector(tmp_path, scenario)


def stdin(data: bytes) -> io.TextIOWrapper:
    """A standard input that gives these bytes."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")


@pytest.mark.parametrize("how", [str, line_of, " \n{}\r\n".format])
def test_standard_input(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[str], str]
) -> None:
    """Where it is in no list of processes; the whole line is as good, also from another system."""

    async def scenario(server: ServerRig) -> None:
        monkeypatch.setattr(sys, "stdin", stdin(how(token_of(server)).encode()))
        assert await run("-") == 0
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


def test_standard_input_that_is_no_text(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is found between bytes of any kind; where there is none, it says so."""

    async def scenario(server: ServerRig) -> None:
        monkeypatch.setattr(sys, "stdin", stdin(b"\xff\xfe\0"))
        assert await run("-") == 2
        monkeypatch.setattr(sys, "stdin", stdin(b"\xff\xe9 " + token_of(server).encode() + b"\xa0"))
        assert await run("-") == 0
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


def test_whole_line_as_an_argument(tmp_path: Path, state: Path) -> None:
    """Pasted behind the command once more."""

    async def scenario(server: ServerRig) -> None:
        assert await run(line_of(token_of(server)).strip()) == 0
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


def test_file_is_erased(tmp_path: Path, state: Path) -> None:
    """Overwritten before it is removed: whoever still has it open reads nothing of the token."""

    async def scenario(server: ServerRig) -> None:
        file = tmp_path / "token"
        file.write_text(line_of(token_of(server)))
        size = file.stat().st_size
        with file.open("rb") as held:
            assert await run("--file", str(file)) == 0
            assert held.read() == b"\0" * size
        assert not file.exists()
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


@pytest.mark.parametrize("which", ["boot", "old-boot"])
def test_file_on_the_boot_partition(tmp_path: Path, state: Path, which: str) -> None:
    """Found by itself where nothing else is named, wherever the system has that partition."""

    async def scenario(server: ServerRig) -> None:
        (tmp_path / which).write_bytes(b"\xef\xbb\xbf" + line_of(token_of(server)).encode())
        assert await run() == 0
        assert not (tmp_path / which).exists()
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


def test_argument_goes_before_the_boot_partition(tmp_path: Path, state: Path) -> None:
    """What lies there is of another join, and stays."""

    async def scenario(server: ServerRig) -> None:
        (tmp_path / "boot").write_text(token_of(server, "shed"))
        assert await run(token_of(server)) == 0
        assert stored(state).device == "greenhouse"
        assert (tmp_path / "boot").exists()

    with_collector(tmp_path, scenario)


def test_file_of_a_join_that_failed_stays(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is good for the next try: nobody was there. Nothing else is left but the nonce."""
    token = encode_token(bytes(32), bytes(16), [("127.0.0.1", free_port())])
    (tmp_path / "boot").write_text(token)
    assert main(["join"]) == 1
    assert (tmp_path / "boot").read_text() == token
    assert [file.name for file in state.iterdir()] == [PENDING_NAME]
    assert "the collector was not found" in capsys.readouterr().err


def test_file_that_cannot_be_erased_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The join counts all the same."""
    with open_folder() as folder:
        file = folder / "token"
        file.write_text("tg1-AAAA")
        file.chmod(0o444)
        with not_root(), TokenFile(file) as opened:
            join._erase(opened)
        assert file.read_text() == "tg1-AAAA"
    said = f"cannot erase {file}: Permission denied; please remove it\n"
    assert capsys.readouterr().err == said


# --- what is no token


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no token. Run `telegauge-collector invite NAME` where the collector is"),
        ([""], "no tokens in what was given"),
        (["tg1-AAAA"], "not a whole token"),
        (["greenhouse"], "no tokens in what was given; one is expected"),
        (["tg1-AAAA tg1-BBBB"], "2 tokens in what was given"),
        (["--file", "/nonexistent/token"], "cannot read /nonexistent/token: No such file"),
        (["tg1-AAAA", "--file", "token"], "either TOKEN or --file, not both"),
    ],
    ids=["none", "empty", "cut", "word", "two", "no file", "both"],
)
def test_wrong_use_is_two(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """In one line, and nothing was made or asked for."""
    assert main(["join", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"telegauge-device: {said}")
    assert not state.exists()


def test_what_is_no_file_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it is; a pipe that nobody writes to would be waited for."""
    boot, link = tmp_path / "boot", tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    os.mkfifo(boot)
    for arguments, kind in (
        ([], "a pipe"),
        (["--file", str(link)], "a symbolic link"),
        (["--file", str(tmp_path)], "a folder"),
        (["--file", "/dev/null"], "a device"),
    ):
        assert main(["join", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.endswith(f": it is {kind}, and a regular file is expected\n")
    assert boot.exists()


def test_empty_argument_is_not_the_boot_file(tmp_path: Path) -> None:
    """A script whose variable is empty meant another token than the one that lies there."""
    (tmp_path / "boot").write_text(encode_token(bytes(32), bytes(16), [("127.0.0.1", 1)]))
    assert main(["join", ""]) == 2
    assert (tmp_path / "boot").exists()


def test_token_that_is_refused_is_two(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another device: it is of no use to try it again, and nothing is kept."""

    async def scenario(server: ServerRig) -> None:
        token = token_of(server)
        assert await run(token) == 0
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "other"))
        assert await run(token) == 2
        assert credentials.load(tmp_path / "other", {}) is None

    with_collector(tmp_path, scenario)


def test_same_line_twice_is_one_join(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that lets many in gives this device one name; the file on the card is erased again."""

    async def scenario(server: ServerRig) -> None:
        token = token_of(server, "pi-01", "pi-02")
        assert await run(token) == 0
        before = stored(state)
        (tmp_path / "boot").write_text(line_of(token))
        capsys.readouterr()
        assert await run() == 0
        said, then = capsys.readouterr().out.splitlines()
        assert said == "joined by this line already, as pi-01"
        assert then.startswith("the agent is not running. Next: ")
        assert stored(state) == before
        assert not (tmp_path / "boot").exists()
        member = server.trust.find("pi-02")
        assert member is not None
        assert member.key is None

    with_collector(tmp_path, scenario)


def test_file_goes_before_the_nonce(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept, erased, forgotten: a power cut in between leaves what makes the next try the same join."""
    seen: list[tuple[bool, bool]] = []
    erase = join._erase

    def watched(file: TokenFile) -> None:
        seen.append(((state / FILE_NAME).exists(), (state / PENDING_NAME).exists()))
        erase(file)

    monkeypatch.setattr(join, "_erase", watched)

    async def scenario(server: ServerRig) -> None:
        (tmp_path / "boot").write_text(token_of(server))
        assert await run() == 0
        assert seen == [(True, True)]
        assert stored(state).device == "greenhouse"

    with_collector(tmp_path, scenario)


def test_lost_answer_is_asked_for_again(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where what came could not be kept, the same line once more gives the same name and key."""

    async def scenario(server: ServerRig) -> None:
        token = token_of(server, "pi-01", "pi-02")
        (state / FILE_NAME).mkdir(parents=True)
        assert await run(token) == 1
        member = server.trust.find("pi-01")
        assert member is not None
        (state / FILE_NAME).rmdir()
        assert await run(token) == 0
        assert (stored(state).device, stored(state).key) == ("pi-01", member.key)

    with_collector(tmp_path, scenario)


# --- a name that the YAML sets


def yaml(folder: Path, name: str) -> Path:
    """A YAML that sets a name."""
    file = folder / "device.yaml"
    file.write_text(f"name: {name}\nsensors:\n{COUNTER}")
    return file


def test_token_for_another_name(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is kept that the agent could not use; once `name:` is right, the same line gives it."""

    async def scenario(server: ServerRig) -> None:
        token = token_of(server)
        before = Credentials("shed", bytes(32), bytes(32), ("hub:1",))
        credentials.store(state_of(state), before)
        (tmp_path / "boot").write_text(token)
        assert await run("-c", str(yaml(tmp_path, "shed"))) == 2
        assert capsys.readouterr().err == (
            "telegauge-device: this token is for `greenhouse`, but device.yaml says `name: shed`: "
            "change it there, then paste the same line again (the join can be repeated until its key "
            "is used)\n"
        )
        assert credentials.load(state, {}) == before
        assert (state / PENDING_NAME).exists()
        assert (tmp_path / "boot").exists()
        assert await run("-c", str(yaml(tmp_path, "greenhouse"))) == 0
        member = server.trust.find("greenhouse")
        assert member is not None
        assert stored(state).key == member.key

    with_collector(tmp_path, scenario)


def state_of(state: Path) -> Path:
    """The state folder, which is there."""
    state.mkdir(exist_ok=True)
    return state


def test_yaml_that_is_wrong_uses_up_no_token(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The agent could not run with it: that is said before anything is sent."""

    async def scenario(server: ServerRig) -> None:
        assert await run("-c", str(yaml(tmp_path, "Shed!")), token_of(server)) == 2
        assert "device.yaml:1:7: name: " in capsys.readouterr().err
        member = server.trust.find("greenhouse")
        assert member is not None
        assert member.key is None
        assert not list(state.iterdir())

    with_collector(tmp_path, scenario)


# --- where nothing can be kept


def test_state_folder_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked: the token is not used up by a join that could not be kept."""
    token = encode_token(bytes(32), bytes(16), [("127.0.0.1", free_port())])
    assert main(["join", token]) == 1  # and all that is imported is there now
    capsys.readouterr()
    with open_folder() as folder:
        folder.chmod(0o555)
        monkeypatch.setenv("STATE_DIRECTORY", str(folder))
        with not_root():
            assert main(["join", token]) == 1
        assert not list(folder.iterdir())
    assert capsys.readouterr().err.startswith("telegauge-device: cannot write to the folder")


def test_credentials_that_systemd_hands_over(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others could not be used: it says so before it asks for any."""
    handed = tmp_path / "handed"
    handed.mkdir()
    credentials.store(handed, Credentials("pi", bytes(32), bytes(32), ("hub:8888",)))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))

    async def scenario(server: ServerRig) -> None:
        assert await run(token_of(server)) == 1
        member = server.trust.find("greenhouse")
        assert member is not None
        assert member.key is None, "the token is as good as before"

    with_collector(tmp_path, scenario)
    assert "systemd hands over this device's credentials" in capsys.readouterr().err
    assert not state.exists()


# --- an agent that runs


async def started(agent: Program) -> None:
    """Start an agent while the collector goes on."""
    await asyncio.to_thread(agent.start)


def agent_without_a_name(folder: Path, port: int) -> Program:
    """An agent whose YAML fits all Pis of a class."""
    config = f"collector:\n  address: 127.0.0.1:{port}\nsensors:\n{COUNTER}"
    return Program("device", "run", folder, config)


def test_running_agent_connects_with_it(tmp_path: Path) -> None:
    """At once, over TLS and under its new name, and so does the next run."""

    async def scenario(server: ServerRig) -> None:
        agent = agent_without_a_name(tmp_path / "agent", server.server.port)
        try:
            await started(agent)
            await until(lambda: server.sessions.devices)
            done = await asyncio.to_thread(agent.command, "join", token_of(server))
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == "the running agent connects with it now"
            await until(lambda: server.sessions.of("greenhouse"))
            await until(lambda: agent.ask("status")["link"] == "up")
            status = agent.ask("status")
            assert (status["device"], status["is_joined"]) == ("greenhouse", True)
            (read,) = (await asyncio.to_thread(agent.command, "read")).stdout.splitlines()[1:]
            assert read.startswith("greenhouse/count.value")
            shown = (await asyncio.to_thread(agent.command, "status")).stdout.splitlines()
            assert shown[1] == f"link up to 127.0.0.1:{server.server.port} over TLS"
            session = server.sessions.of("greenhouse")
            assert session is not None
            result = await session.command("read_now", [], 10.0)
            assert result is not None
            assert list(result.values) == ["greenhouse/count.value"]
            await asyncio.to_thread(agent.kill)
            await server.all_gone()
            await started(agent)
            await until(lambda: server.sessions.of("greenhouse"))
            assert server.sessions.devices == ["greenhouse"]
        finally:
            agent.end()

    with_collector(tmp_path, scenario)


def test_running_agent_with_another_name_says_so(tmp_path: Path) -> None:
    """It goes on as it was, and so does its key; once it has the name, the same line lets it in."""

    async def scenario(server: ServerRig) -> None:
        agent = programs.device(tmp_path / "agent", server.server.port, COUNTER)
        try:
            await started(agent)
            token = token_of(server)
            done = await asyncio.to_thread(agent.command, "join", token)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            assert (
                "for `greenhouse`, but device.yaml says `name: pi`: change it there, restart the "
                in (done.stderr)
            )
            assert credentials.load(agent.state, {}) is None
            assert agent.ask("status")["device"] == "pi"
            assert not agent.ask("status")["is_joined"]
            yaml = agent.config.read_text()
            agent.config.write_text(yaml.replace("name: pi", "name: greenhouse"))
            await asyncio.to_thread(agent.stop)
            await started(agent)
            done = await asyncio.to_thread(agent.command, "join", token)
            assert (done.returncode, done.stderr) == (0, "")
            await until(lambda: server.sessions.of("greenhouse"))
        finally:
            agent.end()

    with_collector(tmp_path, scenario)


def test_running_agent_that_was_handed_its_credentials(tmp_path: Path) -> None:
    """It could not use others: it says so before the token is used up."""
    handed = tmp_path / "handed"
    handed.mkdir()
    credentials.store(handed, Credentials("pi", bytes(32), bytes(32), ("127.0.0.1:1",)))

    async def scenario(server: ServerRig) -> None:
        agent = agent_without_a_name(tmp_path / "agent", server.server.port)
        environment = dict(agent.environment)
        agent.environment |= {"CREDENTIALS_DIRECTORY": str(handed)}
        try:
            await started(agent)
            agent.environment = environment
            done = await asyncio.to_thread(agent.command, "join", token_of(server))
            assert done.returncode == 1
            assert "systemd hands over this device's credentials" in done.stderr
            member = server.trust.find("greenhouse")
            assert member is not None
            assert member.key is None
        finally:
            agent.end()

    with_collector(tmp_path, scenario)
