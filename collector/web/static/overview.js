/** The overview: every device with its state, every series as a tile. */

import { addressOfOverview, lengthOf, overviewOf } from "./address.js";
import { ApiError } from "./api.js";
import { element, fill, onceAFrame } from "./dom.js";
import { countedByState, finding, grouped, isOwn } from "./grouping.js";
import { Groups } from "./groups.js";
import { Latest } from "./latest.js";
import { OverviewTools } from "./overviewtools.js";
import { traces } from "./sparkline.js";
import { Tile } from "./tile.js";
import { stateWord } from "./words.js";

const TICK_EVERY = 1000;
const REDRAW_EVERY = 5000;
// What one frame may take for tiles; the rest waits for the next one.
const FRAME_BUDGET = 8;

/** Show it. */
export async function show(root, context) {
  const overview = new Overview(root, context);
  await overview.begin();
  return () => overview.end();
}

class Overview {
  #view = overviewOf(location.search);
  #latest = new Latest();
  /** @type {Map<string, import("./sparkline.js").Trace>} */
  #traces = new Map();
  /** Devices whose traces were asked for. */
  #traced = new Set();
  #isAsking = false;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** Tiles whose reading is newer than what they show. */
  #dirty = new Set();
  #endings = [];
  #asking = new AbortController();

  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.flushSoon = onceAFrame(() => this.#flush());
    this.tools = new OverviewTools(this.#view, (change) => this.#set(change));
    this.groups = new Groups(context, (tile) => this.#sight(tile));
  }

  async begin() {
    const { devices, series, live, settings, onReturn } = this.context;
    this.#endings.push(live.subscribe("*", (piece) => this.#hear(piece)));
    await Promise.all([
      devices.known(),
      series.known(),
      this.#ask(),
    ]);
    fill(this.root, element("h1.visually-hidden", {}, "Overview"), this.tools.node, this.groups.node);
    this.#arrange();
    const rounds = [setInterval(() => this.#tick(), TICK_EVERY), setInterval(() => this.#redraw(), REDRAW_EVERY)];
    this.#endings.push(
      devices.subscribe(() => this.#arrange()),
      series.subscribe(() => this.#arrange()),
      settings.subscribe(() => this.#showAll()),
      onReturn(() => this.#askAnew()),
      live.on("missed", () => this.#askAnew()),
      live.on("dropped", () => this.#askAnew()),
      () => rounds.forEach(clearInterval),
    );
    document.addEventListener("keydown", this.#key);
  }

  end() {
    this.#asking.abort();
    this.flushSoon.cancel();
    this.groups.end();
    document.removeEventListener("keydown", this.#key);
    for (const ending of this.#endings) ending();
  }

  async #ask() {
    const { latest } = await this.context.api.get("/api/v1/latest", { time: "ms" });
    this.#latest.take(latest);
  }

  async #askAnew() {
    try {
      await this.#ask();
      this.#showAll();
      this.#traced.clear();
      await this.#askTraces();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // The shell says so, and calls again.
    }
  }

  /**
   * Ask for the recent past of what is in sight, a device at a time: where hundreds of series are read each
   * second it takes the collector a while.
   */
  async #askTraces() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      for (let device = this.#untraced(); device; device = this.#untraced()) await this.#askTracesOf(device);
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof ApiError)) throw error;
    } finally {
      this.#isAsking = false;
    }
  }

  async #askTracesOf(device) {
    const { last } = this.#view;
    this.#traced.add(device);
    const found = await traces(this.context.api, device, last, lengthOf(last), { signal: this.#asking.signal });
    if (last !== this.#view.last) return;
    for (const [name, trace] of found) this.#traces.set(name, trace);
    for (const tile of this.groups.seen) if (found.has(tile.name)) tile.draw(found.get(tile.name));
  }

  #untraced() {
    for (const tile of this.groups.seen) if (!this.#traced.has(tile.series.device)) return tile.series.device;
    return null;
  }

  #key = (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.tools.search.focus();
    } else if (event.key === "Escape" && event.target === this.tools.search) {
      this.tools.clear();
    }
  };

  #set(change) {
    Object.assign(this.#view, change);
    this.context.note(addressOfOverview(this.#view));
    this.#arrange();
    if (!change.last) return;
    this.#traced.clear();
    this.#askTraces();
  }

  /** Put the tiles into their groups; those that are there already are used again. */
  #arrange() {
    const { devices, series } = this.context;
    const { query, grouping, state } = this.#view;
    const isFound = finding(query, (device) => devices.of(device)?.label ?? "");
    const hasState = (device) => !state || this.#facts(device).state === state;
    const all = series.all();
    const wanted = all.filter((each) => isFound(each) && hasState(each.device));
    const groups = grouped(wanted, grouping, (device) => this.#facts(device));
    if (grouping === "device") groups.push(...this.#withoutSeries(all, hasState));
    this.groups.arrange(groups, (each) => this.#tile(each, grouping), () => this.#nothing(all.length));
    const found = query || state ? `${wanted.length} of ${all.length} series` : `${wanted.length} series`;
    this.tools.show(countedByState(devices.all()), state, found);
  }

  /** Devices that never said anything of a series. */
  #withoutSeries(all, hasState) {
    const withSeries = new Set(all.filter((each) => !isOwn(each.series)).map((each) => each.device));
    const words = this.#view.query.trim().toLowerCase();
    return this.context.devices.all()
      .filter(({ device }) => !withSeries.has(device) && hasState(device) && device.includes(words))
      .map(({ device }) => ({ key: device, title: this.#facts(device).title, device, series: [] }));
  }

  #tile(series, grouping) {
    const key = JSON.stringify([series, grouping]);
    let tile = this.#tiles.get(series.series);
    if (tile?.key !== key) {
      tile = new Tile(series, this.context, grouping !== "device");
      tile.key = key;
      this.#tiles.set(series.series, tile);
      this.#renew(tile);
    }
    return tile;
  }

  #nothing(count) {
    const { query, state } = this.#view;
    if (count === 0 && this.context.devices.all().length === 0) {
      return element(
        "div.empty", {},
        element("h2", {}, "No device has sent anything yet"),
        element("p", {}, "Invite one, and start its agent: its readings appear here by themselves."),
        element("a.button", { href: "/devices" }, "Devices"),
      );
    }
    const words = query ? `Nothing matches “${query}”.` : `No device is ${stateWord(state) || "here"}.`;
    const button = element("button", { type: "button", onclick: () => this.tools.clear() }, "Show all");
    return element("div.empty", {}, element("p", {}, words), button);
  }

  #facts(device) {
    const found = this.context.devices.of(device);
    return { title: found?.label || device, state: found?.state ?? "live" };
  }

  #hear(piece) {
    this.#latest.hear(piece);
    const trace = this.#traces.get(piece.series);
    if (trace && piece.times) piece.times.forEach((time, n) => piece.values[n] !== null && trace.add(time, piece.values[n]));
    const tile = this.#tiles.get(piece.series);
    if (!this.groups.seen.has(tile)) return;
    this.#dirty.add(tile);
    this.flushSoon();
  }

  #flush() {
    const until = performance.now() + FRAME_BUDGET;
    for (const tile of this.#dirty) {
      this.#dirty.delete(tile);
      tile.show(this.#latest.bySeries.get(tile.name));
      if (performance.now() > until) break;
    }
    if (this.#dirty.size) this.flushSoon();
  }

  #sight(tile) {
    this.#renew(tile);
    this.#askTraces();
  }

  #renew(tile) {
    tile.show(this.#latest.bySeries.get(tile.name));
    tile.draw(this.#traces.get(tile.name));
  }

  #tick() {
    if (document.visibilityState !== "visible") return;
    for (const tile of this.groups.seen) tile.tick(this.#latest.bySeries.get(tile.name));
  }

  #redraw() {
    if (document.visibilityState !== "visible") return;
    for (const tile of this.groups.seen) tile.draw(this.#traces.get(tile.name));
  }

  #showAll() {
    for (const tile of this.groups.seen) this.#renew(tile);
    this.groups.showDevices();
  }
}
