"""Takes the pictures of docs/images: a real collector with a small farm of simulated devices that has a past.

One device is silent, one was invited and never came, one lost power for a while; alerts fire.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from playwright.sync_api import Browser, Locator, Page, expect

from collector.web.access import Access, new_password
from kit import browsers, farms, programs
from kit.losses import add_gap
from kit.stores import heard_earlier
from kit.waiting import wait_until
from kit.webs import Client

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDE = {"width": 1280, "height": 800}
DAYS, DAY_S, HOUR_S = 9, 86_400, 3600
INTERVAL_S = 60
PASSWORD = "correct horse battery"
_ALL = farms.farm(11, a_device=11)[0].series
# A real agent beside the simulated ones: it tells of its spool and its clock.
_AGENT = """
label: Porch
sensors:
  air: {driver: 'synthetic:sine', interval: 10s, options: {mean: 11, amplitude: 3, period: 86400, unit: degC}}
"""
_ALERTS = """
time_zone: Europe/Berlin
alerts:
  silence: {after_intervals: 2}
  rules:
    damp: {series: 'cellar/air.humidity', above: 40, clear: 35}
    stuffy: {series: 'office/gas.co2', above: 300}
  notify:
    phone: {command: ['true']}
    siren: {command: ['true'], resolved: false}
"""

# Brings about what has to be shown; gives the part of the page that is taken, None: what the window shows.
Show: TypeAlias = Callable[[Page], Locator | None]


def series(*sensors: str) -> list[farms.Series]:
    """The series of some sensors."""
    return [each for each in _ALL if each.sensor in sensors]


def devices(now_s: float) -> list[farms.Device]:
    """The farm; the last one reads nothing since three hours ago."""
    power_cut = (now_s - 9 * HOUR_S, now_s - 7.5 * HOUR_S)
    made = farms.Device
    return [
        made("cellar", "Wine cellar", series("air"), INTERVAL_S),
        made("greenhouse", "Greenhouse, north", series("air", "light"), INTERVAL_S, [power_cut], ["air"]),
        made("office", "Office", series("air", "gas"), INTERVAL_S),
        made("roof", "Solar panels", series("supply", "light"), INTERVAL_S),
        made("workshop", "Workshop", series("air", "dust"), INTERVAL_S),
        made("barn", "Barn", series("air"), INTERVAL_S, [(now_s - 3 * HOUR_S, math.inf)]),
    ]  # fmt: skip


@contextmanager
def house(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run the collector and the devices; give the address of the page, and what lets the real agent in."""
    port, web_port = programs.free_port(), programs.free_port()
    collector = programs.collector(folder / "collector", port, _ALERTS, web_port=web_port)
    agent = programs.Program("device", "run", folder / "porch", _AGENT)
    store, now_s = collector.state / "telegauge.db", time.time()
    farm = devices(now_s)
    lines = farms.fill(store, farm, now_s - DAYS * DAY_S, now_s, INTERVAL_S)
    hole = [round(at_s * 1e9) for at_s in farm[1].holes[0]]
    add_gap(store, "greenhouse", "power_cut", readings=360, from_ns=hole[0], to_ns=hole[1],
            recorded_ns=hole[1])  # fmt: skip
    heard_earlier(store, 3 * HOUR_S, "barn")
    Access(collector.state).set_password(new_password(PASSWORD))
    collector.start()

    def let_in() -> None:
        if agent.is_dead():
            joined = agent.command("join", invite(collector, "porch"))
            assert joined.returncode == 0, joined.stderr
            agent.start()

    try:
        invite(collector, "attic")
        client = Client(web_port)
        with farms.alive(farm[-1:], port, lines):
            wait_until(lambda: "barn" in connected(client))
        with farms.alive(farm[:-1], port, lines):
            wait_until(lambda: states(client).count("live") == len(farm) - 1)
            yield f"http://127.0.0.1:{web_port}", let_in
    finally:
        agent.end()
        collector.end()


def invite(collector: programs.Program, name: str) -> str:
    """Invite a device; return the token."""
    made = collector.command("invite", name, "--valid", "1d", "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["token"])


def connected(client: Client) -> list[str]:
    """The devices that are there."""
    found = client.get("/api/v1/devices").json["devices"]
    return [each["device"] for each in found if each["connected"]]


def states(client: Client) -> list[str]:
    """The states of all devices."""
    return [each["state"] for each in client.get("/api/v1/devices").json["devices"]]


def overview(page: Page) -> None:
    """Values, ages and sparklines."""
    page.get_by_label("Sparklines").select_option("24h")
    page.wait_for_function(_DRAWN)


def chart(page: Page) -> None:
    """What the power cut took, under the cursor."""
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")
    box = page.locator(".u-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * (1 - 8.25 / 24), box["y"] + box["height"] / 2)
    expect(page.locator(".readout .cause")).to_be_visible()


def devices_shown(page: Page) -> None:
    """All of them, and what the agent says of itself, which it does once a minute."""
    expect(page.locator(".device")).to_have_count(8)
    expect(page.get_by_text("nothing waits")).to_be_visible(timeout=120_000)


def invitation(page: Page) -> Locator:
    """The line and its QR code."""
    page.get_by_role("button", name="Invite a device").click()
    page.get_by_label("Name", exact=True).fill("pond")
    page.get_by_label("Address (optional)").fill("raspberrypi.local:8888")
    page.get_by_label("Password of this collector").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("The line to paste")).to_be_visible()
    page.get_by_role("img", name="QR code of the line").evaluate("(image) => image.decode()")
    return page.get_by_role("dialog")


def alerts(page: Page) -> None:
    """The silent device too, which had a while to come back."""
    expect(page.locator(".alert", has_text="barn is silent")).to_be_visible(timeout=300_000)
    expect(page.get_by_text("not told yet")).to_have_count(0)


_CHART = "/chart?series=greenhouse/air.temperature&series=cellar/air.temperature&series=greenhouse/air.humidity&last=24h"
# Whether each tile in sight has its sparkline.
_DRAWN = """() => {
  const tiles = [...document.querySelectorAll('.tile')];
  return tiles.length > 0 && tiles.filter((tile) => tile.getBoundingClientRect().top < innerHeight)
    .every((tile) => tile.querySelector('path[d^=M]'));
}"""
# By name: the address, what has to be shown, and in which forms.
PICTURES: dict[str, tuple[str, Show, tuple[str, ...]]] = {
    "overview": ("/?spark=24h", overview, ("", "-dark", "-phone")),
    "chart": (_CHART, chart, ("", "-dark", "-phone")),
    "devices": ("/devices", devices_shown, ("", "-dark", "-phone")),
    "invitation": ("/devices", invitation, ("",)),
    "alerts": ("/alerts", alerts, ("", "-dark", "-phone")),
}


def take(browser: Browser, base: str, name: str, form: str, into: Path) -> None:
    """Take one picture."""
    address, show, _ = PICTURES[name]
    screen = browsers.Screen(
        browser, base,
        viewport=browsers.PHONE if form == "-phone" else WIDE,
        color_scheme="dark" if form == "-dark" else "light",
        is_mobile=form == "-phone",
        reduced_motion="reduce",
    )  # fmt: skip
    page = screen.go(address)
    expect(page.locator("#link")).to_have_text("live")
    (show(page) or page).screenshot(
        path=into / f"{name}{form}.png", animations="disabled", caret="hide"
    )
    screen.close()
    print(f"{name}{form}.png")


def main() -> int:
    """Take all of them, or some."""
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PICTURES)}")
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER")
    options = parser.parse_args()
    path = browsers.chromium()
    if path is None:
        print("screenshots: no Chromium here: apt-get install chromium", file=sys.stderr)
        return 1
    options.into.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        house(Path(folder)) as (base, let_in),
        browsers.running(path) as browser,
    ):
        for name in options.names or PICTURES:
            if name not in ("overview", "chart"):  # They are of sensors; an agent's health is many.
                let_in()
            for form in PICTURES[name][2]:
                take(browser, base, name, form, options.into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
