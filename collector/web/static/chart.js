/** The chart: some series in a span of time, from seconds to years, that can follow what comes. */

import { addressOfChart, chartOf, lengthOf, shiftOf } from "./address.js";
import { ApiError } from "./api.js";
import { causesOf } from "./causes.js";
import { ChartTools, help } from "./charttools.js";
import { csvOf, fileName, pictureOf, save } from "./exporting.js";
import { element, fill, onceAFrame, setText } from "./dom.js";
import { byKeys } from "./gestures.js";
import { Legend } from "./legend.js";
import { onThemeChange, palette } from "./palette.js";
import { pickSeries } from "./picker.js";
import { Plots } from "./plots.js";
import { spoken } from "./readout.js";
import { askDoubts, gapsOf, tracksOf } from "./source.js";
import { bounded, isAtEdge, lastOf, moved, spanOf, zoomed } from "./span.js";
import { Track } from "./track.js";

// Behind the last move of a gesture the readings for what is shown now are asked for.
const SETTLED_AFTER = 140;
const FOLLOW_EVERY = 250;
const MARKS_EVERY = 30000;

/** Show it. */
export async function show(root, context) {
  const chart = new Chart(root, context);
  await chart.begin();
  return () => chart.end();
}

class Chart {
  #tracks = new Map();
  #pasts = new Map();
  #gaps = [];
  #heard = [];
  #endings = [];
  #asking = new AbortController();
  #settling = 0;
  #drawnAt = 0;
  #isNews = false;

  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.state = chartOf(location.search);
    this.colours = palette();
    this.drawSoon = onceAFrame(() => this.#draw());
    this.acts = {
      preset: (last) => this.#set({ last, start: NaN, end: NaN }),
      move: (share) => this.#go(moved(this.span, share, this.now)),
      zoom: (factor, at = 0.5) => this.#zoom(factor, at),
      follow: () => this.#follow(),
      compare: (compare) => this.#set({ compare }),
      pick: () => pickSeries(context, this.state.series, (series) => this.#set({ series })),
      csv: () => this.#saveCsv(),
      png: () => this.#savePicture(),
      point: (direction) => this.#step(direction),
      leave: () => this.plots.point(null),
      toggle: (series) => this.#toggle(series),
      remove: (name) => this.#set({ series: this.state.series.filter((each) => each !== name) }),
      focus: (series) => this.plots.focus(series),
    };
  }

  get now() {
    return this.context.time.now();
  }

  get span() {
    return spanOf(this.state, this.now);
  }

  async begin() {
    const { live, series, devices, settings, onReturn } = this.context;
    this.#build();
    await Promise.all([series.known(), devices.known()]);
    const rounds = [
      setInterval(() => this.#keepUp(), FOLLOW_EVERY),
      setInterval(() => document.visibilityState === "visible" && this.#askMarks(), MARKS_EVERY),
    ];
    this.#endings.push(
      live.subscribe("*", (piece) => this.#hear(piece)),
      live.on("missed", () => this.#load()),
      live.on("dropped", () => this.#load()),
      onReturn(() => this.#load()),
      settings.subscribe(() => this.#draw()),
      onThemeChange(() => this.#repaint()),
      () => rounds.forEach(clearInterval),
    );
    // It is measured once it is in the page.
    requestAnimationFrame(() => this.#start());
  }

  end() {
    this.#asking.abort();
    clearTimeout(this.#settling);
    this.drawSoon.cancel();
    this.plots.end();
    for (const ending of this.#endings) ending();
  }

  #build() {
    this.tools = new ChartTools(this.acts);
    this.legend = new Legend(this.context, this.acts);
    this.plots = new Plots(this.context, {
      select: (span) => this.#go(bounded(span, this.now)),
      reset: () => this.acts.zoom(4),
      resized: () => this.#settle(),
      gestures: this.acts,
    });
    byKeys(this.plots.node, this.acts);
    this.said = element("p.visually-hidden", { "aria-live": "polite" });
    fill(
      this.root, element("h1.visually-hidden", {}, "Chart"), this.tools.node, this.plots.node, this.said, this.legend.node, help(),
    );
  }

  #start() {
    this.#nameSeries();
    this.#draw();
    this.#load();
  }

  #set(change) {
    Object.assign(this.state, change);
    this.context.note(addressOfChart(this.state));
    if (change.series) this.#nameSeries();
    this.#load();
  }

  #nameSeries() {
    const { series, hidden } = this.state;
    this.legend.set(series, hidden, (name) => this.#colourOf(name));
    document.title = `${series.length === 1 ? series[0] : `${series.length} series`} · Telegauge`;
  }

  #colourOf(name) {
    return this.colours.series[this.state.series.indexOf(name) % this.colours.series.length];
  }

  /** Show another span now, and ask for its readings when the gesture is over. */
  #go(span) {
    const isFollowing = isAtEdge(span, this.now);
    Object.assign(this.state, isFollowing ? { last: lastOf(span), start: NaN, end: NaN } : { last: "", ...span });
    this.drawSoon();
    this.#settle();
  }

  #zoom(factor, at) {
    // Who follows goes on to follow: the right edge stays where it is.
    if (this.state.last) this.#go(zoomed(this.span, factor, factor < 1 && at < 0.85 && at !== 0.5 ? at : 1, this.now));
    else this.#go(zoomed(this.span, factor, at, this.now));
  }

  #follow() {
    if (this.state.last) this.#set({ last: "", ...this.span });
    else this.#set({ last: lastOf(this.span), start: NaN, end: NaN });
  }

  #settle() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.context.note(addressOfChart(this.state));
      this.#load();
    }, SETTLED_AFTER);
  }

  /** What is known of the series that are wanted; those that are gone are left out. */
  #described() {
    return this.state.series.map((name) => this.context.series.of(name)).filter(Boolean);
  }

  #gone() {
    const gone = this.state.series.filter((name) => !this.context.series.of(name));
    return gone.map((name) => [name, new ApiError("No device has such a series, or not any more.", 404)]);
  }

  async #load() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const { api } = this.context;
    const [span, width, described] = [this.span, this.plots.width, this.#described()];
    const shift = shiftOf(this.state.compare);
    this.#heard = [];
    this.plots.node.setAttribute("aria-busy", "true");
    try {
      const [tracks, pasts] = await Promise.all([
        tracksOf(api, described, span, width, { signal }),
        shift ? tracksOf(api, described, span, width, { signal, shift }) : new Map(),
      ]);
      this.#tracks = new Map([...tracks, ...this.#gone()]);
      this.#pasts = pasts;
      for (const piece of this.#heard) this.#take(piece);
      this.#draw();
      performance.mark("chart-drawn");
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      return;
    }
    this.plots.node.setAttribute("aria-busy", "false");
    await this.#askMarks(signal);
  }

  async #askMarks(signal = this.#asking.signal) {
    const { span, context: { api } } = this;
    try {
      this.#gaps = await gapsOf(api, this.#described(), span, { signal });
      this.#mark();
      await askDoubts(api, [...this.#tracks.values(), ...this.#pasts.values()], span, this.plots.width, { signal });
      this.#mark();
    } catch (error) {
      // What the collector did not answer the shell says; the lines are there all the same.
      if (!(error instanceof ApiError || error.name === "AbortError")) throw error;
    }
  }

  #hear(piece) {
    if (!this.state.series.includes(piece.series)) return;
    this.#heard.push(piece);
    this.#take(piece);
  }

  #take(piece) {
    const track = this.#tracks.get(piece.series);
    if (!(track instanceof Track) || track.unit !== piece.unit) return;
    track.hear(piece);
    this.#isNews = true;
  }

  /** Let the live edge go on: as often as it is seen to move. */
  #keepUp() {
    if (!this.state.last || document.visibilityState !== "visible") return;
    const a_pixel = lengthOf(this.state.last) / Math.max(1, this.plots.width);
    const since = performance.now() - this.#drawnAt;
    if (since < Math.min(a_pixel, 5000) && !(this.#isNews && since > 1000)) return;
    for (const track of this.#tracks.values()) if (track instanceof Track) track.forget(this.span.start);
    this.drawSoon();
  }

  #draw() {
    const { span } = this;
    this.#drawnAt = performance.now();
    this.#isNews = false;
    this.plots.show(this.#linesNow(), span, this.colours);
    const tracks = [...this.#tracks.values()].filter((each) => each instanceof Track);
    const every = tracks.length ? Math.max(...tracks.map((track) => track.every)) : null;
    this.tools.show(this.state, span, every, this.context.time);
    this.legend.show(this.#tracks, span);
    this.plots.empty(this.state.series.length === 0 ? this.acts.pick : null);
    this.#mark();
  }

  #linesNow() {
    const shown = this.state.series.filter((name) => !this.state.hidden.includes(name));
    return this.plots.linesOf(shown, this.#tracks, this.#pasts, (name) => [this.#colourOf(name), this.state.series.indexOf(name)]);
  }

  #mark() {
    const tracks = this.state.series.map((name) => this.#tracks.get(name)).filter((each) => each instanceof Track);
    this.plots.mark(causesOf(this.#gaps, tracks, this.context.devices.all(), this.span, this.now));
  }

  #repaint() {
    this.colours = palette();
    this.#nameSeries();
    this.#draw();
  }

  #toggle(series) {
    const { hidden } = this.state;
    this.state.hidden = hidden.includes(series) ? hidden.filter((each) => each !== series) : [...hidden, series];
    this.context.note(addressOfChart(this.state));
    this.#draw();
  }

  /** Go from reading to reading of the first series, and say what is there. */
  #step(direction) {
    const line = this.#linesNow()[0];
    if (!line || line.track.times.length === 0) return;
    const { track } = line;
    const from = this.plots.time ?? this.span.end;
    const n = this.plots.time === null ? track.times.length - 1 : track.next(from, direction);
    if (n < 0) return;
    const time = track.times[n] + track.every / 2;
    this.plots.point(time);
    setText(this.said, spoken(this.plots.panels, time, (at) => this.context.time.full(at)));
  }

  #saveCsv() {
    const text = csvOf(this.#linesNow(), this.span);
    save(new Blob([text], { type: "text/csv" }), fileName(this.state.series, this.context.time.full(this.now), "csv"));
  }

  async #savePicture() {
    const { time } = this.context;
    const title = `${time.full(this.span.start)} to ${time.full(this.span.end)} (${time.zone})`;
    save(await pictureOf(this.plots.panels, title, this.colours), fileName(this.state.series, time.full(this.now), "png"));
  }
}
