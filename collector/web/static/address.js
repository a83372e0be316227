/** What a view shows <-> the address that says so: a link shares it. Pure. */

import { GROUPINGS } from "./grouping.js";

const LAST = /^([1-9][0-9]{0,5})(s|m|h|d|y)$/;
const UNITS = { s: 1000, m: 60000, h: 3600000, d: 86400000, y: 365 * 86400000 };
const COMPARISONS = { day: 86400000, week: 7 * 86400000 };
const MOST_SERIES = 40;

/**
 * @typedef {{query: string, grouping: "device" | "quantity" | "none", state: string, last: "1h" | "24h"}} OverviewState
 * @typedef {{series: string[], last: string, start: number, end: number, compare: "" | "day" | "week",
 *   hidden: string[]}} ChartState `last` is "" where start and end (ms) hold
 */

/** @returns {OverviewState} */
export function overviewOf(search) {
  const query = new URLSearchParams(search);
  return {
    query: query.get("q") ?? "",
    grouping: oneOf(GROUPINGS, query.get("group")),
    state: query.get("state") ?? "",
    last: oneOf(["1h", "24h"], query.get("spark")),
  };
}

export function addressOfOverview({ query, grouping, state, last }) {
  const given = { q: query, group: grouping === "device" ? "" : grouping, state, spark: last === "1h" ? "" : last };
  return `/${searchOf(given)}`;
}

/**
 * Read the address of a chart; what makes no sense in it is left out.
 * @returns {ChartState}
 */
export function chartOf(search) {
  const query = new URLSearchParams(search);
  const start = Date.parse(query.get("start") ?? "");
  const end = Date.parse(query.get("end") ?? "");
  const isFixed = start < end;
  const last = query.get("last") ?? "";
  return {
    series: [...new Set(query.getAll("series"))].filter((name) => name.includes("/")).slice(0, MOST_SERIES),
    last: isFixed ? "" : LAST.test(last) ? last : "24h",
    start: isFixed ? start : NaN,
    end: isFixed ? end : NaN,
    compare: oneOf(["", ...Object.keys(COMPARISONS)], query.get("compare")),
    hidden: query.getAll("hidden"),
  };
}

/** @param {ChartState} state */
export function addressOfChart({ series, last, start, end, compare, hidden }) {
  const query = new URLSearchParams();
  for (const name of series) query.append("series", name);
  if (last) query.set("last", last);
  else {
    query.set("start", new Date(start).toISOString());
    query.set("end", new Date(end).toISOString());
  }
  if (compare) query.set("compare", compare);
  for (const name of hidden) if (series.includes(name)) query.append("hidden", name);
  return `/chart?${readable(query)}`;
}

/** The address of a chart of some series, as a link leads to it. */
export function chartOfSeries(series) {
  return addressOfChart({ series, last: "24h", start: NaN, end: NaN, compare: "", hidden: [] });
}

/** How long `24h` is, in ms. */
export function lengthOf(last) {
  const [, count, unit] = LAST.exec(last);
  return Number(count) * UNITS[unit];
}

/** How far back the past lies that is compared with, in ms. */
export function shiftOf(compare) {
  return COMPARISONS[compare] ?? 0;
}

function oneOf(choices, value) {
  return choices.includes(value) ? value : choices[0];
}

function searchOf(given) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value) query.set(name, value);
  const text = readable(query);
  return text ? `?${text}` : "";
}

/** Slashes and colons may stand in a query as they are: people read addresses. */
function readable(query) {
  return query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
}
