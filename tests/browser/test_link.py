"""What a person meets when something is wrong: each has its words, and the page recovers by itself."""

import re
import shutil
import time
from collections.abc import Iterator

import pytest

from kit.stations import Station, running_station
from kit.waiting import wait_until

expect = pytest.importorskip("playwright.sync_api").expect
PASSWORD = "correct horse battery"
# Another machine, as a proxy on this one would hand it on.
FAR = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"}


def test_collector_goes_and_comes_back(new_screen, station) -> None:
    """It is away in words, and values go on by themselves when it is back, without a reload."""
    screen = new_screen(station.base)
    screen.forgives = ["ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY"]
    page = screen.go()
    count = page.locator(".tile", has_text="count.value").locator(".value")
    expect(count).to_have_text(re.compile("[0-9]"))
    page.evaluate("window.isSame = true")
    station.collector.stop()
    expect(page.locator("#link")).to_have_text("away")
    expect(page.locator(".notice")).to_contain_text("The collector is away")
    before = count.inner_text()
    station.collector.start()
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator(".notice")).to_have_count(0)
    wait_until(lambda: count.inner_text() != before)
    assert page.evaluate("window.isSame")


def test_clock_of_the_browser_is_wrong(new_screen, station) -> None:
    """Ages are the collector's, and the page says whose clock is off, until it is told that that is known."""
    screen = new_screen(station.base)
    screen.page.clock.install(time="2001-09-09T01:46:40Z")
    page = screen.go()
    notice = page.locator(".notice")
    expect(notice).to_contain_text("behind the collector's")
    expect(page.locator(".tile", has_text="count.value").locator(".age")).to_have_text(
        re.compile("now|[0-9] s")
    )
    notice.get_by_role("button", name="Dismiss").click()
    expect(notice).to_have_count(0)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station with a password."""
    with running_station(tmp_path_factory.mktemp("guarded"), password=PASSWORD) as made:
        yield made


@pytest.fixture
def far_screen(new_screen, guarded):
    """What another machine sees of it, over TLS."""
    screen = new_screen(guarded.base.replace("http:", "https:"), extra_http_headers=FAR)
    screen.forgives = ["401", "ERR_"]
    return screen


def test_link_is_kept_over_the_login(far_screen, guarded) -> None:
    """Who follows a link logs in and sees what it shows; a restart ends the login, and says so."""
    page = far_screen.go("/chart?series=pi/air.value&last=1h")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{far_screen.base}/chart?series=pi/air.value&last=1h")
    expect(page.locator(".legend tbody tr")).to_have_count(1)
    expect(page.locator("#link")).to_have_text("live")
    guarded.collector.stop()
    guarded.collector.start()
    expect(page.locator(".notice")).to_contain_text("You are logged out")
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_log_out(far_screen) -> None:
    """It is offered to who is logged in."""
    page = far_screen.go()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_power_cut_is_drawn_once_the_link_is_back(new_screen, station) -> None:
    """What a device had read in an outage when its power went is marked as lost in the chart, and why."""
    collector, device = station.collector, station.device
    collector.stop()
    wait_until(lambda: device.ask("status")["spool"]["held_readings"] > 20)
    device.kill()
    shutil.rmtree(device.runtime)  # Memory: what a power cut takes with it.
    device.runtime.mkdir()
    collector.start()
    device.start()
    wait_until(lambda: station.client.get("/api/v1/gaps").json["gaps"])
    screen = new_screen(station.base)
    page = screen.go("/chart?series=pi/air.value&last=1m")
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")
    gap = station.client.get("/api/v1/gaps?time=ms").json["gaps"][0]
    box = page.locator(".u-over").first.bounding_box()
    share = 1 - (time.time() - (gap["from"] + gap["to"]) / 2e3) / 60
    page.mouse.move(box["x"] + box["width"] * share, box["y"] + 60)
    expect(page.locator(".readout .cause[data-kind=lost]")).to_contain_text(gap["meaning"])
