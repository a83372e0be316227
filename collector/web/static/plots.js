/** The panels of a chart, one a unit, and the cursor that they share. */

import { element, fill } from "./dom.js";
import { byPointer } from "./gestures.js";
import { dashOf } from "./palette.js";
import { Panel } from "./panel.js";
import { Readout } from "./readout.js";
import { Track } from "./track.js";
import { shownIn } from "./units.js";

const LEAST_HEIGHT = 190;
const MOST_HEIGHT = 560;
const PHONE = 640;
// What stands above and below the panels on a screen.
const ELSE = 330;

export class Plots {
  /** @type {Panel[]} */
  panels = [];
  /** Where the cursor is, ms; null: away. */
  time = null;
  #byUnit = new Map();
  #places = new Map();
  #bound = new WeakSet();

  /**
   * @param {import("./shell.js").Context} context
   * @param {{select: (span: import("./span.js").Span) => void, reset: () => void, resized: () => void,
   *   gestures: import("./gestures.js").Acts}} acts
   */
  constructor(context, acts) {
    this.context = context;
    this.acts = acts;
    this.readout = new Readout();
    this.node = element("div.plots", {
      tabindex: "0", role: "group", "aria-roledescription": "chart",
      "aria-label": "Chart. Arrow keys move and zoom, shift and arrow keys go from reading to reading, End follows what comes.",
      onpointerleave: () => this.readout.hide(),
    });
    this.#sizes = new ResizeObserver(() => this.#resize());
    this.#sizes.observe(this.node);
  }

  #sizes;
  #wide = 0;

  /** How wide a plot is, in pixels. */
  get width() {
    return this.panels[0]?.width ?? Math.max(200, this.node.clientWidth - 70);
  }

  /**
   * The lines of series: of each its own, and what it is compared with.
   * @param {(series: string) => [colour: string, index: number]} styleOf
   * @returns {import("./panel.js").Line[]}
   */
  linesOf(series, tracks, pasts, styleOf) {
    return series.flatMap((name) => {
      const [colour, index] = styleOf(name);
      const its = [[tracks.get(name), false], [pasts.get(name), true]].filter(([track]) => track instanceof Track);
      return its.map(([track, isPast]) => {
        const { sign, of, more } = shownIn(track.unit, this.context.settings);
        const decimals = this.context.series.of(name)?.decimals ?? null;
        return {
          key: `${name} ${isPast}`, title: isPast ? `${name}, before` : name, track, colour, dash: dashOf(index), isPast, sign, of,
          decimals: decimals === null ? null : decimals + more,
        };
      });
    });
  }

  /** Show lines, each in the panel of its unit. */
  show(lines, span, colours) {
    const units = new Map();
    for (const line of lines) {
      if (!units.has(line.sign)) units.set(line.sign, []);
      units.get(line.sign).push(line);
    }
    this.#arrange([...units.keys()]);
    this.lastShown = [lines, span, colours];
    const size = this.#size(units.size);
    for (const panel of this.panels) {
      panel.show(units.get(panel.sign), span, colours, size);
      if (panel.over && !this.#bound.has(panel.over)) {
        this.#bound.add(panel.over);
        byPointer(panel.over, this.acts.gestures);
      }
    }
    if (this.time !== null && !this.readout.node.hidden && this.hovered) this.#tell(this.hovered, this.time);
  }

  /** Say that there is nothing to show, and what can be done about it; null: there is. */
  empty(pick) {
    this.nothing?.remove();
    this.nothing = null;
    if (!pick) return;
    this.nothing = element(
      "div.empty", {}, element("p", {}, "No series is chosen."),
      element("button.primary", { type: "button", onclick: pick }, "Choose series"),
    );
    this.node.append(this.nothing);
  }

  mark(causes) {
    for (const panel of this.panels) {
      const devices = new Set(panel.lines.map((line) => line.track.series.split("/")[0]));
      panel.mark(causes.filter((cause) => devices.has(cause.device)));
    }
  }

  focus(series) {
    for (const panel of this.panels) panel.focus(series);
  }

  /** Put the cursor at a time; null: away. */
  point(time) {
    this.time = time;
    for (const panel of this.panels) panel.point(time);
    if (time === null) this.readout.hide();
    else if (this.panels[0]) this.#tell(this.panels[0], time);
  }

  end() {
    this.#sizes.disconnect();
    for (const panel of this.#byUnit.values()) panel.end();
  }

  #arrange(signs) {
    for (const [sign, panel] of this.#byUnit) {
      if (signs.includes(sign)) continue;
      panel.end();
      this.#byUnit.delete(sign);
      this.#places.delete(sign);
    }
    for (const sign of signs) if (!this.#byUnit.has(sign)) this.#make(sign);
    this.panels = signs.map((sign) => this.#byUnit.get(sign));
    const places = signs.map((sign) => this.#places.get(sign));
    const areThere = places.length === this.node.querySelectorAll(".panel").length
      && places.every((place, n) => this.node.children[n] === place);
    if (!areThere) fill(this.node, ...places);
  }

  #make(sign) {
    const node = element("div.plot");
    const panel = new Panel(node, {
      parts: (time) => this.context.time.parts(time),
      selected: (span) => this.acts.select(span),
      reset: () => this.acts.reset(),
      hovered: (which, time) => this.#hover(which, time),
    });
    panel.sign = sign;
    panel.title = sign || "no unit";
    this.#byUnit.set(sign, panel);
    this.#places.set(sign, element("section.panel", { "aria-label": `In ${panel.title}` }, element("h2.unit-name", {}, panel.title), node));
  }

  #hover(panel, time) {
    // Panels hear of each other's cursor; the one under the mouse tells.
    if (!panel.over?.matches(":hover")) return;
    this.time = time;
    this.hovered = panel;
    if (time === null) this.readout.hide();
    else this.#tell(panel, time);
  }

  #tell(panel, time) {
    this.hovered = panel;
    this.readout.show(panel, time, (at) => this.context.time.full(at));
  }

  #size(count) {
    const [inner, isPhone] = [innerHeight, innerWidth <= PHONE];
    const room = Math.max(LEAST_HEIGHT, inner - (isPhone ? 300 : ELSE));
    const height = Math.round(Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, room / Math.max(1, count))));
    return { width: Math.max(240, this.node.clientWidth - 2), height };
  }

  #resize() {
    const width = this.node.clientWidth;
    if (!this.lastShown || Math.abs(width - this.#wide) < 2) return;
    const isFirst = this.#wide === 0;
    this.#wide = width;
    this.show(...this.lastShown);
    if (!isFirst) this.acts.resized();
  }
}
