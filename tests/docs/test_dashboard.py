"""docs/dashboard.md: its words are those of the page, and its pictures those that the script takes."""

import re
import runpy
from pathlib import Path

import pytest

from collector.device_states import STATES
from kit.documents import DOCUMENTS, ROOT, each_of, rows, section

PAGE = (ROOT / "docs" / "dashboard.md").read_text()
STATIC = ROOT / "collector" / "web" / "static"
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 160_000


def test_states_are_those_there_are() -> None:
    """In their order, and under the words of the page."""
    listed = [row[0] for row in rows(section(PAGE, "Overview"))]
    assert listed == [state.replace("_", " ") for state in STATES]
    words = re.findall(r'^  (\w+): \["([a-z ]+)", "', (STATIC / "words.js").read_text(), re.M)
    assert [word for _, word in words] == [*listed, "revoked"]
    assert [state for state, _ in words] == [*STATES, "revoked"]


def test_marks_and_keys_are_those_of_the_chart() -> None:
    """The help of the chart names the same, in its words."""
    help_of_chart = (STATIC / "charttools.js").read_text()
    marks = dict(re.findall(r'mark\("(\w+)", "([^:"]+): ', help_of_chart))
    told = section(PAGE, "Chart")
    for kind, look in marks.items():
        assert look.split()[0] in told, kind
    keys = " ".join(re.findall(r'\["([^"]+)", "', help_of_chart))
    for key in re.findall(r"`([^`]+)`", " ".join(row[-1] for row in rows(told) if len(row) == 4)):
        assert all(part in keys for part in key.split()), key


def test_words_of_troubles_are_the_pages() -> None:
    """What somebody would look for stands in the page as it stands here."""
    page = " ".join(path.read_text() for path in STATIC.glob("*.js"))
    for row in rows(section(PAGE, "When something is wrong")):
        assert row[0].split(" …")[0] in page, row[0]


@each_of(DOCUMENTS)
def test_pictures_have_words(document: Path) -> None:
    """For those who do not see them."""
    assert not re.findall(r"!\[\]\(", document.read_text())


def test_pictures_are_those_that_the_script_takes() -> None:
    """None is left over, none is missing, and none is large."""
    pytest.importorskip("playwright", reason="Playwright is not installed (pip install .[test])")
    pictures = runpy.run_path(str(ROOT / "scripts" / "screenshots.py"))["PICTURES"]
    names = {f"{name}{form}.png" for name, (_, _, forms) in pictures.items() for form in forms}
    assert {path.name for path in IMAGES.iterdir()} == names
    assert max(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES
