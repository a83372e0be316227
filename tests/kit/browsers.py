"""The system's headless Chromium, and a page in it that is watched: what it says, and whom it asks."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# As root there is no sandbox; the pages are our own.
_ARGUMENTS = ["--no-sandbox"]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
WITHIN_MS = 20_000.0
# Of what is expected to come; its own 5 s are short on a busy machine.
expect.set_options(timeout=WITHIN_MS)


def chromium() -> Path | None:
    """Where the browser is; None: there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return Path(found) if found else None


@contextmanager
def running(path: Path) -> Iterator[Browser]:
    """A browser, ended afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Screen:
    """A page of one collector in a browser of its own profile.

    Attributes:
        said: errors and warnings on the console, and faults that nothing caught.
        foreign: what was asked of anybody but the collector.
        forgives: what on the console is no fault of the page in this test.
    """

    def __init__(self, browser: Browser, base: str, **how: Any) -> None:
        given = {"viewport": WIDE, "ignore_https_errors": True} | how
        self.base = base
        self.said: list[str] = []
        self.foreign: list[str] = []
        self.forgives: list[str] = []
        self._context = browser.new_context(**given)
        self._context.set_default_timeout(WITHIN_MS)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.said.append(f"{error}\n{error.stack}"))
        self.page.on("request", self._request)

    def go(self, path: str = "/") -> Page:
        """Go to a view."""
        self.page.goto(self.base + path)
        return self.page

    def call(self, module: str, script: str, *arguments: Any) -> Any:
        """Run a function of ours, `(module, ...arguments) => ...`, on a module of the page.

        Pure modules are tried so.
        """
        page = self.page
        if page.url == "about:blank":
            self.go("/chart")
        about = page.evaluate("async () => (await fetch('/api/v1/about')).json()")
        address = f"/static/{about['page']}/{module}"
        return page.evaluate(
            f"async ([address, ...given]) => ({script})(await import(address), ...given)",
            [address, *arguments],
        )

    def close(self) -> None:
        """Close it."""
        self._context.close()

    def faults(self) -> list[str]:
        """What went wrong that nobody sees."""
        said = [each for each in self.said if not any(word in each for word in self.forgives)]
        return said + self.foreign

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.text} ({message.location.get('url')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        is_own = parts.scheme in ("data", "blob") or request.url.startswith(self.base)
        if not is_own:
            self.foreign.append(request.url)


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds in a page that shuts somebody out, light or dark; skip where it is missing."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = []
    for scheme in ("light", "dark"):
        # Colours that change slowly would be seen halfway.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
