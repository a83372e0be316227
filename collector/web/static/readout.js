/** What the cursor is at: the time, each series' reading there, and why something is missing. */

import { causesAt } from "./causes.js";
import { element, fill } from "./dom.js";
import { suspectWords } from "./doubts.js";
import { inWords } from "./latest.js";
import { written } from "./units.js";

const MOST_LINES = 12;

/**
 * What is said of one line at a time.
 * @param {import("./panel.js").Line} line
 * @param {number} time ms
 * @param {number} near how far off a reading may be, ms
 * @returns {{value: string, notes: string} | null}
 */
export function saidOf(line, time, near) {
  const point = line.track.at(time, near);
  if (point === null) return null;
  const shown = (value) => written(Number.isFinite(value) ? line.of(value) : null, line.decimals);
  const value = `${shown(point.value)} ${line.sign}`.trim();
  const notes = [];
  if (point.min !== undefined && point.count > 1) notes.push(`${shown(point.min)} to ${shown(point.max)}`);
  if (point.bad > 0) notes.push(`${point.bad} bad`);
  if (point.suspect) notes.push(suspectWords(point.suspect, point.time, point.time + line.track.every));
  if (point.quality && point.quality.grade !== "good") notes.push(inWords(point.quality));
  if (point.known === "derived") notes.push(`time derived${errorOf(point.error_ns)}`);
  return { value, notes: notes.join(", ") };
}

/** The tip that goes with the mouse. */
export class Readout {
  constructor() {
    this.node = element("div.readout", { hidden: true });
  }

  /**
   * Show it.
   * @param {import("./panel.js").Panel} panel
   * @param {number} time ms
   * @param {(time: number) => string} told
   */
  show(panel, time, told) {
    const { over, span } = panel;
    if (!over) return;
    const near = (span.end - span.start) / over.clientWidth * 12;
    const rows = [];
    for (const line of panel.lines.slice(0, MOST_LINES)) {
      // Beyond `far` something is missing between: that reading is not of this time.
      const said = saidOf(line, time, Math.min(near, line.track.far));
      if (said) rows.push(row(line, said));
    }
    const causes = causesAt(panel.causes, time, near / 4).map((cause) => element("p.cause", { "data-kind": cause.kind }, cause.words));
    fill(this.node, element("p.when", {}, told(time)), rows.length > 0 && element("table", {}, element("tbody", {}, ...rows)), ...causes);
    this.node.hidden = false;
    this.#place(panel, time);
  }

  hide() {
    this.node.hidden = true;
  }

  /** Beside the cursor, on the side where there is room. */
  #place(panel, time) {
    const { over, span, node } = panel;
    if (this.node.parentNode !== node) node.append(this.node);
    const x = over.offsetLeft + (time - span.start) / (span.end - span.start) * over.clientWidth + over.parentNode.offsetLeft;
    const width = this.node.offsetWidth;
    const left = x + 14 + width > node.clientWidth ? x - 14 - width : x + 14;
    this.node.style.left = `${Math.max(4, Math.min(left, node.clientWidth - width - 4))}px`;
  }
}

/** All of it as one sentence, for those who hear the page. */
export function spoken(panels, time, told) {
  const parts = panels.flatMap((panel) => panel.lines.filter((line) => !line.isPast).map((line) => {
    const said = saidOf(line, time, line.track.interval);
    return said && `${line.title} ${said.value}${said.notes ? `, ${said.notes}` : ""}`;
  }));
  const causes = panels.flatMap((panel) => causesAt(panel.causes, time, 0)).map((cause) => cause.words);
  return [told(time), ...parts.filter(Boolean), ...new Set(causes)].join("; ");
}

function row(line, { value, notes }) {
  const swatch = element("i.swatch", { "aria-hidden": "true" });
  swatch.style.background = line.colour;
  return element(
    "tr", { class: line.isPast ? "past" : null },
    element("th", { scope: "row" }, swatch, line.title),
    element("td.number", {}, value),
    element("td.notes", {}, notes),
  );
}

function errorOf(error_ns) {
  if (error_ns === null || error_ns === undefined) return "";
  const seconds = error_ns / 1e9;
  return seconds < 0.001 ? "" : `, right to ${seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`}`;
}
