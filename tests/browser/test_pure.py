"""The parts of the page that only reckon: units, addresses, spans, tracks, patterns, events."""

import math

import pytest

browsers = pytest.importorskip("kit.browsers")


@pytest.fixture(scope="module")
def call(browser, station):
    """Calls a function on a module of the page, which is loaded once."""
    screen = browsers.Screen(browser, station.base)
    yield screen.call
    faults = screen.faults()
    screen.close()
    assert faults == []


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (21.456, 2, "21.46"), (-0.04, 1, "0.0"), (-3.5, 1, "\u22123.5"), (1013.25, None, "1013.25"), (0, None, "0"),
        (None, 1, "\u2013"), (2e-9, None, "2.000e-9"), (123456789.123, 3, "123456789"), (0.125, None, "0.125"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_written(
    call, value: float | None, decimals: int | None, text: str
) -> None:
    """With the decimals that carry something, and a minus that looks like one."""
    assert call("units.js", "(m, v, d) => m.written(v, d)", value, decimals) == text


def test_units(call) -> None:
    """As people write them, and the other ones where they are preferred."""
    script = """(m, unit, chosen) => {
      const { sign, of } = m.shownIn(unit, { get: (name) => chosen[name] });
      return [sign, of(100)];
    }"""
    assert call("units.js", script, "ug/m3", {}) == ["µg/m³", 100]
    assert call("units.js", script, "degC", {"temperature": "degF"}) == ["°F", 212]
    sign, value = call("units.js", script, "hPa", {"pressure": "inHg"})
    assert (sign, round(value, 4)) == ("inHg", 2.953)
    assert call("units.js", script, "furlong", {}) == ["furlong", 100]


def test_address_of_a_chart_holds_the_view(call) -> None:
    """What is read from an address says the same address again; nonsense is left out."""
    there_and_back = "(m, s) => m.addressOfChart(m.chartOf(s))"
    for search in (
        "?series=a/b.c&series=a/b.d&last=24h&compare=week&hidden=a/b.d",
        "?series=a/b.c&start=2026-11-23T12:00:00.000Z&end=2026-11-23T13:00:00.000Z",
    ):
        assert call("address.js", there_and_back, search) == f"/chart{search}"
    assert (
        call("address.js", there_and_back, "?series=none&start=x&end=y&last=-1&compare=z")
        == "/chart?last=24h"
    )
    there_and_back = "(m, s) => m.addressOfOverview(m.overviewOf(s))"
    for search in ("", "?q=air&group=quantity&state=late&spark=24h"):
        assert call("address.js", there_and_back, search) == f"/{search}"


def test_spans_stay_within_bounds(call) -> None:
    """Zooming keeps the place under the pointer; nothing goes far beyond now, or below a second."""
    zoomed = "(m, span, factor, at) => m.zoomed(span, factor, at, 2e12)"
    assert call("span.js", zoomed, {"start": 1e12, "end": 1e12 + 1000_000}, 0.5, 0.25) == {
        "start": 1e12 + 125_000, "end": 1e12 + 625_000,
    }  # fmt: skip
    narrow = call("span.js", zoomed, {"start": 1e12, "end": 1e12 + 1000}, 0.001, 0.5)
    assert narrow["end"] - narrow["start"] == 1000
    moved = call("span.js", "(m) => m.moved({ start: 2e12 - 1000, end: 2e12 }, 5, 2e12)")
    assert moved == {"start": 2e12 - 500, "end": 2e12 + 500}


def test_events_however_they_are_cut(call) -> None:
    """The stream is taken apart the same way wherever it was cut."""
    text = ': alive\n\nid: 7\ndata: {"a":1}\n\nevent: missed\ndata: {}\n\n'
    script = """(m, text, size) => {
      const events = [];
      const parser = new m.EventParser((event) => events.push(event));
      for (let n = 0; n < text.length; n += size) parser.take(text.slice(n, n + size));
      return events;
    }"""
    whole = [
        {"type": "message", "data": '{"a":1}', "id": "7"},
        {"type": "missed", "data": "{}", "id": "7"},
    ]
    for size in (1, 3, 1000):
        assert call("live.js", script, text, size) == whole


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "a/b.c", True), ("a/*", "a/b.c", True), ("a/*", "ab/b.c", False), ("*/air.*", "x/air.t", True),
        ("a/b.?", "a/b.c", True), ("a/b.[cd]", "a/b.d", True), ("a/b.[!c]", "a/b.c", False), ("a.b", "axb", False),
    ],
)  # fmt: skip
def test_patterns_are_the_collectors(call, pattern: str, name: str, matches: bool) -> None:
    """Shell globs, as in every other place."""
    assert call("patterns.js", "(m, p, n) => m.matching(p)(n)", pattern, name) is matches


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ["a/air.t"]), ("agent", ["a/agent.uptime"]), ("*", ["a/air.t", "a/agent.uptime"])],
)
def test_health_of_agents_is_found_by_who_looks_for_it(call, text: str, found: list[str]) -> None:
    """It would fill the page."""
    script = """(m, text, names) => names.filter((series) =>
      m.finding(text, () => "")({ series, device: "a", unit: "", quantity: "", label: null }))"""
    assert call("grouping.js", script, text, ["a/air.t", "a/agent.uptime"]) == found


def test_line_breaks_where_readings_are_missing(call) -> None:
    """And nowhere else, beside lines of other times too; live readings go on behind."""
    script = """(m) => {
      const track = new m.Track('a/b.c', { interval: 1000, every: 0, unit: '' });
      const times = [0, 1000, 2000, 9000, 10000];
      track.take([{ head: { time_known: 'synced' }, times, values: [1, 2, 3, 4, 5], qualities: [0, 0, 0, 0, 0] }]);
      track.hear({ times: [11000, 10500], values: [null, 9], qualities: [129, 0], reasons: { 129: 'bad (read_failed)' } });
      const other = { times: [5000, 5500], values: [7, 8] };
      const [x, line, beside] = m.aligned([track.line(), other], [['values'], ['values']]);
      return { x, line, beside: beside.map((v) => v === undefined ? 'none' : v), last: track.point(5).quality };
    }"""
    found = call("track.js", script)
    assert found["x"] == [0, 1000, 2000, 2001, 5000, 5500, 9000, 10000, 11000]
    assert found["line"] == [1, 2, 3, None, None, None, 4, 5, None]
    assert found["beside"] == ["none"] * 4 + [7, 8] + ["none"] * 3
    assert found["last"] == {"grade": "bad", "reason": "read_failed"}


def test_doubts_lie_in_buckets(call) -> None:
    """What touches a bucket is its own too; live readings go on where those that are known end."""
    script = """(m) => {
      const track = new m.Track('a/b.c', { interval: 1000, every: 10000, unit: '' });
      const bucket = [0, 10000, 20000, 30000, 40000];
      const same = bucket.map(() => 1);
      track.take([{ head: {}, times: bucket, mean: same, min: same, max: same, count: same, bad: same }]);
      const common = { from: 12000, to: 29999, readings: 5 };
      track.doubts.take([
        { ...common, kind: 'suspect', reasons: ['suspect (jumped)'], time_error_ns: null },
        { ...common, kind: 'derived', reasons: [], time_error_ns: 7 },
      ]);
      track.hear({ times: [31000, 39000], values: [1, 1], time_known: 'derived', time_error_ns: 7, reasons: {} });
      return bucket.map((_, n) => track.point(n)).map((each) => [each.suspect?.readings ?? 0, each.known ?? '', each.error_ns ?? 0]);
    }"""
    assert call("track.js", script) == [
        [0, "", 0],
        *[[5, "derived", 7]] * 2,
        [0, "derived", 7],
        [0, "", 0],
    ]


def test_suspect_readings_are_counted_where_all_of_them_are_meant(call) -> None:
    """Of a span that goes on beyond a bucket nobody knows how many lie within."""
    script = """(m, start, end) => m.suspectWords(
      { from: 5, to: 9, readings: 3, reasons: ['suspect (power_on_value)', 'suspect'] }, start, end)"""
    assert call("doubts.js", script, 0, 10) == "3 suspect: power on value, suspect"
    assert call("doubts.js", script, 0, 8) == "suspect: power on value, suspect"


def test_buckets_keep_their_spikes(call) -> None:
    """What comes live goes into the newest bucket, with its least and greatest; bad readings are counted."""
    script = """(m) => {
      const track = new m.Track('a/b.c', { interval: 1000, every: 10000, unit: '' });
      track.take([{ head: {}, times: [0], mean: [2], min: [1], max: [3], count: [2], bad: [0] }]);
      track.hear({ times: [8000, 9000, 12000], values: [50, null, 4], qualities: null, reasons: {} });
      return [track.point(0), track.point(1), track.summed(0, 20000)];
    }"""
    first, second, summed = call("track.js", script)
    assert (first["min"], first["max"], first["value"], first["count"], first["bad"]) == (
        1,
        50,
        18,
        3,
        1,
    )
    assert (second["time"], second["min"], second["max"]) == (10000, 4, 4)
    assert (summed["low"], summed["high"], summed["count"]) == (1, 50, 4)
    assert math.isclose(summed["mean"], 14.5)


def test_causes_in_words(call) -> None:
    """What was lost, what was quiet, and what may still come."""
    script = """async (m, track) => {
      const { Track } = await import(track);
      const made = new Track('pi/b.c', { interval: 1000, every: 0, unit: '' });
      const times = [0, 1000, 30000];
      made.take([{ head: { time_known: 'synced' }, times, values: times, qualities: [0, 0, 0] }]);
      const gaps = [{ device: 'pi', from: 2000, to: 5000, readings: 3, meaning: 'no power' },
        { device: 'pi', from: null, to: 500, readings: null, meaning: 'gone' }];
      const devices = [{ device: 'pi', state: 'silent' }];
      const causes = m.causesOf(gaps, [made], devices, { start: 0, end: 90000 }, 80000);
      return [causes, m.causesAt(causes, 3000, 0), m.causesAt(causes, 9000, 0)];
    }"""
    about = call("units.js", "() => fetch('/api/v1/about').then((answer) => answer.json())")
    causes, at_loss, behind = call("causes.js", script, f"/static/{about['page']}/track.js")
    assert [(each["kind"], each["start"], each["end"]) for each in causes] == [
        ("lost", 2000, 5000), ("lost", 0, 500), ("quiet", 1000, 30000), ("waiting", 30000, 80000),
    ]  # fmt: skip
    assert causes[0]["words"] == "Lost of pi: 3 readings. Why: no power"
    assert "nobody knows how many" in causes[1]["words"]
    assert [each["kind"] for each in at_loss] == ["lost"]
    assert [each["kind"] for each in behind] == ["quiet"]


def test_packed_columns(call, station) -> None:
    """The bytes of /api/v1/readings are the readings that JSON gives."""
    script = """async (m, query) => {
      const data = await (await fetch('/api/v1/readings?format=columns&' + query)).arrayBuffer();
      return m.unpacked(data).map((block) => [[...block.times], [...block.values]]);
    }"""
    query = "series=pi/count.value&start=1000000000&end=now"
    packed = call("columns.js", script, query)
    told = station.client.get(f"/api/v1/readings?{query}&time=ms").json["readings"]
    times = [time for each in told for time in each["times"]]
    found = [time for block in packed for time in block[0]]
    assert len(found) > 2
    assert all(abs(one - other) <= 1 for one, other in zip(found, times, strict=False))
