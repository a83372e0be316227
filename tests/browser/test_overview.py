"""The overview in a real browser, of a real collector with a real agent."""

import re

import pytest

from kit.waiting import wait_until

expect = pytest.importorskip("playwright.sync_api").expect
browsers = pytest.importorskip("kit.browsers")

TILES = ".tile"


def value_of(screen, name="count.value") -> str:
    """What a tile shows."""
    return screen.page.locator(TILES, has_text=name).locator(".value").inner_text()


def test_values_appear_and_change(screen) -> None:
    """Every series has its tile with value, unit as people write it, age and sparkline; they are live."""
    page = screen.go()
    expect(
        page.locator(".group", has_text="Greenhouse, north").locator(".state").first
    ).to_have_text("live")
    expect(page.locator(TILES, has_text="Air at the door")).to_be_visible()
    temperature = page.locator(TILES, has_text="air.value")
    expect(temperature.locator(".unit")).to_have_text("°C")
    expect(page.locator(TILES, has_text="dust.value").locator(".unit")).to_have_text("µg/m³")
    expect(temperature.locator("path")).to_have_attribute("d", re.compile("^M"))
    before = value_of(screen)
    wait_until(lambda: value_of(screen) != before)
    expect(page.locator("#link")).to_have_text("live")


def test_bad_reading_is_told_in_words(screen) -> None:
    """A tile says what is wrong, not by a colour alone."""
    page = screen.go()
    mark = page.locator(TILES, has_text="dust.value").locator(".mark")
    expect(mark).to_contain_text("bad: read failed")


def test_search_and_grouping_are_in_the_address(screen) -> None:
    """What is looked for is shown alone, and by a link as well; Escape shows all again."""
    page = screen.go()
    expect(page.locator(TILES, has_text="air.value")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("dust")
    expect(page.locator(TILES)).to_have_count(1)
    assert page.url.endswith("/?q=dust")
    page.reload()
    expect(page.locator(TILES)).to_have_count(1)
    page.locator("#search").press("Escape")
    expect(page.locator(TILES, has_text="air.value")).to_be_visible()
    page.get_by_label("Group").select_option("quantity")
    expect(page.locator(".group h2", has_text="Other")).to_be_visible()
    page.locator("#search").fill("there is no such thing")
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_units_of_choice(screen) -> None:
    """°F and inHg for who wants them, kept in the browser."""
    page = screen.go()
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("°F").click()
    page.get_by_text("inHg").click()
    page.keyboard.press("Escape")
    for _ in range(2):
        temperature = page.locator(TILES, has_text="air.value")
        expect(temperature.locator(".unit")).to_have_text("°F")
        assert 60 < float(temperature.locator(".value").inner_text()) < 75
        expect(page.locator(TILES, has_text="weight.value").locator(".unit")).to_have_text("inHg")
        page.reload()


def test_keyboard_alone(screen) -> None:
    """The skip link, arrows from tile to tile, Enter to the chart, and back."""
    page = screen.go()
    expect(page.locator(TILES, has_text="air.value")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.locator(TILES).first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(TILES).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/chart[?]series=pi/"))
    page.go_back()
    expect(page.locator(TILES, has_text="air.value")).to_be_visible()


def test_phone(new_screen, station) -> None:
    """On a phone nothing is cut off sideways, and the views are within reach of the thumb."""
    screen = new_screen(station.base, viewport=browsers.PHONE, has_touch=True, is_mobile=True)
    page = screen.go()
    expect(page.locator(TILES, has_text="air.value")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= browsers.PHONE["width"]
    views = page.get_by_role("navigation").bounding_box()
    assert views["y"] + views["height"] == browsers.PHONE["height"]
    page.get_by_role("link", name="Chart", exact=True).first.tap()
    expect(page.locator(".plots")).to_be_visible()
