/** A tile: one series with its value, its age, its recent past, and what is wrong with it. */

import { chartOfSeries } from "./address.js";
import { drawn, element, setText } from "./dom.js";
import { ownName, titleOf } from "./grouping.js";
import { inWords } from "./latest.js";
import { HEIGHT, pathOf, WIDTH } from "./sparkline.js";
import { shownIn, written } from "./units.js";

// As the collector judges devices: device_states.py.
const SILENT_INTERVALS = 5;
const SILENT_LEAST = 120000;

export class Tile {
  #grade = "";

  /**
   * @param {object} series as /api/v1/series has it
   * @param {import("./shell.js").Context} context
   * @param {boolean} namesDevice
   */
  constructor(series, context, namesDevice) {
    this.series = series;
    this.context = context;
    this.name = series.series;
    const own = ownName(series.series);
    this.value = element("span.value", {}, "–");
    this.unit = element("span.unit");
    this.age = element("span.age");
    this.mark = element("span.mark");
    this.path = drawn("path", { "vector-effect": "non-scaling-stroke" });
    const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    const where = namesDevice ? element("span.where", {}, `${series.device} `) : null;
    this.node = element(
      "a.tile",
      { href: chartOfSeries([series.series]), title: hint(series) },
      element("span.name", {}, where, series.label ? [element("span.label", {}, series.label), ` ${own}`] : own),
      element("span.reading", {}, this.value, " ", this.unit),
      drawn("svg.spark", box, this.path),
      element("span.foot", {}, this.age, this.mark),
    );
    this.node.tile = this;
  }

  /** Show a reading, or that there is none. */
  show(reading) {
    const { decimals } = this.series;
    if (!reading) return setText(this.age, "no reading yet");
    const { sign, of, more } = shownIn(reading.unit, this.context.settings);
    const value = reading.value === null ? null : of(reading.value);
    setText(this.value, written(value, decimals === null ? null : decimals + more));
    setText(this.unit, sign);
    this.tick(reading);
  }

  /** Show how old a reading is, and what is wrong with it. */
  tick(reading) {
    if (!reading) return;
    const { time } = this.context;
    const isSilent = reading.time !== null && time.now() - reading.time > silentAfter(this.series);
    const isDerived = reading.known === "derived";
    setText(this.age, `${isDerived ? "≈ " : ""}${time.age(reading.time)}`);
    const grade = isSilent ? "silent" : reading.grade;
    const words = isSilent ? "silent" : reading.grade === "good" ? "" : inWords(reading);
    if (this.#grade !== grade + words) {
      this.#grade = grade + words;
      this.node.dataset.grade = grade;
      this.mark.replaceChildren(...(words ? [element("span.state", { "data-state": grade }, element("i"), words)] : []));
    }
    if (isDerived) this.age.title = "The device's clock was not set: this time was derived by the collector.";
  }

  /** Draw the recent past. */
  draw(trace) {
    const path = trace ? pathOf(trace, this.context.time.now()) : "";
    if (this.path.getAttribute("d") !== path) this.path.setAttribute("d", path);
  }
}

/** After how long without a reading a series is silent, ms; one with a deadband may say nothing for long. */
export function silentAfter(series) {
  const interval = (series.max_interval_s ?? series.interval_s) * 1000;
  return Math.max(SILENT_INTERVALS * interval, SILENT_LEAST);
}

function hint(series) {
  const quantity = series.quantity ? `${titleOf(series.quantity)}, ` : "";
  return `${series.series}\n${quantity}read every ${series.interval_s} s`;
}
