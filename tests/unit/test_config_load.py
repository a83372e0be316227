"""Loading a file: whatever it holds, settings or one ConfigError."""

import os
import subprocess
import sys
import time
from typing import Annotated

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import ConfigError, load, parser, shipped
from config.load import MAX_FILE_BYTES
from device.settings import DeviceSettings, problems

GOOD = "sensors:\n  host:\n    driver: host\n"


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Write a file in a folder of its own and load it; returns settings or the report."""
    monkeypatch.chdir(tmp_path)

    def load_text(content, check=problems):
        file = tmp_path / "device.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        try:
            return load(file.relative_to(tmp_path), DeviceSettings, check)
        except ConfigError as error:
            return str(error)

    return load_text


def test_a_good_file_gives_settings(attempt):
    """A file with nothing but sensors is complete."""
    loaded = attempt(GOOD)
    assert loaded.sensors["host"].driver == "host"
    assert loaded.collector.address is None


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + GOOD).encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip().encode(),
        ("---\n" + GOOD + "...\n").encode(),
    ],
)
def test_how_an_editor_saves_does_not_matter(attempt, content):
    """Byte order mark, line ends, no last line end, document marks."""
    assert attempt(content) == attempt(GOOD)


def test_places_are_right_with_a_mark_and_windows_line_ends(attempt):
    """The byte order mark is no character of the first line."""
    assert attempt("\ufeffunit: x\r\n" + GOOD).startswith("device.yaml:1:1: unit: no such key")
    assert "device.yaml:4:1: unit: " in attempt(GOOD.replace("\n", "\r\n") + "unit: x")


def test_the_report_is_for_people(attempt):
    """The whole of it, as it is printed."""
    report = attempt(
        "sensors:\n  air:\n    driver: synthetic:sine\n    intervall: 30s\n    timeout: 5\n"
    )
    assert report == (
        "device.yaml:4:5: sensors.air.intervall: no such key. Did you mean `interval`? "
        "Accepted here: driver, options, interval, timeout, label, channels\n"
        "      intervall: 30s\n"
        "      ^\n"
        "device.yaml:5:14: sensors.air.timeout: 5 of what? "
        "Write the unit too, for example 5s\n"
        "      timeout: 5\n"
        "               ^\n"
        "2 problems in device.yaml"
    )


def test_a_missing_file_says_so(tmp_path):
    """And what to do."""
    with pytest.raises(
        ConfigError, match=r"no\.yaml: no such file\. Name another one with -c FILE"
    ):
        load(tmp_path / "no.yaml", DeviceSettings, problems)


def test_a_folder_is_no_file(tmp_path):
    """The usual slip after -c."""
    with pytest.raises(ConfigError, match="this is a folder"):
        load(tmp_path, DeviceSettings, problems)


@pytest.fixture
def _is_nobody():
    """Give up root's right to read everything, for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_of_somebody_else_names_sudo(tmp_path, request):
    """The way out, in the message."""
    file = tmp_path / "device.yaml"
    file.write_text(GOOD)
    file.chmod(0)
    request.getfixturevalue("_is_nobody")
    with pytest.raises(ConfigError, match=r"you may not read it .*sudo"):
        load(file, DeviceSettings, problems)


def test_any_other_trouble_with_the_file_is_told(tmp_path):
    """A loop of links is neither missing nor forbidden."""
    file = tmp_path / "device.yaml"
    file.symlink_to(file)
    with pytest.raises(ConfigError, match="cannot be read: Too many levels of symbolic links"):
        load(file, DeviceSettings, problems)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "device.yaml: the file is empty"),
        (b"# nothing\n", "device.yaml: the file is empty"),
        (b"label: \xe4\n", "device.yaml:1:8: not UTF-8 (byte 0xe4)"),
        (b"a: 1\r\n\xff", "device.yaml:2:1: not UTF-8"),
        (b"a: \x07", "device.yaml:1:4: an invisible character stands here (U+0007)"),
        ("a: 1\u2028b".encode(), "device.yaml:1:5: an invisible character stands here (U+2028)"),
        ("a: x\ufeff".encode(), "device.yaml:1:5: an invisible character stands here (U+FEFF)"),
        (b"\x00", "U+0000"),
        (b"#" * (MAX_FILE_BYTES + 1), "device.yaml: larger than 1 MiB"),
        (b"- a\n", "device.yaml:1:1: a section is wanted here (lines of `key: value`), not a list"),
        (b"hello", "device.yaml:1:1: a section is wanted here"),
    ],
)
def test_what_is_no_configuration_file_is_told_at_once(attempt, content, part):
    """One problem, and no traceback."""
    report = attempt(content)
    assert report.startswith(part) or part in report
    assert report.endswith("1 problem in device.yaml")


def test_the_check_runs_on_what_is_sound(attempt):
    """What is wrong elsewhere does not hide a wrong option."""
    report = attempt("label: 5\n" + GOOD + "  door: {interval: 5, driver: 'gpiozero:Button'}\n")
    assert "device.yaml:1:8: label: " in report
    assert "device.yaml:5:20: sensors.door.interval: " in report
    assert "device.yaml:5:23: sensors.door.driver: " in report


def test_the_check_says_nothing_of_what_is_broken_anyway(attempt):
    """A pin that could not be read is not missing as well."""
    report = attempt("sensors:\n  door: {driver: 'gpiozero:Button', options: {pin: 010}}\n")
    assert report.endswith("1 problem in device.yaml")
    assert "the number 8" in report


def test_a_problem_of_the_check_stands_at_its_key_or_the_nearest_section(attempt):
    """A check may name a key that is not there."""
    report = attempt(
        GOOD, lambda _: [(("sensors", "host", "x"), "one"), (("sensors",), "two"), ((), "three")]
    )
    heads = [line for line in report.split("\n") if line.startswith("device.yaml:")]
    assert heads == [
        "device.yaml:1:1: sensors: two",
        "device.yaml:1:1: three",
        "device.yaml:2:3: sensors.host.x: one",
    ]


def test_a_problem_of_the_check_stands_at_its_item_of_a_list(attempt):
    """Also where the key is not there, or no number; one that there is none of is of the list."""
    text = "sensors:\n  door:\n    driver: exec\n    options:\n      them:\n      - {a: 1}\n      - b\n"
    them = ("sensors", "door", "options", "them")
    keys = [(*them, "1", "a"), (*them, "1", "z"), (*them, "2"), (*them, "3"), (*them, "x")]
    report = attempt(text, lambda _: [(key, key[-1]) for key in keys])
    heads = [line for line in report.split("\n") if line.startswith("device.yaml:")]
    assert [head.split(": ")[0].removeprefix("device.yaml:") for head in heads] == [
        "5:7", "5:7", "6:9", "6:10", "7:9",
    ]  # fmt: skip


def test_msgspec_has_the_last_word(tmp_path):
    """A rule of the types that the walker does not know still ends in a report."""

    class Strict(msgspec.Struct):
        name: Annotated[str, msgspec.Meta(max_length=2)]

    file = tmp_path / "x.yaml"
    file.write_text("name: abc\n")
    with pytest.raises(ConfigError, match=r"Expected `str` of length <= 2 - at `\$.name`"):
        load(file, Strict, lambda _: ())


# Pieces that have a meaning in YAML or look as if; what fuzzing puts into a sound file.
PIECES = ["no", "010", "22:30", "2024-01-01", ": ", ":", "\n", "\t", "  ", "- ", "'", '"', "{", "}"]
PIECES += [
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "%",
    "#",
    "|\n",
    "> ",
    "\xa0",
    "\u201c",
    "é",
    "~",
]
PIECES += [
    "---\n",
    "...\n",
    "? ",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "1e3",
    ".inf",
    "0b_",
    ",",
]
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 8),
        st.sampled_from(PIECES) | st.text(max_size=3),
    ),
    min_size=1,
    max_size=4,
)
BASES = [shipped("device.yaml").read_text(encoding="utf-8"), GOOD + "    options: {disk: /}\n"]
quickly = settings(
    deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200
)


def _edited(text, edits):
    for where, removed, piece in edits:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + removed :]
    return text


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _loader(request, monkeypatch):
    if not hasattr(yaml, request.param):
        pytest.skip("this PyYAML is built without libyaml")
    monkeypatch.setattr(parser, "_Loader", getattr(yaml, request.param))


@pytest.mark.usefixtures("_loader")
@quickly
@given(base=st.sampled_from(BASES), edits=EDITS)
def test_a_spoilt_file_gives_settings_or_a_report(attempt, base, edits):
    """Never another exception, and never long."""
    loaded = attempt(_edited(base, edits).encode("utf-8", "surrogatepass"))
    assert isinstance(loaded, DeviceSettings) or loaded.endswith("in device.yaml")


@pytest.mark.usefixtures("_loader")
@quickly
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_give_a_report(attempt, content):
    """No byte string is a complete configuration by chance."""
    assert attempt(content).endswith("in device.yaml")


def test_a_hostile_file_takes_no_time(attempt):
    """Deep, long, wide: bounded by size and nesting, not by luck."""
    for content in (
        "[" * 100_000,
        "a: " + "x" * 10**6,
        "a: {" + "b: 1, " * 10_000,
        "- " * 9999,
        "? " * 9999,
        "{" * 9999,
    ):
        began = time.monotonic()
        assert "in device.yaml" in attempt(content)
        assert time.monotonic() - began < 2


def test_loading_drags_nothing_heavy_in():
    """The agent's start on a Pi Zero pays for every import."""
    code = "import config, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert not {"asyncio", "structlog", "gpiozero", "numpy", "rich"} & set(result.stdout.split())
