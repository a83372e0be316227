/** The legend of a chart: each series with its colour, what it comes to in view, and what is wrong with it. */

import { element, fill } from "./dom.js";
import { ApiError } from "./api.js";
import { shownIn, written } from "./units.js";

const HEADS = ["Series", "Latest", "Min", "Mean", "Max"];

/**
 * @typedef {{toggle: (series: string) => void, remove: (series: string) => void, focus: (series: string | null) => void}} Acts
 */

export class Legend {
  #rows = new Map();

  /**
   * @param {import("./shell.js").Context} context
   * @param {Acts} acts
   */
  constructor(context, acts) {
    this.context = context;
    this.acts = acts;
    this.body = element("tbody");
    const heads = HEADS.map((head, n) => element(n ? "th.number" : "th", { scope: "col" }, head));
    this.node = element(
      "table.legend",
      { "aria-label": "Series of the chart" },
      element("thead", {}, element("tr", {}, ...heads, element("th", {}, element("span.visually-hidden", {}, "Take away")))),
      this.body,
    );
  }

  /** Show these series, in this order. */
  set(series, hidden, colourOf) {
    this.#rows.clear();
    fill(this.body, ...series.map((name) => this.#row(name, hidden.includes(name), colourOf(name))));
    this.node.hidden = series.length === 0;
  }

  /** Show what the series come to in a span. */
  show(tracks, span) {
    for (const [name, cells] of this.#rows) {
      const track = tracks.get(name);
      if (track === undefined) continue;
      if (track instanceof Error) this.#showError(cells, track);
      else this.#showTrack(cells, track, span, name);
    }
  }

  #showTrack(cells, track, span, name) {
    const { sign, of, more } = shownIn(track.unit, this.context.settings);
    const { decimals = null } = this.context.series.of(name) ?? {};
    const tell = (value) => (value === undefined || !Number.isFinite(value) ? "–" : `${written(of(value), decimals === null ? null : decimals + more)}`);
    const summed = track.summed(span.start, span.end);
    const last = track.values.findLast((value) => Number.isFinite(value));
    [last, summed?.low, summed?.mean, summed?.high].forEach((value, n) => {
      cells.numbers[n].textContent = tell(value);
    });
    cells.unit.textContent = sign;
    fill(cells.notes, ...notesOf(track, summed));
  }

  #showError(cells, error) {
    const words = error instanceof ApiError ? error.message : "could not be read";
    fill(cells.notes, element("span.wrong", { role: "alert" }, words));
  }

  #row(name, isHidden, colour) {
    const swatch = element("i.swatch", { "aria-hidden": "true" });
    swatch.style.background = colour;
    const box = element("input", {
      type: "checkbox", checked: !isHidden, "aria-label": `Show ${name}`, onchange: () => this.acts.toggle(name),
    });
    const remove = element("button.plain", {
      type: "button", "aria-label": `Take ${name} out of the chart`, title: "Take out", onclick: () => this.acts.remove(name),
    }, "×");
    const cells = {
      numbers: HEADS.slice(1).map(() => element("td.number", {}, "–")), unit: element("span.small"), notes: element("span.notes"),
    };
    this.#rows.set(name, cells);
    const label = this.context.series.of(name)?.label;
    const title = element("label", {}, box, swatch, element("span", {}, name), cells.unit);
    return element(
      "tr",
      { onpointerenter: () => this.acts.focus(name), onpointerleave: () => this.acts.focus(null) },
      element("th", { scope: "row" }, title, label && element("span.small", {}, label), cells.notes),
      ...cells.numbers,
      element("td", {}, remove),
    );
  }
}

function notesOf(track, summed) {
  const notes = [];
  if (!summed) notes.push("no reading in this span");
  if (track.undated > 0) notes.push(`${track.undated} readings of unknown time are not drawn`);
  if (track.otherUnits.length > 0) notes.push(`readings in ${track.otherUnits.join(", ")} are not drawn`);
  return notes.map((note) => element("span.small", {}, note));
}
