/**
 * A track: what a chart holds of one series in its span, readings as they are or summed up in buckets.
 * Pure but for what it is given.
 */

import { Doubts } from "./doubts.js";
import { quality } from "./latest.js";

// So many intervals without a reading break the line.
const BROKEN_AFTER = 3;
// What stands between two buckets or readings to break the line there.
const BREAK = null;

/**
 * @typedef {object} Point
 * @property {number} time ms
 * @property {number | null} value of a bucket its mean
 * @property {number} [min] of a bucket
 * @property {number} [max] of a bucket
 * @property {number} [count] of a bucket, those with a value
 * @property {number} [bad] of a bucket, those without
 * @property {{grade: string, reason: string}} [quality] of a reading
 * @property {import("./doubts.js").Suspect | null} [suspect] of a bucket, which it shares with its neighbours
 * @property {string} [known] how the time is known; of a bucket derived, where any is
 * @property {number | null} [error_ns]
 */

export class Track {
  times = [];
  values = [];
  min = [];
  max = [];
  counts = [];
  bads = [];
  qualities = [];
  doubts = new Doubts();
  /** Readings of which nobody knows the time. */
  undated = 0;
  reasons = {};
  /** How far apart they mostly are, ms: it may have been read at another interval then. */
  typical = 0;
  /** Units of earlier readings, which no line of this one can show. */
  otherUnits = [];
  unit = "";
  /** How much later it is shown than it was, ms: so that it can be compared. */
  shift = 0;

  /**
   * @param {string} series
   * @param {{interval: number, every: number, unit: string}} how `every` is the width of a bucket, 0: readings
   */
  constructor(series, { interval, every, unit }) {
    this.series = series;
    this.interval = interval;
    this.every = every;
    this.unit = unit;
  }

  /** How far apart two of its points may be before something is missing between them, ms. */
  get far() {
    // Buckets side by side say nothing of how often it was read.
    const typical = this.typical > this.every ? this.typical : 0;
    return Math.max(BROKEN_AFTER * Math.max(this.interval, typical), this.every * 1.5);
  }

  get isSummary() {
    return this.every > 0;
  }

  /** Take blocks of packed columns, in order of time. */
  take(blocks) {
    for (const block of blocks) {
      if (block.head.time_known === "unknown") this.undated += block.head.count;
      else if (this.isSummary) this.#takeBuckets(block);
      else this.#takeReadings(block);
    }
    this.typical = median(this.times);
  }

  /** Add what came live; what is older than the newest is left out, as it comes with the next question. */
  hear(piece) {
    if (!piece.times) {
      this.undated += piece.values.length;
      return;
    }
    Object.assign(this.reasons, piece.reasons);
    if (piece.time_known === "derived") this.#noteDerived(piece.times, piece.time_error_ns);
    piece.times.forEach((time, n) => {
      if (this.isSummary) this.#count(time, piece.values[n]);
      else if (this.times.length === 0 || time > this.times.at(-1)) this.#push(time, piece.values[n], piece.qualities?.[n] ?? 0);
    });
  }

  /** Forget what lies before a time: what moves out of sight is of no use. */
  forget(before) {
    const first = this.times.findIndex((time) => time + this.every >= before);
    if (first < 256) return;
    for (const column of [this.times, this.values, this.min, this.max, this.counts, this.bads, this.qualities]) {
      column.splice(0, first);
    }
  }

  /** Return the point at or nearest to a time, null where there is none near. */
  at(time, near) {
    const n = this.#nearest(time);
    if (n < 0) return null;
    const middle = this.times[n] + this.every / 2;
    return Math.abs(middle - time) <= Math.max(near, this.every) ? this.point(n) : null;
  }

  /** @returns {Point} */
  point(n) {
    const common = { time: this.times[n], value: this.values[n] };
    const derived = this.doubts.derivedIn(common.time, this.#endOf(n));
    if (derived) Object.assign(common, { known: "derived", error_ns: derived.error });
    if (this.isSummary) {
      return { ...common, min: this.min[n], max: this.max[n], count: this.counts[n], bad: this.bads[n], suspect: this.suspect(n) };
    }
    return { known: "synced", error_ns: null, ...common, quality: quality(this.qualities[n], this.reasons) };
  }

  /** The suspect readings of a bucket, null: none. */
  suspect(n) {
    return this.doubts.suspectIn(this.times[n], this.#endOf(n));
  }

  /** The index of the reading after the nearest one, in a direction; -1: there is none. */
  next(time, direction) {
    const n = this.#nearest(time);
    const found = n + direction;
    return n >= 0 && found >= 0 && found < this.times.length ? found : -1;
  }

  /**
   * Return the columns that are drawn: where the line breaks, a place with nothing in it.
   * @returns {{times: number[], values: (number | null)[], min: (number | null)[], max: (number | null)[]}}
   */
  line() {
    const line = { times: [], values: [], min: [], max: [] };
    const { far } = this;
    const half = this.every / 2;
    for (let n = 0; n < this.times.length; n += 1) {
      const time = this.times[n];
      if (n > 0 && time - this.times[n - 1] > far) put(line, this.times[n - 1] + half + 1, BREAK, BREAK, BREAK);
      const isThere = Number.isFinite(this.values[n]);
      put(
        line, time + half, isThere ? this.values[n] : BREAK,
        isThere && this.isSummary ? this.min[n] : BREAK, isThere && this.isSummary ? this.max[n] : BREAK,
      );
    }
    return line;
  }

  /** The least, the greatest, the mean and the last of what lies in a span. */
  summed(start, end) {
    let low = Infinity;
    let high = -Infinity;
    let sum = 0;
    let count = 0;
    for (let n = 0; n < this.times.length; n += 1) {
      const value = this.values[n];
      if (this.times[n] < start - this.every || this.times[n] >= end || !Number.isFinite(value)) continue;
      const weight = this.isSummary ? this.counts[n] : 1;
      low = Math.min(low, this.isSummary ? this.min[n] : value);
      high = Math.max(high, this.isSummary ? this.max[n] : value);
      sum += value * weight;
      count += weight;
    }
    return count ? { low, high, mean: sum / count, count } : null;
  }

  #takeBuckets(block) {
    append(this.times, block.times);
    append(this.values, block.mean);
    append(this.min, block.min);
    append(this.max, block.max);
    append(this.counts, block.count);
    append(this.bads, block.bad);
  }

  #takeReadings(block) {
    if (block.times.length === 0) return;
    append(this.times, block.times);
    append(this.values, block.values);
    append(this.qualities, block.qualities);
    const { time_known, time_error_ns } = block.head;
    if (time_known === "derived") this.#noteDerived(block.times, time_error_ns);
  }

  #noteDerived(times, error) {
    this.doubts.note(times[0], times.at(-1), error, this.interval * BROKEN_AFTER);
  }

  /** The last ms of a bucket, or the reading's own. */
  #endOf(n) {
    return this.times[n] + Math.max(0, this.every - 1);
  }

  #push(time, value, number) {
    this.times.push(time);
    this.values.push(value ?? NaN);
    this.qualities.push(number);
  }

  #count(time, value) {
    const start = Math.floor(time / this.every) * this.every;
    let n = this.times.length - 1;
    if (n >= 0 && time < this.times[n]) return;
    if (n < 0 || time >= this.times[n] + this.every) {
      append(this.times, [start]);
      append(this.values, [NaN]);
      append(this.min, [Infinity]);
      append(this.max, [-Infinity]);
      append(this.counts, [0]);
      append(this.bads, [0]);
      n += 1;
    }
    if (value === null || !Number.isFinite(value)) {
      this.bads[n] += 1;
      return;
    }
    const count = this.counts[n];
    this.values[n] = count ? (this.values[n] * count + value) / (count + 1) : value;
    this.min[n] = Math.min(this.min[n], value);
    this.max[n] = Math.max(this.max[n], value);
    this.counts[n] = count + 1;
  }

  #nearest(time) {
    const { times } = this;
    let low = 0;
    let high = times.length - 1;
    if (high < 0) return -1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] + this.every / 2 < time) low = middle + 1;
      else high = middle;
    }
    const isBefore = low > 0 && time - times[low - 1] - this.every / 2 < times[low] + this.every / 2 - time;
    return isBefore ? low - 1 : low;
  }
}

/**
 * Put lines of different times beside each other: what a line has nothing for is undefined, a break null.
 * @param {{times: number[]}[]} lines with columns of the same length as their times
 * @param {string[][]} names which columns of each line
 * @returns {(number | null | undefined)[][]} the times, then the columns
 */
export function aligned(lines, names) {
  if (lines.length === 1 || lines.every((line) => areSame(line.times, lines[0].times))) {
    return [lines[0]?.times ?? [], ...lines.flatMap((line, n) => names[n].map((name) => line[name]))];
  }
  const times = Float64Array.from(new Set(lines.flatMap((line) => line.times))).sort();
  const columns = lines.flatMap((line, n) => {
    const its = names[n].map(() => new Array(times.length).fill(undefined));
    let at = 0;
    line.times.forEach((time, m) => {
      while (times[at] < time) at += 1;
      its.forEach((column, k) => { column[at] = line[names[n][k]][m]; });
    });
    return its.map(broken);
  });
  return [Array.from(times), ...columns];
}

/** Let a break reach to the line's own points on either side, past places where it has nothing. */
function broken(column) {
  for (const step of [1, -1]) {
    let isBreak = false;
    for (let n = step > 0 ? 0 : column.length - 1; n >= 0 && n < column.length; n += step) {
      if (column[n] !== undefined) isBreak = column[n] === BREAK;
      else if (isBreak) column[n] = BREAK;
    }
  }
  return column;
}

function areSame(one, other) {
  return one.length === other.length && one.every((time, n) => time === other[n]);
}

/** The median distance of times. */
function median(times) {
  const apart = Float64Array.from(times.slice(1), (time, n) => time - times[n]).sort();
  return apart.length ? apart[(apart.length - 1) >> 1] : 0;
}

function put(line, time, value, low, high) {
  line.times.push(time);
  line.values.push(value);
  line.min.push(low);
  line.max.push(high);
}

function append(column, more) {
  for (let n = 0; n < more.length; n += 1) column.push(more[n]);
}
