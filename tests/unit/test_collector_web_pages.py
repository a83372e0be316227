"""collector.web.pages: small pages that need nothing else."""

import base64
import hashlib
import re

import pytest
from starlette.responses import Response

from collector.web import pages

PAGES = [
    pages.index(False), pages.index(True), pages.login(), pages.login("/chart?last=1h&compare=day", "no", 401), pages.closed(),
    pages.refusal("no", 421),
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_page_keeps_its_own_policy(page: Response) -> None:
    """Its one style is the one that is let through; there is no script, and nothing from elsewhere."""
    text = bytes(page.body).decode()
    policy = page.headers["content-security-policy"]
    [style] = re.findall("<style>(.*?)</style>", text)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    for no in ("<script", "style=", "onclick", "http:", "https:", "<img"):
        assert no not in text


def test_what_is_said_is_escaped() -> None:
    """A page is no place for what somebody sends."""
    for page in (pages.login("/<b>&", "<b>&", 401), pages.refusal("<b>&", 421)):
        assert b"&lt;b&gt;&amp;" in bytes(page.body)
    assert pages.closed().status_code == 403
