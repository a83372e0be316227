"""The small pages: what is here, the login, and how to let oneself in. No script, nothing from elsewhere."""

import base64
import hashlib
from html import escape
from urllib.parse import urlencode

from starlette.responses import Response

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;"
    "color:#1b1f24;background:#fff}"
    "code{background:#eef1f4;padding:.1em .3em;border-radius:3px}"
    "input,button{font:inherit;padding:.4em .6em;margin:.2em .4em .2em 0}"
    "[role=alert]{color:#a40e26}"
    "@media(prefers-color-scheme:dark){body{color:#e6e9ec;background:#15181b}"
    "code{background:#2a2f35}a{color:#7ab7ff}[role=alert]{color:#ff8f8f}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing but that style, and forms that come back here.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_INDEX = """
<h1>Telegauge</h1>
<p>The HTTP API of this collector:</p>
<ul>
<li><a href="/api/v1/devices">/api/v1/devices</a>: who sends, and what is missing</li>
<li><a href="/api/v1/series">/api/v1/series</a>: every series there is</li>
<li><a href="/api/v1/latest">/api/v1/latest</a>: the last reading of each</li>
<li><a href="/api/v1/readings?last=1h&amp;points=100">/api/v1/readings</a>: readings, or their summaries</li>
<li><a href="/api/v1/gaps">/api/v1/gaps</a>: what is missing, and why</li>
<li><a href="/api/v1/doubts?last=24h">/api/v1/doubts</a>: what is suspect, and which times were derived</li>
<li><code>/api/v1/live</code>: readings as they come (Server-Sent Events)</li>
<li><a href="/metrics">/metrics</a>: the collector's own health, for Prometheus</li>
<li><a href="/healthz">/healthz</a>: is it well?</li>
</ul>
"""
_LOGOUT = '<form method="post" action="/logout"><button>Log out</button></form>'
_LOGIN = """
<h1>Telegauge</h1>
{alert}<form method="post" action="/login{query}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>
<button>Log in</button>
</form>
<p>It was set on the collector's machine with <code>sudo telegauge-collector password</code>.</p>
"""
_CLOSED = """
<h1>Telegauge</h1>
<p>Nobody of another machine can look in here yet. On the collector's machine, set a password:</p>
<p><code>sudo telegauge-collector password</code></p>
<p>or make a token for a program that reads:</p>
<p><code>sudo telegauge-collector token NAME</code></p>
"""
HOW_TO_OPEN = (
    "nobody of another machine can come in yet. On the collector's machine: "
    "sudo telegauge-collector password, or sudo telegauge-collector token NAME for a program"
)


def index(has_login: bool) -> Response:
    """Return the page that says what is here."""
    return _page(_INDEX + (_LOGOUT if has_login else ""))


def login(to: str = "/", alert: str = "", status: int = 200) -> Response:
    """Return the page that asks for the password, with what was wrong; it leads `to` a path."""
    told = f'<p role="alert">{escape(alert)}</p>' if alert else ""
    query = "" if to == "/" else escape("?" + urlencode({"to": to}))
    return _page(_LOGIN.format(alert=told, query=query), status)


def closed() -> Response:
    """Return the page that says how to let oneself in."""
    return _page(_CLOSED, 403)


def refusal(text: str, status: int) -> Response:
    """Return a page that says no."""
    return _page(f'<h1>Telegauge</h1><p role="alert">{escape(text)}</p>', status)


def _page(body: str, status: int = 200) -> Response:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Telegauge</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style>{body}</html>"
    )
    return Response(text, status, {"Content-Security-Policy": POLICY}, "text/html")
