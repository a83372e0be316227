"""The chart in a real browser."""

import csv
import io
import re
import time
from pathlib import Path

import pytest

from kit import programs
from kit.doubtful import JUMPED, measure, reads, set_batch, unset_batch
from kit.losses import add_gap
from kit.stores import at_ns, commit, described, transaction
from kit.waiting import wait_until

expect = pytest.importorskip("playwright.sync_api").expect
browsers = pytest.importorskip("kit.browsers")

SERIES = "series=pi/air.value&series=pi/weight.value"


def opened(screen, query: str = f"{SERIES}&last=5m"):
    """A chart that is drawn."""
    page = screen.go(f"/chart?{query}")
    expect(page.locator(".plots canvas").first).to_be_visible()
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")
    return page


def span_of(page) -> tuple[float, float]:
    """What the address says is shown: start and end, ms; it waits until it says so."""
    page.wait_for_url(re.compile("start="))
    return tuple(
        page.evaluate(
            "() => ['start', 'end'].map((n) => Date.parse(new URL(location).searchParams.get(n)))"
        )
    )


def test_a_panel_for_each_unit(screen) -> None:
    """Series of one unit share an axis, others have their own; the legend has numbers."""
    page = opened(screen, f"{SERIES}&series=pi/count.value&last=5m")
    assert page.locator(".unit-name").all_inner_texts() == ["°C", "hPa", "no unit"]
    row = page.locator(".legend tbody tr", has_text="pi/air.value")
    expect(row.locator(".number").first).to_have_text(re.compile("[0-9]"))


def test_it_follows_what_comes(screen) -> None:
    """At the live edge new readings appear by themselves."""
    page = opened(screen, "series=pi/count.value&last=1m")
    number = page.locator(".legend tbody .number").first
    before = number.inner_text()
    wait_until(lambda: number.inner_text() != before)


def test_zoom_and_pan_by_mouse(screen) -> None:
    """The wheel zooms, a drag zooms to what it covers, with shift it moves; the address follows."""
    page = opened(screen, f"{SERIES}&start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z")
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => !location.search.includes('00:00:00Z')")
    start, end = span_of(page)
    assert end - start < 3600_000
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_function("(was) => !location.search.includes(was)", arg=iso(start))
    nearer, nearer_end = span_of(page)
    assert (nearer_end - nearer) / (end - start) == pytest.approx(0.25, abs=0.02)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("(was) => !location.search.includes(was)", arg=iso(nearer))
    moved, moved_end = span_of(page)
    assert moved - nearer == pytest.approx((nearer_end - nearer) * 0.25, rel=0.1)
    assert moved_end - moved == pytest.approx(nearer_end - nearer, abs=2)


def test_what_arrives_ends_no_gesture(screen) -> None:
    """Buckets give way to readings while the mouse is down: what it began goes on."""
    page = opened(screen, f"{SERIES}&start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z")
    held = []

    def hold(route) -> None:
        held.append(route)

    page.route("**/api/v1/readings?**", hold)
    box = page.locator(".u-over").first.bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + 60
    page.mouse.move(middle, y)
    for _ in range(12):
        page.mouse.wheel(0, -300)
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "true")
    wait_until(lambda: page.wait_for_timeout(10) or len(held) >= 2)
    start, _ = span_of(page)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.unroute_all(behavior="ignoreErrors")  # what was held goes on
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")
    page.mouse.move(middle - box["width"] / 4, y, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("(was) => !location.search.includes(was)", arg=iso(start))
    assert span_of(page)[0] > start


def iso(time_ms: float) -> str:
    """A time as the address has it, to the minute."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")[:23]


def test_keyboard_moves_zooms_and_reads(screen) -> None:
    """Arrows move and zoom; with shift they go from reading to reading, and say what is there."""
    page = opened(screen)
    page.locator(".plots").focus()
    page.keyboard.press("ArrowLeft")
    start, end = span_of(page)
    assert end - start == pytest.approx(300_000, abs=2)
    page.keyboard.press("ArrowUp")
    page.wait_for_function("(was) => !location.search.includes(was)", arg=iso(start))
    nearer, nearer_end = span_of(page)
    assert nearer_end - nearer == pytest.approx(200_000, abs=2)
    page.keyboard.press("End")
    page.wait_for_url(re.compile("last=200s"))
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")
    page.keyboard.press("Shift+ArrowLeft")
    said = page.locator("p.visually-hidden[aria-live]")
    expect(said).to_contain_text(re.compile(r"pi/air\.value [0-9.]+ °C"))
    first = said.inner_text()
    page.keyboard.press("Shift+ArrowLeft")
    expect(said).not_to_have_text(first)


def test_hover_tells_values_and_causes(screen) -> None:
    """The cursor has the time in the collector's zone, values, and what is bad."""
    page = opened(screen, "series=pi/dust.value&last=1m")
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + 60)
    readout = page.locator(".readout")
    expect(readout).to_be_visible()
    expect(readout.locator(".when")).to_have_text(re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"))
    expect(readout).to_contain_text("pi/dust.value")


def test_gap_is_drawn_with_its_cause(screen, station) -> None:
    """What was lost is shown where it is missing; the cursor says how much, and why."""
    end_ns = time.time_ns() - 20 * 10**9
    began_ns = end_ns - 20 * 10**9
    add_gap(station.store, "pi", "spool_full", readings=12, from_ns=began_ns, to_ns=end_ns)
    page = opened(screen, "series=pi/air.value&last=1m")
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    cause = page.locator(".readout .cause[data-kind=lost]")
    expect(cause).to_contain_text("Lost of pi: 12 readings. Why: the device's spool was full")


@pytest.fixture
def doubtful(tmp_path: Path):
    """The page of a collector with three hours of one series: four suspect readings, half an hour derived."""
    port, web_port = programs.free_port(), programs.free_port()
    collector = programs.collector(tmp_path, port, web_port=web_port)
    store = collector.state / "telegauge.db"
    with transaction(store) as group:
        group.describe("pi", described("air.temperature"))
    measure(store, "pi", 8000)
    suspect = dict.fromkeys(range(3602, 3606), JUMPED)
    parts = [reads(first_s, first_s + 900, suspect) for first_s in range(0, 10_800, 900)]
    for seq, some in enumerate(parts[:8] + parts[10:], 1):
        commit(store, "pi", set_batch(seq, some))
    for seq, some in enumerate(parts[8:10], 1):
        commit(store, "pi", unset_batch(seq, some))
    collector.start()
    yield f"http://127.0.0.1:{web_port}"
    collector.end()


# How many pixels of a part of the plot have a colour.
PAINTED = """([colour, from, to]) => {
  const readable = (width, height) => new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  const probe = readable(1, 1);
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const wanted = probe.getImageData(0, 0, 1, 1).data;
  const [canvas, over] = ['canvas', '.u-over'].map((each) => document.querySelector(`.plots ${each}`));
  const x = (share) => Math.round((over.offsetLeft + share * over.clientWidth) * canvas.width / canvas.clientWidth);
  const copy = readable(canvas.width, canvas.height);
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(x(from), 0, x(to) - x(from), canvas.height);
  let count = 0;
  for (let n = 0; n < data.length; n += 4) count += [0, 1, 2].every((k) => data[n + k] === wanted[k]);
  return count;
}"""


def test_doubts_are_marked_where_points_stand_for_many(new_screen, doubtful) -> None:
    """Suspect readings and derived times are drawn in a summary, and told, to the eye and to the ear."""
    screen = new_screen(doubtful)
    start, end = (iso(at_ns(at_s) / 10**6) for at_s in (0, 10_800))
    page = opened(screen, f"series=pi/air.temperature&start={start}Z&end={end}Z")
    warn = screen.call("palette.js", "(m) => m.palette().warn")
    wait_until(lambda: page.evaluate(PAINTED, [warn, 0.68, 0.82]) > 100)
    assert page.evaluate(PAINTED, [warn, 0.32, 0.35]) > 20
    for clean in ([0.05, 0.3], [0.37, 0.64], [0.86, 0.99]):
        assert page.evaluate(PAINTED, [warn, *clean]) == 0
    box = page.locator(".u-over").first.bounding_box()
    readout = page.locator(".readout")
    page.mouse.move(box["x"] + box["width"] * 3605 / 10_800 + 1, box["y"] + 60)
    expect(readout).to_contain_text("4 suspect: jumped")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    expect(readout).not_to_contain_text(re.compile("suspect|derived"))
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60)
    expect(readout).to_contain_text("time derived, right to 140 ms")
    page.locator(".plots").focus()
    page.keyboard.press("Shift+ArrowLeft")
    said = page.locator("p.visually-hidden[aria-live]")
    expect(said).to_contain_text("time derived, right to 140 ms")


def test_export(screen, tmp_path: Path) -> None:
    """What is shown, as CSV and as a picture."""
    page = opened(screen)
    with page.expect_download() as given:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(given.value.path()).read_text())))
    assert {row["series"] for row in rows} == {"pi/air.value", "pi/weight.value"}
    assert {row["quality"] for row in rows} == {"good"}
    assert all(18 <= float(row["value"]) <= 22 for row in rows if row["unit"] == "°C")
    with page.expect_download() as given:
        page.get_by_role("button", name="PNG").click()
    assert Path(given.value.path()).read_bytes().startswith(b"\x89PNG")


def test_series_are_chosen_by_name(screen) -> None:
    """An empty chart leads to the choice; one that is gone is told in words."""
    page = screen.go("/chart")
    page.get_by_role("button", name="Choose series").click()
    page.get_by_label("Search series").fill("weight")
    page.get_by_label("pi/weight.value").check()
    page.keyboard.press("Escape")
    expect(page.locator(".legend tbody tr")).to_have_count(1)
    screen.go("/chart?series=pi/gone.value")
    expect(page.get_by_role("alert")).to_contain_text("No device has such a series")


def test_compared_with_the_day_before(screen) -> None:
    """It is asked for and in the address; where there was nothing, nothing is shown."""
    page = opened(screen)
    page.get_by_label("Compare with").select_option("day")
    page.wait_for_url(re.compile("compare=day"))
    expect(page.locator(".plots")).to_have_attribute("aria-busy", "false")


def test_fingers(new_screen, station) -> None:
    """One finger moves, and nothing is cut off on a phone."""
    screen = new_screen(station.base, viewport=browsers.PHONE, has_touch=True, is_mobile=True)
    page = opened(screen)
    assert page.evaluate("document.documentElement.scrollWidth") <= browsers.PHONE["width"]
    box = page.locator(".u-over").first.bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    x, y = box["x"] + 60, box["y"] + 60
    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x + 15 * step, y))
    touch("touchEnd")
    start, end = span_of(page)
    assert end - start == pytest.approx(300_000, abs=2)
    touch("touchStart", (x, y), (x + 60, y))
    for step in range(1, 9):
        touch("touchMove", (x, y), (x + 60 + 12 * step, y))
    touch("touchEnd")
    page.wait_for_function("(was) => !location.search.includes(was)", arg=iso(start))
    nearer, nearer_end = span_of(page)
    assert nearer_end - nearer < (end - start) * 0.7
