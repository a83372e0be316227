/** Sparklines: the recent past of each series in a few buckets, one question a device, and kept on by what comes live. */

import { bySeries, unpacked } from "./columns.js";

export const WIDTH = 100;
export const HEIGHT = 28;
const MOST_POINTS = 60;
const SHORT = 2 * 3600000;

/** The recent past of one series: means of buckets of one width, the oldest first. */
export class Trace {
  times = [];
  means = [];
  #sum = 0;
  #count = 0;

  /**
   * @param {number} width of a bucket, ms
   * @param {number} span how much is shown, ms
   */
  constructor(width, span) {
    this.width = width;
    this.span = span;
  }

  /** Take what the collector has summed up. */
  set(times, means) {
    this.times = Array.from(times);
    this.means = Array.from(means);
    this.#sum = this.means.at(-1) ?? 0;
    this.#count = this.means.length ? 1 : 0;
  }

  /** Add a reading that came live. */
  add(time, value) {
    if (!Number.isFinite(value)) return;
    const start = Math.floor(time / this.width) * this.width;
    const last = this.times.at(-1);
    if (last !== undefined && start < last) return;
    if (start === last) {
      this.#count += 1;
      this.#sum += value;
      this.means[this.means.length - 1] = this.#sum / this.#count;
      return;
    }
    this.times.push(start);
    this.means.push(value);
    this.#sum = value;
    this.#count = 1;
    while (this.times[0] < start - this.span) {
      this.times.shift();
      this.means.shift();
    }
  }
}

/**
 * Return the path of a trace in a box of WIDTH by HEIGHT that ends now; where readings are missing it is broken.
 * @param {Trace} trace
 * @param {number} now ms
 */
export function pathOf({ times, means, width, span }, now) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of means) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return "";
  const scale = high > low ? (HEIGHT - 4) / (high - low) : 0;
  const left = now - span;
  let path = "";
  let before = -Infinity;
  for (let n = 0; n < times.length; n += 1) {
    const middle = Math.min(times[n] + width / 2, now);
    const x = (middle - left) / span * WIDTH;
    if (!Number.isFinite(means[n]) || x < 0) continue;
    const y = scale ? HEIGHT - 2 - (means[n] - low) * scale : HEIGHT / 2;
    const isBroken = times[n] - before > 1.5 * width;
    path += `${isBroken ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (isBroken && !(times[n + 1] - times[n] <= 1.5 * width)) path += "h.8";
    before = times[n];
  }
  return path;
}

/**
 * Ask for the traces of all series of a device at once.
 * @param {import("./api.js").Api} api
 * @param {string} device
 * @param {string} last such as `1h`
 * @param {number} span the same in ms
 * @returns {Promise<Map<string, Trace>>}
 */
export async function traces(api, device, last, span, how) {
  // Of a short while the readings themselves are summed up faster than what was summed up before.
  const quality = span <= SHORT ? "good,suspect" : undefined;
  const asked = { pattern: `${device}/*`, last, points: MOST_POINTS, agg: "mean", quality, format: "columns" };
  const blocks = unpacked(await api.bytes("/api/v1/readings", asked, how));
  const width = widthOf(blocks, span);
  const found = new Map();
  for (const [name, its] of bySeries(blocks)) {
    const trace = new Trace(width, span);
    trace.set(its.flatMap((block) => [...block.times]), its.flatMap((block) => [...block.values]));
    found.set(name, trace);
  }
  return found;
}

/** The width of buckets: the least distance of two, since packed columns do not tell it. */
function widthOf(blocks, span) {
  let width = span / MOST_POINTS;
  let least = Infinity;
  for (const { times } of blocks) {
    for (let n = 1; n < times.length; n += 1) least = Math.min(least, times[n] - times[n - 1]);
  }
  if (Number.isFinite(least) && least > 0) width = least;
  return width;
}
