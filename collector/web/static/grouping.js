/** Which series are shown, in which groups and order. Pure. */

import { matching } from "./patterns.js";
import { STATE_ORDER } from "./words.js";

const TITLES = {
  pm1: "PM1", pm25: "PM2.5", pm10: "PM10", volatile_organic_compounds_parts: "Volatile organic compounds",
  carbon_dioxide: "Carbon dioxide (CO₂)", "": "Other",
};
export const GROUPINGS = ["device", "quantity", "none"];

/**
 * @typedef {{series: string, device: string, unit: string, quantity: string, label: string | null}} Described
 * @typedef {{key: string, title: string, device: string | null, series: Described[]}} Group
 */

/** Whether a series is an agent's own health: it is there for who looks for it, and would fill the page. */
export function isOwn(series) {
  return ownName(series).startsWith("agent.");
}

/**
 * Return what says whether a series is looked for: by a pattern where there is a * or ?, else by words.
 * @param {string} text
 * @param {(device: string) => string} labelOf
 */
export function finding(text, labelOf) {
  const asked = text.trim().toLowerCase();
  if (asked === "") return ({ series }) => !isOwn(series);
  if (/[*?]/.test(asked)) {
    const matches = matching(asked.includes("/") ? asked : `*${asked}*`);
    return (series) => matches(series.series);
  }
  const words = asked.split(/\s+/);
  return (series) => {
    const whole = [series.series, series.label, series.quantity, titleOf(series.quantity), series.unit,
      labelOf(series.device)].join(" ").toLowerCase();
    return words.every((word) => whole.includes(word));
  };
}

/**
 * Put series into groups.
 * @param {Described[]} series
 * @param {"device" | "quantity" | "none"} grouping
 * @param {(device: string) => {title: string, state: string}} factsOf
 * @returns {Group[]} devices that want to be looked at come first
 */
export function grouped(series, grouping, factsOf) {
  if (grouping === "none") return series.length ? [{ key: "all", title: "All series", device: null, series }] : [];
  const groups = new Map();
  for (const each of series) {
    const key = grouping === "device" ? each.device : each.quantity;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(each);
  }
  const made = [...groups].map(([key, its]) => ({
    key: `${grouping} ${key}`,
    title: grouping === "device" ? factsOf(key).title : titleOf(key),
    device: grouping === "device" ? key : null,
    series: its,
  }));
  return made.sort((one, other) => rank(one, factsOf) - rank(other, factsOf) || compared(one, other));
}

/** Return the title of a quantity. */
export function titleOf(quantity) {
  const title = TITLES[quantity] ?? quantity.replaceAll("_", " ");
  return title.charAt(0).toUpperCase() + title.slice(1);
}

/** The part of a name behind the device: `air.temperature`. */
export function ownName(series) {
  return series.slice(series.indexOf("/") + 1);
}

/** Count devices by state, those that want to be looked at first. */
export function countedByState(devices, stateOf = ({ state }) => state) {
  const counts = new Map();
  for (const state of devices.map(stateOf)) counts.set(state, (counts.get(state) ?? 0) + 1);
  return STATE_ORDER.filter((state) => counts.has(state)).map((state) => [state, counts.get(state)]);
}

function rank(group, factsOf) {
  if (group.device === null) return group.key === "quantity " ? 1 : 0;
  return STATE_ORDER.indexOf(factsOf(group.device).state);
}

function compared(one, other) {
  return one.title.localeCompare(other.title, "en", { numeric: true });
}
