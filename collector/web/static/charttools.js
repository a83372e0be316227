/** The tools above a chart. */

import { element, fill, setText } from "./dom.js";
import { lasting } from "./clock.js";
import { PRESETS } from "./span.js";

const WORDS = { "5m": "5 min", "1h": "1 h", "6h": "6 h", "24h": "24 h", "7d": "7 d", "30d": "30 d", "1y": "1 y" };
const COMPARISONS = [["", "No comparison"], ["day", "With the day before"], ["week", "With the week before"]];
const KEYS = [
  ["← →", "move"], ["↑ ↓ or + −", "zoom"], ["Page ↑ ↓", "move by a screen"], ["Shift ← →", "from reading to reading"],
  ["End", "follow what comes"], ["Esc", "cursor away"],
];
const MOUSE = [
  ["Drag", "zoom to that"], ["Wheel", "zoom"], ["Shift and drag", "move"], ["Double click", "zoom out"],
  ["One finger, two fingers", "move, zoom"],
];

/**
 * @typedef {{preset: (last: string) => void, move: (share: number) => void, zoom: (factor: number) => void,
 *   follow: () => void, compare: (with_: string) => void, pick: () => void, csv: () => void, png: () => void}} Acts
 */

export class ChartTools {
  /** @param {Acts} acts */
  constructor(acts) {
    const button = (word, label, act) => element("button", { type: "button", "aria-label": label, title: label, onclick: act }, word);
    this.presets = PRESETS.map((last) => element(
      "button", { type: "button", "aria-pressed": "false", "data-last": last, onclick: () => acts.preset(last) }, WORDS[last],
    ));
    this.live = element("button.live", { type: "button", "aria-pressed": "false", title: "Follow what comes", onclick: () => acts.follow() }, "Follow");
    const options = COMPARISONS.map(([value, word]) => element("option", { value }, word));
    this.comparison = element("select.compare", { "aria-label": "Compare with", onchange: () => acts.compare(this.comparison.value) }, ...options);
    this.when = element("p.span", { role: "status" });
    this.node = element(
      "div.tools.charttools",
      {},
      element("div.joined", { role: "group", "aria-label": "Span" }, ...this.presets),
      element(
        "div.joined", { role: "group", "aria-label": "Move and zoom" },
        button("‹", "Earlier", () => acts.move(-0.5)), button("−", "Zoom out", () => acts.zoom(2)),
        button("+", "Zoom in", () => acts.zoom(0.5)), button("›", "Later", () => acts.move(0.5)),
      ),
      this.live,
      this.comparison,
      element("button", { type: "button", onclick: () => acts.pick() }, "Series…"),
      element("div.joined", { role: "group", "aria-label": "Export what is shown" },
        element("button", { type: "button", onclick: () => acts.csv() }, "CSV"),
        element("button", { type: "button", onclick: () => acts.png() }, "PNG")),
      this.when,
    );
  }

  /** Show what is in force. */
  show(state, span, every, time) {
    for (const each of this.presets) each.setAttribute("aria-pressed", String(each.dataset.last === state.last));
    this.live.setAttribute("aria-pressed", String(state.last !== ""));
    this.comparison.value = state.compare;
    const is = time.day(span.start) === time.day(span.end);
    const end = is ? time.time(span.end) : time.full(span.end);
    const what = every === null ? "" : every > 0 ? `, each point ${told(every)}` : ", every reading";
    setText(this.when, `${time.full(span.start)} to ${state.last ? "now" : end}${what}`);
  }
}

/** How a chart is used, for those who look. */
export function help() {
  const rows = (pairs) => pairs.map(([key, word]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, word)));
  const node = element("details.help", {}, element("summary", {}, "Keys, mouse and what the marks mean"));
  fill(
    node, node.firstChild,
    element("dl", {}, ...rows(KEYS), ...rows(MOUSE)),
    element(
      "dl.marks", {},
      mark("lost", "hatched: readings were lost, the cursor says why"),
      mark("quiet", "grey: no reading came, none is known to be lost"),
      mark("waiting", "violet: the device is away, what it keeps may still come"),
      mark("bad", "cross below: a bad reading, which has no value"),
      mark("suspect", "diamond: a suspect reading"),
      mark("derived", "dotted below: times derived by the collector"),
      mark("band", "band: least and greatest of each point"),
    ),
  );
  return node;
}

function mark(kind, words) {
  return element("div", {}, element("dt", {}, element("i.sample", { "data-kind": kind, "aria-hidden": "true" })), element("dd", {}, words));
}

function told(every) {
  return every < 1000 ? `${Math.round(every)} ms` : lasting(every);
}
