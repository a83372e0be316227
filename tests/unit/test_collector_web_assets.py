"""collector.web.assets: the files of the page, sent once."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.web.application import VIEWS
from collector.web.assets import POLICY, Assets
from kit.webs import Reply, WebRig, web_rig

STATIC = Path(__file__).parents[2] / "collector" / "web" / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
OURS = [path for path in FILES if "vendor" not in path.parts]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebRig]:
    """A door with the page."""
    with web_rig(tmp_path_factory.mktemp("web")) as made:
        yield made


def address(rig: WebRig, name: str) -> str:
    """The address of a file of the page."""
    digest = rig.client.get("/api/v1/about").json["page"]
    return f"/static/{digest}/{name}"


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_the_page(rig: WebRig, view: str) -> None:
    """With its policy; a browser that has it already is told so, whatever the address asks for."""
    reply = rig.client.get(f"{view}?series=a/b.c")
    assert (reply.status, reply.headers["Content-Security-Policy"]) == (200, POLICY)
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    again = rig.client.get(view, If_None_Match=reply.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_what_the_page_names_is_there(rig: WebRig) -> None:
    """Each file that the page or one of its modules names, with its type, to be kept for ever."""
    page = rig.client.get("/").body.decode()
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(names) > 10
    for name in names:
        reply = rig.client.get(name)
        assert reply.status == 200
        assert "immutable" in reply.headers["Cache-Control"]
    for path in OURS:
        for name in re.findall(r'(?:from|import\() ?"(\./[^"]+)"', path.read_text()):
            assert (path.parent / name).is_file(), f"{path.name}: {name}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("shell.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("page.webmanifest", "application/manifest+json"),
        ("vendor/uplot/uPlot.esm.js", "text/javascript; charset=utf-8"),
        ("vendor/uplot/LICENSE", "text/plain; charset=utf-8"),
    ],
)
def test_types(rig: WebRig, name: str, kind: str) -> None:
    """As browsers want them, which look no further."""
    reply = rig.client.get(address(rig, name))
    assert (reply.status, reply.headers["Content-Type"]) == (200, kind)
    assert reply.body == (STATIC / name).read_bytes()


def test_packed_for_who_takes_it(rig: WebRig) -> None:
    """The same bytes with a quarter of the way."""
    name = address(rig, "vendor/uplot/uPlot.esm.js")
    plain: Reply = rig.client.get(name)
    packed = rig.client.get(name, Accept_Encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3


@pytest.mark.parametrize(
    "path", ["/static/0000000000000000/shell.js", "{}/nothing.js", "{}/../assets.py", "{}/%2e%2e/assets.py"]
)  # fmt: skip
def test_nothing_else(rig: WebRig, path: str) -> None:
    """Neither what is not there, nor a file of another page than this, nor anything outside."""
    reply = rig.client.get(path.format(address(rig, "")[:-1]))
    assert reply.status == 404
    assert b"def " not in reply.body


def test_another_file_makes_another_page(tmp_path: Path) -> None:
    """What a browser keeps never goes with what is newer."""
    (tmp_path / "index.html").write_text('<script src="{static}/a.js"></script>')
    (tmp_path / "a.js").write_text("1")
    first = Assets(tmp_path).digest
    assert Assets(tmp_path).digest == first
    (tmp_path / "a.js").write_text("2")
    assert Assets(tmp_path).digest != first


def test_page_needs_nobody_else() -> None:
    """No address of others, no script or style within the page, no file without end."""
    for path in OURS:
        text = path.read_text()
        assert not re.search(
            r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}""",
            re.sub(r"http://www\.w3\.org/\S+", "", text),
        ), path
        assert len(text.splitlines()) <= 300, path
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|style=|<script>| on[a-z]+=", page)
