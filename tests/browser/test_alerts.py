"""Alerts in a real browser: a device that dies, a limit that is passed, and who could not be told."""

import re
from collections.abc import Iterator

import pytest

from kit.stations import Station, running_station
from kit.stores import heard_earlier

expect = pytest.importorskip("playwright.sync_api").expect
browsers = pytest.importorskip("kit.browsers")

ALERTS = """
alerts:
  silence: {at_least: 2s}
  rules:
    warm: {series: 'pi/air.value', above: 0}
    heavy: {series: 'pi/weight.value', above: 0, notify: []}
  notify:
    siren: {command: ['false']}
"""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station with rules that are broken at once, and a siren that does not work."""
    with running_station(tmp_path_factory.mktemp("station"), ALERTS) as made:
        yield made


def alert_of(page, words: str):
    """The alert that says so."""
    return page.locator(".alert").filter(has=page.locator(".alert-words", has_text=words))


def test_device_that_dies(screen, station) -> None:
    """It is late, then silent; its alert comes up by itself, is marked as seen, and is over once it is back."""
    page = screen.go("/alerts")
    expect(page.locator("#link")).to_have_text("live")
    station.device.kill()
    died = alert_of(page, "pi is silent")
    expect(died.locator(".state")).to_have_text("firing")
    count = int(page.locator("#alert-count").inner_text())
    died.get_by_role("button", name="Mark as seen").click()
    expect(died.locator(".state")).to_have_text("seen")
    expect(page.locator("#alert-count")).to_have_text(str(count - 1))
    page.get_by_role("link", name="Overview").click()
    heard_earlier(station.store, 10)
    state = page.locator(".group-head", has_text="Greenhouse, north").locator(".state")
    expect(state).to_have_text("late")
    heard_earlier(station.store, 120)
    expect(state).to_have_text("silent")
    station.device.start()
    expect(state).to_have_text("live")
    page.get_by_role("link", name="Alerts").click()
    page.get_by_text("Resolved").click()
    expect(alert_of(page, "pi is silent").locator(".state")).to_have_text("resolved")


def test_notification_that_fails_is_shown(screen) -> None:
    """At the alert, and at who should have been told."""
    page = screen.go("/alerts")
    expect(alert_of(page, "pi/air.value")).to_contain_text("siren was not told: ")
    expect(page.get_by_role("region", name="Who is told")).to_contain_text("The last try failed")
    expect(alert_of(page, "pi/weight.value")).not_to_contain_text("siren")


def test_keyboard_alone(screen) -> None:
    """From what is open to what was and back, to the chart, and to the button."""
    page = screen.go("/alerts")
    seen = alert_of(page, "pi/weight.value").get_by_role("button", name="Mark as seen")
    expect(seen).to_be_visible()
    page.get_by_label("Open").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Resolved")).to_be_checked()
    expect(seen).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(seen).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("main a:focus, main summary:focus, main button:focus")).to_have_count(1)
    seen.focus()
    page.keyboard.press("Enter")
    expect(alert_of(page, "pi/weight.value").locator(".state")).to_have_text("seen")
    alert_of(page, "pi/air.value").get_by_role("link", name="Chart of pi/air.value").press("Enter")
    expect(page).to_have_url(re.compile("/chart[?]series=pi/air.value"))


def test_phone(new_screen, station) -> None:
    """Nothing is cut off, however long the words are, and nobody is shut out."""
    screen = new_screen(station.base, viewport=browsers.PHONE, has_touch=True, is_mobile=True)
    page = screen.go("/alerts")
    expect(alert_of(page, "pi/air.value")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= browsers.PHONE["width"]
    assert browsers.serious_faults(page) == []
