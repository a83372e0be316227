"""Python files that drivers name: where they are found, who may write them, what they define."""

import os
import subprocess
import sys
import textwrap

import pytest

from device.sensors.source import (
    Keywords,
    SourceError,
    check_writers,
    defined,
    found,
    keywords,
    lacks_method,
)
from kit.programs import ROOT


@pytest.fixture
def folder(tmp_path):
    """A folder that only this user may write, with `tank.py` in it."""
    folder = tmp_path / "sensors.d"
    folder.mkdir(mode=0o755)
    (folder / "tank.py").write_text("level = 1\n")
    return folder


def definition(tmp_path, text, name="tank"):
    """How a text defines a name."""
    file = tmp_path / "file.py"
    file.write_text(textwrap.dedent(text))
    return defined(file, name)


def test_a_file_in_the_folder_comes_first(folder):
    """Before an installed module of its name, which it is not mixed up with."""
    (folder / "random.py").touch()
    assert found("tank", folder) == ("tank", folder / "tank.py", False)
    assert found("random", folder) == ("random", folder / "random.py", False)


def test_an_installed_module_is_found_and_not_imported(folder, tmp_path):
    """Nor are the packages that it lies in."""
    package = tmp_path / "lib" / "outer" / "inner"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.write_text("raise RuntimeError('imported')\n")
    (package / "level.py").touch()
    code = (
        "from pathlib import Path\n"
        "from device.sensors.source import found\n"
        "print(found('outer.inner.level', Path('/none')).file)\n"
        "print(found('outer.inner', Path('/none')).file)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{ROOT}:{tmp_path / 'lib'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [str(package / "level.py"), str(package / "__init__.py")]


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("tonk", "there is no {folder}/tonk.py, and no module `tonk` is installed"),
        ("tonk.level", "no module `tonk.level` is installed"),
        ("json.tonk", "no module `json.tonk` is installed"),
        ("random.tonk", "no module `random.tonk` is installed"),
        ("sys", "`sys` is no Python source: write a file in {folder} that calls it"),
    ],
)
def test_what_is_not_there_says_where_it_was_looked_for(folder, module, told):
    """A file in the folder, or an installed module with its source."""
    with pytest.raises(SourceError) as error:
        found(module, folder)
    assert str(error.value) == told.format(folder=folder)


def test_a_name_that_no_file_can_have_is_no_crash(folder):
    """Whatever stands in the YAML."""
    with pytest.raises(SourceError, match=r"cannot look at .*: File name too long"):
        found("x" * 300, folder)


def test_what_only_its_user_may_write_is_trusted(folder):
    """Though everyone may make files in /tmp, above it."""
    check_writers(folder / "tank.py")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("which", ["file", "folder", "above"])
def test_what_others_may_write_is_refused(folder, which, mode):
    """The file, or any folder above it: they could put another in its place."""
    file = folder / "tank.py"
    path = {"file": file, "folder": folder, "above": folder.parent}[which]
    path.chmod(mode)
    with pytest.raises(SourceError) as error:
        check_writers(file)
    path.chmod(0o755)
    assert str(error.value).startswith(f"others may write {path} (mode 0{mode:o})")
    assert str(error.value).endswith(f"`sudo chmod go-w {path}`")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_belongs_to_others_is_refused(folder, which):
    """They may write it whatever its mode says."""
    path = folder / "tank.py" if which == "file" else folder
    os.chown(path, 12345, 0)
    with pytest.raises(SourceError, match=r"belongs to another user \(12345\).*sudo chown root"):
        check_writers(folder / "tank.py")


def test_a_link_is_as_safe_as_the_way_it_leads(folder, tmp_path):
    """Each folder on it counts, also one between two links."""
    exposed, safe = tmp_path / "exposed", tmp_path / "safe"
    exposed.mkdir()
    safe.mkdir(mode=0o755)
    exposed.chmod(0o777)
    (exposed / "tank.py").symlink_to(folder / "tank.py")
    (safe / "by_another.py").symlink_to("../exposed/tank.py")
    (safe / "direct.py").symlink_to("../sensors.d/tank.py")
    (safe / "round.py").symlink_to("round.py")
    for link in (exposed / "tank.py", safe / "by_another.py"):
        with pytest.raises(SourceError, match=f"others may write {exposed}"):
            check_writers(link)
    with pytest.raises(SourceError, match="leads to itself"):
        check_writers(safe / "round.py")
    check_writers(safe / "direct.py")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_of_another_user_is_refused(folder):
    """In a folder in which everyone may make files: they could let it lead elsewhere."""
    link = folder.parent / "link.py"
    link.symlink_to(folder / "tank.py")
    os.lchown(link, 12345, 0)
    with pytest.raises(SourceError, match=r"link.py belongs to another user"):
        check_writers(link)


def test_a_file_that_vanishes_is_no_crash(folder):
    """It says which."""
    with pytest.raises(SourceError, match=r"cannot look at .*none.py: No such file"):
        check_writers(folder / "none.py")


@pytest.mark.parametrize(
    "text",
    [
        "def tank(): pass",
        "class tank: pass",
        "async def tank(): pass",
        "tank = 1",
        "tank: int = 1",
        "a, (tank, *b) = range(9)",
        "import tank",
        "import tank.level",
        "from x import tank",
        "from x import y as tank",
        "from x import *",
        "def __getattr__(name): pass",
        "try:\n    import x\nexcept ImportError:\n    tank = None",
        "if True:\n    pass\nelse:\n    def tank(): pass",
        "with x() as y:\n    tank = 1",
        "match x:\n    case 1:\n        tank = 1",
    ],
)
def test_a_name_may_be_bound_in_many_ways(tmp_path, text):
    """All that a file does at its top level."""
    definition(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def tonk(): pass", "file.py defines no `tank`. Did you mean `tonk`?"),
        ("def f():\n    tank = 1", "file.py defines no `tank`"),
        ("class A:\n    tank = 1", "file.py defines no `tank`"),
        ("tank: int", "file.py defines no `tank`"),
        ("print(tank)", "file.py defines no `tank`"),
        ("a = 1\ndef tank(:", "file.py:2: invalid syntax"),
        ("tank = '\0'", "file.py is no Python: source code string cannot contain null bytes"),
        ("#" * 1_100_000, "file.py has more than 1048576 bytes"),
    ],
)
def test_what_a_file_does_not_define_is_found(tmp_path, text, told):
    """With the line where it is no Python."""
    with pytest.raises(SourceError) as error:
        definition(tmp_path, text)
    assert str(error.value).rpartition("/")[2] == told


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    """A folder, here."""
    with pytest.raises(SourceError, match=r"cannot read .*: Is a directory"):
        defined(tmp_path, "tank")


def test_the_last_definition_counts(tmp_path):
    """As when it runs."""
    assert definition(tmp_path, "def tank(a): pass\ndef tank(b): pass\n").lineno == 2
    assert definition(tmp_path, "def tank(a): pass\ntank = wrapped(tank)\n") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def tank(): pass", Keywords([], [], is_open=False)),
        (
            "def tank(a, b=1, *, c, d=2): pass",
            Keywords(["a", "b", "c", "d"], ["a", "c"], is_open=False),
        ),
        ("def tank(a, /, b, *args, **more): pass", Keywords(["b"], ["a", "b"], is_open=True)),
        (
            "class tank:\n    def __init__(self, a, b=1): pass",
            Keywords(["a", "b"], ["a"], is_open=False),
        ),
        ("class tank:\n    def __init__(self, /, a): pass", Keywords(["a"], ["a"], is_open=False)),
        (
            "class tank(Base):\n    def __init__(self, a): pass",
            Keywords(["a"], ["a"], is_open=False),
        ),
        ("class tank: pass", Keywords((), (), is_open=False)),
        ("class tank(Base): pass", None),
        ("class tank(metaclass=Meta): pass", None),
        ("@dataclass\nclass tank:\n    a: int", None),
        ("@wrapped\ndef tank(a): pass", None),
    ],
)
def test_arguments_are_read_where_the_source_tells_them(tmp_path, text, expected):
    """Not where a base, a metaclass or a decorator has a say."""
    found = keywords(definition(tmp_path, text))
    assert found == expected


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("class tank: pass", True),
        ("class tank:\n    def read(self): pass", False),
        ("class tank:\n    read = other", False),
        ("class tank:\n    def __getattr__(self, name): pass", False),
        ("class tank(Base): pass", False),
        ("def tank(): pass", False),
    ],
)
def test_a_class_without_a_method_is_known_for_sure(tmp_path, text, lacks):
    """Only where nothing else could give it."""
    assert lacks_method(definition(tmp_path, text), "read") is lacks
