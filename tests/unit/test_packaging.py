"""What is installed is what lies in the package folders, and nothing else."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("device", "wire", "collector", "config", "service")
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy (setuptools writes into the tree), without any download."""
    copy = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    (copy / "tests").mkdir()
    (copy / "tests" / "test_x.py").touch()
    build = "import setuptools.build_meta as backend; backend.build_wheel('..')"
    ran = subprocess.run(
        [sys.executable, "-c", build],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (built,) = copy.parent.glob("*.whl")
    return zipfile.ZipFile(built)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    """Return one file of the wheel's dist-info."""
    (path,) = (each for each in wheel.namelist() if each.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_the_wheel_holds_the_packages(wheel: zipfile.ZipFile) -> None:
    """Every file of the five folders, whatever its kind; no tests, no units, no scripts."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*"))
    lying = {
        str(file.relative_to(ROOT))
        for file in files
        if file.is_file() and "__pycache__" not in file.parts and file.name[0] != "."
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == lying


@pytest.mark.parametrize(
    "name",
    ["config/device.yaml", "config/collector.yaml", "config/device.schema.json",
     "config/collector.schema.json", "wire/PROTOCOL.md"],
)  # fmt: skip
def test_what_is_not_python_is_there(wheel: zipfile.ZipFile, name: str) -> None:
    """The files that users and the programs look for."""
    assert wheel.read(name) == (ROOT / name).read_bytes()


def test_the_programs_are_installed(wheel: zipfile.ZipFile) -> None:
    """Two console scripts, whose functions exist."""
    points = configparser.ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {
        "telegauge-device": "device.__main__:main",
        "telegauge-collector": "collector.__main__:main",
    }


def test_only_our_names_are_taken(wheel: zipfile.ZipFile) -> None:
    """Top-level names are few and known, as they are plain words."""
    assert sorted(metadata(wheel, "top_level.txt").split()) == sorted(PACKAGES)


@pytest.mark.parametrize("program", ["device", "collector"])
def test_a_program_starts_from_anywhere(program: str, tmp_path: Path) -> None:
    """A folder `config` where a user happens to stand does not hide ours."""
    script = Path(sys.executable).with_name(f"telegauge-{program}")
    if not script.exists():
        pytest.skip("the project is not installed in this environment")
    (tmp_path / "config").mkdir()
    ran = subprocess.run(
        [script, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"usage: telegauge-{program}")
