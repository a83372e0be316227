"""The devices in a real browser: how they stand, and each change, which asks for the password."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import programs
from kit.stations import Station, running_station

expect = pytest.importorskip("playwright.sync_api").expect
browsers = pytest.importorskip("kit.browsers")

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station with a password."""
    with running_station(tmp_path_factory.mktemp("station"), password=PASSWORD) as made:
        yield made


def card_of(page, name: str):
    """The card of a device."""
    return page.get_by_role("listitem", name=name, exact=True)


def test_card_says_how_a_device_stands(screen) -> None:
    """Its state, its spool, its clock, its connection, what is missing of it."""
    card = card_of(screen.go("/devices"), "pi")
    expect(card.locator(".state")).to_have_text("live")
    for fact in ("Greenhouse, north", "synchronised", "plain, since", "Missing"):
        expect(card).to_contain_text(fact)
    expect(card).to_contain_text(re.compile(r"Stored[0-9\u202f]+ readings"))


def test_invitation_lets_a_device_in(screen, station, tmp_path: Path) -> None:
    """The page gives a line and a QR code; the agent joins with it, and the page says so by itself."""
    page = screen.go("/devices")
    page.get_by_role("button", name="Invite a device").click()
    dialog = page.get_by_role("dialog", name="Invite a device")
    dialog.get_by_label("Name", exact=True).fill("shed")
    dialog.get_by_label("Address (optional)").fill(f"127.0.0.1:{station.port}")
    dialog.get_by_label("Password of this collector").fill(PASSWORD)
    page.keyboard.press("Enter")
    line = dialog.get_by_label("The line to paste").inner_text()
    assert line.startswith("sudo telegauge-device join tg1-")
    picture = dialog.get_by_role("img", name="QR code of the line")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 20
    assert browsers.serious_faults(page) == []
    agent = programs.Program(
        "device", "run", tmp_path, "sensors: {count: {driver: 'synthetic:counter'}}\n"
    )
    try:
        joined = agent.command("join", line.split()[-1])
        assert joined.returncode == 0, joined.stderr
        expect(dialog.get_by_role("status")).to_have_text("shed has joined.")
        agent.start()
        page.keyboard.press("Escape")
        expect(card_of(page, "shed").locator(".state")).to_have_text("live")
        expect(card_of(page, "shed")).to_contain_text("TLS")
    finally:
        agent.end()


CHANGES = {
    "Invite a device": "Invite",
    "Command: pi": "Send",
    "New key: pi": "Give a new key",
    "Revoke: pi": "Revoke pi",
}


@pytest.mark.parametrize("button", CHANGES)
def test_each_change_asks_for_the_password(screen, button: str) -> None:
    """Without one nothing is even asked of the collector."""
    page = screen.go("/devices")
    changes: list[str] = []
    page.on("request", lambda request: request.method == "POST" and changes.append(request.url))
    page.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    if button.startswith("Invite"):
        dialog.get_by_label("Name", exact=True).fill("attic")
    dialog.get_by_role("button", name=CHANGES[button]).click()
    password = dialog.get_by_label("Password of this collector")
    expect(password).to_be_focused()
    assert password.evaluate("(input) => input.validity.valueMissing")
    assert changes == []


def test_wrong_password_is_told_and_changes_nothing(screen, station) -> None:
    """In the dialog, which stays; with the right one the device does what it was asked."""
    screen.forgives = ["403"]
    page = screen.go("/devices")
    page.get_by_role("button", name="Command: pi").click()
    dialog = page.get_by_role("dialog")
    password = dialog.get_by_label("Password of this collector")
    password.fill("incorrect horse battery")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("That is not the password")
    assert "event=command" not in station.device.said()
    password.fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text("Done")
    expect(dialog.get_by_role("alert")).to_be_hidden()


def test_revoked_by_keyboard_alone(screen, station) -> None:
    """To the button, into the dialog, and back to where one was; the device is shut out."""
    assert station.collector.command("invite", "cellar").returncode == 0
    page = screen.go("/devices")
    expect(card_of(page, "cellar").locator(".state")).to_have_text("never seen")
    revoke = page.get_by_role("button", name="Revoke: cellar")
    tab_to(page, revoke)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password of this collector")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("cellar is revoked.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card_of(page, "cellar").locator(".state")).to_have_text("revoked")
    expect(revoke).to_be_disabled()
    assert "cellar" in page.evaluate("document.activeElement.closest('li')?.innerText ?? ''")


def tab_to(page, target) -> None:
    """Press Tab until something has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("(node) => node === document.activeElement"):
            return
    pytest.fail("Tab does not lead there")


def test_phone(new_screen, station) -> None:
    """Cards and dialogs fit, and what is to be tapped is large enough."""
    screen = new_screen(station.base, viewport=browsers.PHONE, has_touch=True, is_mobile=True)
    page = screen.go("/devices")
    expect(card_of(page, "pi")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= browsers.PHONE["width"]
    for button in page.locator("main button:visible").all():
        assert button.bounding_box()["height"] >= 24
    page.get_by_role("button", name="Invite a device").tap()
    dialog = page.get_by_role("dialog").bounding_box()
    assert 0 <= dialog["x"] <= dialog["x"] + dialog["width"] <= browsers.PHONE["width"]
