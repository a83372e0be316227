"""Every document for users: what it tells people to type, to look for and to follow is there.

docs/install.md, operations.md and troubleshooting.md beyond that: paths, units, messages, the Containerfile.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from collector import certificate, trust_file
from collector.settings import CollectorSettings
from collector.store import database
from config import load
from device import credentials
from device.commands.join import BOOT_FILES
from device.settings import DeviceSettings, problems
from kit import documents
from kit.documents import COMMANDS, DOCUMENTS, ROOT, each_of

INSTALL, OPERATIONS, TROUBLES = (
    (ROOT / "docs" / f"{name}.md").read_text()
    for name in ("install", "operations", "troubleshooting")
)
MANUAL = (INSTALL, OPERATIONS, TROUBLES)
UNITS = [path.read_text() for path in sorted((ROOT / "systemd").glob("*.service"))]
# What says nothing of how a unit behaves.
_SELF_EVIDENT = {"Description", "ExecStart", "WantedBy"}
# Words of apt, pip, lgpio and the kernel; and qualities, which the README explains.
_OF_OTHERS = re.compile(
    r"^bad |error: ext|E: |Depends: |GPIO busy|can not open|No module named|Permission denied"
    r"|Connection refused|No route|Temporary failure|name resolution|wrong version number"
)
# How many letters of a text, of two words at least, tell it from others.
_KNOWN_BY = 10
_PLACES = re.compile(r"(?:/etc|/opt|/usr/bin|/var/lib|/run)/[\w./-]*[\w]")


@each_of(DOCUMENTS)
def test_commands_that_are_named_exist(document: Path) -> None:
    """Every verb that is named is one that the program has."""
    for program, verb in documents.verbs(document.read_text()):
        assert verb in COMMANDS[program], f"{program} {verb}"


@each_of(DOCUMENTS)
def test_commands_can_be_typed(document: Path) -> None:
    """Every command line is one that the program takes, with its options."""
    for command in documents.commands(document.read_text()):
        assert documents.parser_of(command).parse_args(command.arguments)


def test_something_is_typed() -> None:
    """The tests above have found what they look for."""
    texts = [(ROOT / "README.md").read_text(), *MANUAL[:2]]
    assert all(len(list(documents.commands(text))) > 3 for text in texts)
    assert all(len(documents.verbs(text)) > 5 for text in (*texts, TROUBLES))


@each_of(DOCUMENTS)
def test_scripts_that_are_named_exist(document: Path) -> None:
    """Every `scripts/NAME` and `./NAME.sh` in a line to type is in the repository."""
    for line in documents.lines_to_type(document.read_text()):
        for script in re.findall(r"(?:^|\s)(?:\./)?(scripts/\w+|\w+\.sh)\b", line):
            assert (ROOT / script).is_file(), script


@each_of(DOCUMENTS)
def test_links_lead_somewhere(document: Path) -> None:
    """The file is there, and so is the heading in it."""
    for link in documents.links(document.read_text()):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in documents.anchors(target.read_text()), link


def test_yaml_of_the_manual_is_good(tmp_path: Path) -> None:
    """Each example loads as it stands, as the file that it is of."""
    found = [each for text in MANUAL for each in documents.examples(text, "yaml")]
    assert found
    for text in found:
        file = tmp_path / "example.yaml"
        file.write_text(text)
        if "sensors:" in text:
            assert load(file, DeviceSettings, problems)
        else:
            assert load(file, CollectorSettings)


def test_paths_that_are_named_are_made() -> None:
    """Each path of ours is one that a package, a unit or a program makes."""
    known = set(paths())
    for text in MANUAL:
        for path in _PLACES.findall(text):
            if "telegauge" in path and not path.startswith("/etc/systemd/system"):
                assert re.sub(r"\.(newer|version-\d+)$", "", path) in known, path


def paths() -> Iterator[str]:
    """Give every path that an installation has, as the declarations and the programs say it."""
    for part in ("device", "collector"):
        name = f"telegauge-{part}"
        for line in (ROOT / "debian" / f"{name}.install").read_text().splitlines():
            source, folder = line.split()
            yield f"/{folder}/{Path(source).name}"
        target, link = (ROOT / "debian" / f"{name}.links").read_text().split()
        yield from (f"/{target}", f"/{link}", f"/opt/telegauge/{part}")
        yield from (f"/var/lib/{name}", f"/run/{name}", f"/run/{name}/control")
    yield from ("/etc/telegauge", "/opt/telegauge")
    for file in (database.FILE_NAME, trust_file.FILE_NAME, certificate.FILE_NAME):
        yield f"/var/lib/telegauge-collector/{file}"
    for unit in UNITS:
        for handed_over in re.findall(r"^LoadCredential=\S+:(\S+)$", unit, re.M):
            yield f"/etc/credstore/{handed_over}"


def test_files_that_are_listed_are_the_programs() -> None:
    """What lies in the state folders has the names that the programs give it."""
    (listed,) = (row for row in documents.rows(INSTALL) if row[0] == "`/var/lib/telegauge-device`")
    assert f"`{credentials.FILE_NAME}`" in listed[1]
    (listed,) = (
        row for row in documents.rows(INSTALL) if row[0] == "`/var/lib/telegauge-collector`"
    )
    for file in (database.FILE_NAME, trust_file.FILE_NAME, certificate.FILE_NAME):
        assert f"`{file}`" in listed[1]
    assert f"`{BOOT_FILES[0].name}`" in documents.section(INSTALL, "A Pi without a screen")


def test_every_line_of_the_units_is_explained() -> None:
    """The table names each kind of line that a unit has, and no line that none has."""
    lines = {line for unit in UNITS for line in unit.splitlines() if re.match(r"[A-Z]\w+=", line)}
    table = documents.rows(documents.section(OPERATIONS, "What each line of the units buys"))
    named = {span for row in table for span in re.findall(r"`([A-Za-z_]+=[^`]*)`", row[0])}
    for span in named:
        line = f"Environment={span}" if re.match(r"[A-Z_]+=", span) else span
        assert any(each == line or each.startswith(line) for each in lines), span
    explained = {span.partition("=")[0] for span in named}
    assert {line.partition("=")[0] for line in lines} - _SELF_EVIDENT <= explained
    for variable in re.findall(r"^Environment=(\w+)=", "\n".join(UNITS), re.M):
        assert variable in explained | {"STATE_DIRECTORY", "RUNTIME_DIRECTORY"}


def test_messages_that_are_quoted_are_ours() -> None:
    """What a person may look for in the tables of troubles is what a program says."""
    quoted = [
        span
        for row in documents.rows(TROUBLES)
        for _, span in re.findall(r"(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", row[0])
        if not _OF_OTHERS.search(span)
    ]
    parts = [part for span in quoted for part in re.split(r"\.\.\.|: ", span)]
    messages = [part.strip() for part in parts if " " in part.strip()]
    assert len(messages) > 30
    for message in messages:
        assert is_said(message), message


def is_said(message: str) -> bool:
    """Say whether a message is a text of the code, or has one in it, between what is put in."""
    return any(message in text or text in message for text in texts())


@cache
def texts() -> list[str]:
    """Return what the programs and install.sh may say: texts that are long enough to be known by."""
    files = (
        file
        for name in ("device", "collector", "service", "config", "wire")
        for file in (ROOT / name).rglob("*.py")
    )
    sources = [file.read_text() for file in files]
    sources.append((ROOT / "debian" / "launcher.in").read_text().replace("@PART@", "device"))
    found = [text.strip() for source in sources for text in literals(ast.parse(source))]
    known = [text for text in found if len(text) >= _KNOWN_BY and " " in text]
    return [*known, (ROOT / "install.sh").read_text()]


def literals(code: ast.AST) -> Iterator[str]:
    """Give each text in the code that is no docstring; of one with gaps what stands between them."""
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield from literals(node)


def test_the_containerfile_closes_loopback(tmp_path: Path) -> None:
    """What it replaces is in the YAML as shipped, and what comes of it wants keys from everybody."""
    text = documents.section(INSTALL, "A container for the collector")
    ((old, new),) = re.findall(r"sed -i 's/(.*?)/(.*?)/'", text)
    shipped = (ROOT / "config" / "collector.yaml").read_text()
    assert old in shipped
    file = tmp_path / "collector.yaml"
    file.write_text(shipped.replace(old, new))
    assert not load(file, CollectorSettings).devices.plain_on_loopback
    assert "USER telegauge-collector" in text
    assert "EXPOSE 8888/tcp 8888/udp" in text
