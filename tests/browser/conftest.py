"""What the tests in a browser share: the system's Chromium, and a real collector fed by a real agent.

Where there is no browser, or Playwright is not installed, they are skipped.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from kit.stations import Station, running_station

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from kit.browsers import Screen


@pytest.fixture(scope="module")  # not longer: its event loop is that of the whole thread
def browser() -> "Iterator[Browser]":
    """The browser."""
    pytest.importorskip("playwright", reason="Playwright is not installed (pip install .[test])")
    from kit import browsers

    path = browsers.chromium()
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with browsers.running(path) as running:
        yield running


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station whose device has sent something of each of its sensors."""
    with running_station(tmp_path_factory.mktemp("station")) as made:
        yield made


@pytest.fixture
def new_screen(browser: "Browser") -> "Iterator[Callable[..., Screen]]":
    """Makes screens; when the test is over none of them may have met with a fault that nobody sees."""
    from kit.browsers import Screen

    screens: list[Screen] = []

    def make(base: str, **how: Any) -> Screen:
        screens.append(Screen(browser, base, **how))
        return screens[-1]

    yield make
    faults = [fault for screen in screens for fault in screen.faults()]
    for screen in screens:
        screen.close()
    assert faults == []


@pytest.fixture
def screen(new_screen: "Callable[..., Screen]", station: Station) -> "Screen":
    """A wide screen."""
    return new_screen(station.base)
