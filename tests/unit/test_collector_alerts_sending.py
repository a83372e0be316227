"""collector.alerts.sending: a program of its own sends by Apprise, and never says an address."""

import json
import subprocess
import sys

import pytest

from collector.alerts.sending import MISSING, without
from kit.mailbox import MailServer, Webhook, serving, text_of
from kit.programs import ROOT


def run(address: str, *, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Let the program send."""
    call = "import runpy; runpy.run_module('collector.alerts.sending', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", before + call],
        input=json.dumps({"address": address, "title": "Kälte", "body": "3 °C"}),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )


def test_mail_and_webhook() -> None:
    """As people would get it."""
    with serving(MailServer()) as mail, serving(Webhook()) as hook:
        for server in (mail, hook):
            assert json.loads(run(server.address).stdout) == {"error": ""}
        assert text_of(mail.mails[0]).strip() == "3 °C"
        assert (hook.got[0]["title"], hook.got[0]["message"]) == ("Kälte", "3 °C")


@pytest.mark.parametrize(
    "address",
    ["json://127.0.0.1:1/S3CRET", "nosuch://S3CRET", "mailto://a:S3CRET@127.0.0.1:1?to=a@b.c"],
)
def test_failure_says_why_and_no_secret(address: str) -> None:
    """Neither in the answer, nor in what it says besides."""
    done = run(address)
    assert json.loads(done.stdout)["error"]
    assert "S3CRET" not in done.stdout + done.stderr


def test_without_apprise() -> None:
    """It says what to install."""
    done = run("json://localhost", before="import sys; sys.modules['apprise'] = None; ")
    assert json.loads(done.stdout) == {"error": MISSING}


@pytest.mark.parametrize(
    ("address", "text", "expected"),
    [
        ("tgram://123:abc/-77", "123:abc and 123 of tgram", "***:*** and *** of tgram"),
        ("https://u:p%40ss@host/path?token=xyz", "p@ss xyz host PATH u", "*** *** *** *** u"),
        ("ntfy://topic", "a\nb", "a b"),
    ],
)
def test_secrets_are_taken_out(address: str, text: str, expected: str) -> None:
    """Each part of an address, as it stands there and decoded, in whatever case."""
    assert without(address, text) == expected
