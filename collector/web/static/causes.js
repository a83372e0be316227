/** What is missing in a span, and why: what was recorded as lost, and where nothing came at all. Pure. */

import { counted, stateWord } from "./words.js";

/**
 * @typedef {{kind: "lost" | "quiet" | "waiting", device: string, start: number, end: number,
 *   isOpenStart: boolean, isOpenEnd: boolean, words: string}} Cause
 */

/**
 * Return the causes that touch a span, in words for a person.
 * @param {{device: string, from: number | null, to: number | null, readings: number | null, meaning: string}[]} gaps
 * @param {import("./track.js").Track[]} tracks
 * @param {{device: string, label?: string, state?: string}[]} devices
 * @param {import("./span.js").Span} span
 * @param {number} now ms
 * @returns {Cause[]}
 */
export function causesOf(gaps, tracks, devices, span, now) {
  const lost = gaps.map((gap) => lostOf(gap, span, now));
  const quiet = tracks.flatMap((track) => quietOf(track, devices, span, now));
  return [...lost, ...quiet].filter((cause) => cause.end > span.start && cause.start < span.end);
}

/** The causes at a time, each once; that nothing came needs no word where it is known to be lost. */
export function causesAt(causes, time, slack) {
  const found = causes.filter((cause) => time >= cause.start - slack && time <= cause.end + slack);
  const losing = new Set(found.filter(({ kind }) => kind === "lost").map(({ device }) => device));
  const told = found.filter(({ kind, device }) => kind !== "quiet" || !losing.has(device));
  return [...new Map(told.map((cause) => [cause.words, cause])).values()];
}

function lostOf(gap, span, now) {
  const many = gap.readings === null ? "nobody knows how many readings" : counted(gap.readings, "reading");
  return {
    kind: "lost",
    device: gap.device,
    start: gap.from ?? Math.min(span.start, gap.to ?? span.start),
    end: gap.to ?? Math.min(now, span.end),
    isOpenStart: gap.from === null,
    isOpenEnd: gap.to === null,
    words: `Lost of ${gap.device}: ${many}. Why: ${gap.meaning}`,
  };
}

function quietOf(track, devices, span, now) {
  const name = track.series.slice(0, track.series.indexOf("/"));
  const device = devices.find((each) => each.device === name);
  const { far } = track;
  const found = [];
  for (let n = 1; n < track.times.length; n += 1) {
    const [before, after] = [track.times[n - 1] + track.every, track.times[n]];
    if (track.times[n] - track.times[n - 1] <= far) continue;
    found.push(quiet("quiet", name, before, after, `${track.series} gave no reading here; none is known to be lost.`));
  }
  const last = track.times.at(-1);
  const edge = Math.min(now, span.end);
  const isAway = device !== undefined && device.state !== "live";
  if (last !== undefined && edge - last - track.every > Math.max(far, 10000) && isAway && span.end >= now) {
    const words = `Nothing has come of ${name} since then (${stateWord(device.state)}). What it keeps may still come.`;
    found.push(quiet("waiting", name, last + track.every, edge, words));
  }
  return found;
}

function quiet(kind, device, start, end, words) {
  return { kind, device, start, end, isOpenStart: false, isOpenEnd: false, words };
}
