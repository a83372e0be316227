/** Doubts: spans of time in which readings of a series are suspect, or their times were derived. Pure. */

import { inWords, quality } from "./latest.js";

const SUSPECT = 1;

/**
 * Both ends lie within, ms; `error` is how far off derived times can be (ns), null: nobody knows.
 * @typedef {{from: number, to: number, error: number | null}} Derived
 * @typedef {{from: number, to: number, readings: number, reasons: string[]}} Suspect
 */

export class Doubts {
  /** @type {Derived[]} */
  derived = [];
  /** Of summaries: readings say it themselves. @type {Suspect[]} */
  suspect = [];

  /** Note that times were derived; what is no further than `near` behind the last span makes it longer. */
  note(from, to, error, near) {
    const last = this.derived.at(-1);
    if (last && from - last.to <= near && last.error === error) last.to = Math.max(last.to, to);
    else this.derived.push({ from, to, error });
  }

  /**
   * Take what the collector tells, in the place of all that was known.
   * @param {{kind: string, from: number, to: number, readings: number, reasons: string[], time_error_ns: number | null}[]} told
   */
  take(told) {
    const of = (kind) => told.filter((each) => each.kind === kind).sort((one, other) => one.from - other.from);
    this.derived = of("derived").map(({ from, to, time_error_ns }) => ({ from, to, error: time_error_ns }));
    this.suspect = of("suspect").map(({ from, to, readings, reasons }) => ({ from, to, readings, reasons }));
  }

  /** The derived times between two, both included; null: none. */
  derivedIn(from, to) {
    return touching(this.derived, from, to);
  }

  /** The suspect readings between two times, both included; null: none. */
  suspectIn(from, to) {
    return touching(this.suspect, from, to);
  }
}

/** Suspect readings in words; how many is known of those that all lie between two times. */
export function suspectWords({ from, to, readings, reasons }, start, end) {
  const many = from >= start && to <= end ? `${readings} ` : "";
  return many + reasons.map((words) => inWords(quality(SUSPECT, { [SUSPECT]: words }))).join(", ");
}

function touching(spans, from, to) {
  return spans.find((span) => span.to >= from && span.from <= to) ?? null;
}
