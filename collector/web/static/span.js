/** Spans of time that a chart shows: moving and zooming within bounds. Pure; all in ms. */

import { lengthOf } from "./address.js";

export const PRESETS = ["5m", "1h", "6h", "24h", "7d", "30d", "1y"];
export const LEAST = 1000;
const MOST = 50 * 365 * 86400000;
const EARLIEST = Date.UTC(1971, 0);

/**
 * @typedef {{start: number, end: number}} Span
 */

/** The span that a state of the chart shows now. */
export function spanOf(state, now) {
  return state.last ? { start: now - lengthOf(state.last), end: now } : { start: state.start, end: state.end };
}

/** Move by a share of what is shown; never far beyond now. */
export function moved({ start, end }, share, now) {
  return bounded({ start: start + (end - start) * share, end: end + (end - start) * share }, now);
}

/** Zoom by a factor (below 1: in) around a place, 0 at the left to 1 at the right. */
export function zoomed({ start, end }, factor, at, now) {
  const length = Math.max(LEAST, Math.min(MOST, (end - start) * factor));
  const middle = start + (end - start) * at;
  return bounded({ start: middle - length * at, end: middle + length * (1 - at) }, now);
}

/** Keep a span within what can have readings; half of it may lie ahead. */
export function bounded({ start, end }, now) {
  const length = Math.max(LEAST, Math.min(MOST, end - start));
  const latest = now + length / 2;
  const right = Math.max(EARLIEST + length, Math.min(end, latest));
  return { start: Math.round(right - length), end: Math.round(right) };
}

/** Whether a span ends so near to now that the live edge is meant. */
export function isAtEdge({ start, end }, now) {
  return end >= now && end <= now + (end - start) * 0.02 + 1000;
}

/** The preset that is as long as a span, or what it comes to in seconds. */
export function lastOf({ start, end }) {
  const length = end - start;
  return PRESETS.find((each) => lengthOf(each) === length) ?? `${Math.max(1, Math.round(length / 1000))}s`;
}
