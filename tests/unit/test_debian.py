"""What the packages are made from: pins, launcher, declarations."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "debian"
PARTS = ("device", "collector")


def requirements() -> dict[str, str]:
    """What setup.cfg asks for when the programs run: name -> its versions."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    lines = [
        setup["options"]["install_requires"],
        *(extras[e] for e in ("udp", "collector", "mdns")),
    ]
    found = (
        re.match(r"([A-Za-z0-9-]+)(.*)", line) for line in "\n".join(lines).split("\n") if line
    )
    return {match[1].lower(): match[2] for match in found if match}


def pins() -> dict[str, str]:
    """What the packages carry: name -> version."""
    lines = (DEBIAN / "constraints.txt").read_text().splitlines()
    return {name.lower(): pin for name, pin in (x.split("==") for x in lines if x[:1] not in "#")}


def numbers(version: str) -> list[int]:
    """A version to compare."""
    return [int(each) for each in re.findall(r"\d+", version)]


def test_every_library_is_pinned_as_it_may_be() -> None:
    """A library that setup.cfg names has its version in the packages, and one that setup.cfg accepts."""
    for name, accepted in requirements().items():
        (least,) = re.findall(r">=([\d.]+)", accepted)
        assert numbers(pins()[name]) >= numbers(least), name
        assert pins()[name] not in re.findall(r"!=([\w.]+)", accepted)


def launcher(tmp_path: Path, part: str, pythons: str) -> Path:
    """The launcher as `debian/environment` writes it, for the Python that runs the tests."""
    file = tmp_path / f"telegauge-{part}"
    text = (DEBIAN / "launcher.in").read_text()
    file.write_text(text.replace("@PART@", part).replace("@PYTHONS@", pythons))
    return file


@pytest.mark.parametrize("part", PARTS)
def test_another_python_is_refused_with_a_sentence(part: str, tmp_path: Path) -> None:
    """Never a traceback, and never a restart by systemd: exit code 2, which Pythons it fits, what to do."""
    file = launcher(tmp_path, part, "3.11 3.13")
    ran = subprocess.run(
        [sys.executable, "-sP", file, "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # this environment has an editable installation, not a folder of ours
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert ran.returncode == 2
    assert f"telegauge-{part}: this machine's Python is {here}" in ran.stderr
    assert "3.11 and 3.13 alone" in ran.stderr
    assert "install.sh" in ran.stderr


@pytest.mark.parametrize("part", PARTS)
def test_one_package_fits_both_suites(part: str) -> None:
    """No dependency on one version of Python: apt would remove the package in an upgrade of the system."""
    control = (DEBIAN / "control").read_text()
    (paragraph,) = (
        each for each in control.split("\n\n") if f"Package: telegauge-{part}\n" in each
    )
    assert "python3 (>= 3.11)" in paragraph
    assert "python3 (<<" not in paragraph
    assert "Architecture: amd64 arm64" in paragraph


@pytest.mark.parametrize("part", PARTS)
def test_the_declarations_name_what_is_there(part: str) -> None:
    """Every link and every installed file of debian/ leads to a file of the repository."""
    for link in DEBIAN.glob(f"telegauge-{part}.*"):
        assert link.exists(), link
    for line in (DEBIAN / f"telegauge-{part}.install").read_text().splitlines():
        assert (ROOT / line.split()[0]).is_file()


def test_both_share_their_maintainer_scripts() -> None:
    """What is mended for one is mended for the other."""
    for script in ("postinst", "prerm", "postrm"):
        one, other = (DEBIAN / f"telegauge-{part}.{script}" for part in PARTS)
        assert one.samefile(other)
        assert "#DEBHELPER#" in one.read_text()
