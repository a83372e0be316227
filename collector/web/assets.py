"""The files of the page: read once from the package, and sent so that a browser asks for each only once.

Their address holds a digest of them all, so that what a browser keeps never goes with what is newer.
"""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from collector.web.problems import Refused
from config.problems import shown

PREFIX = "/static"
# Nothing but what is here: no script or style within the page, nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'self'"
)
_PAGE = "index.html"
_PLACE = b"{static}"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_PLAIN = "text/plain; charset=utf-8"
# What is compressed already, or too short to gain by it.
_NOT_PACKED = ("png",)
_LEAST_BYTES = 512
_FOR_EVER = "private, max-age=31536000, immutable"


class Asset:
    """A file: what it holds, of which type it is, and what it is called by (RFC 9110, ETag)."""

    def __init__(self, name: str, data: bytes) -> None:
        self.data = data
        ending = name.rpartition(".")[2]
        self.media_type = _TYPES.get(ending, _PLAIN)
        self.tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        self._is_packed = ending not in _NOT_PACKED and len(data) >= _LEAST_BYTES

    @cached_property
    def packed(self) -> bytes | None:
        """What is sent to browsers that take gzip; None: as it is."""
        return gzip.compress(self.data, mtime=0) if self._is_packed else None


class Assets:
    """The files of one page; `digest` changes with any of them."""

    def __init__(self, folder: Traversable | None = None) -> None:
        found = dict(_read(folder or files("collector.web") / "static", ""))
        whole = hashlib.sha256()
        for name, data in sorted(found.items()):
            whole.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        self.digest = whole.hexdigest()[:16]
        place = f"{PREFIX}/{self.digest}".encode()
        self._page = Asset(_PAGE, found.pop(_PAGE).replace(_PLACE, place))
        self._files = {name: Asset(name, data) for name, data in found.items()}

    def page(self, request: Request) -> Response:
        """Answer with the page, whichever of its views is wanted."""
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        return _sent(self._page, request, headers)

    def file(self, request: Request) -> Response:
        """Answer with a file.

        Raises:
            Refused: there is none of that name, or it belongs to another page than this one.
        """
        digest, name = request.path_params["digest"], request.path_params["name"]
        asset = self._files.get(name) if digest == self.digest else None
        if asset is None:
            raise Refused(404, f"the page has no file `{shown(name)}`. Load it again")
        return _sent(asset, request, {"Cache-Control": _FOR_EVER})


def _sent(asset: Asset, request: Request, headers: Mapping[str, str]) -> Response:
    told = {"ETag": asset.tag, "Vary": "Accept-Encoding", **headers}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, told)
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if takes_gzip and asset.packed is not None:
        return Response(asset.packed, 200, told | {"Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.data, 200, told, asset.media_type)


def _read(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _read(each, f"{prefix}{each.name}/")
        else:
            found.append((prefix + each.name, each.read_bytes()))
    return found
