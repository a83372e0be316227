"""Nobody is shut out: axe-core finds no serious fault in any view, light or dark, wide or on a phone."""

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
browsers = pytest.importorskip("kit.browsers")


VIEWS = {
    "/": ".tile",
    "/chart?series=pi/air.value&series=pi/dust.value&last=5m&compare=day": ".legend tbody tr",
    "/devices": "main *",
    "/alerts": "main *",
}


@pytest.mark.parametrize("size", [browsers.WIDE, browsers.PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_fault(new_screen, station, view: str, size: dict[str, int]) -> None:
    """Contrast, names, roles, order: what axe-core calls serious or critical is not there."""
    page = new_screen(station.base, viewport=size).go(view)
    expect(page.locator(VIEWS[view]).first).to_be_visible()
    assert browsers.serious_faults(page) == []


def test_dialogs(screen) -> None:
    """Also of what opens above a view."""
    page = screen.go("/chart?series=pi/air.value")
    page.get_by_role("button", name="Settings").click()
    assert browsers.serious_faults(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Series…").click()
    expect(page.get_by_label("Search series")).to_be_focused()
    assert browsers.serious_faults(page) == []
