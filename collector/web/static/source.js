/** Where a chart's readings come from: the questions that one span needs, in as few points as the screen can show. */

import { unpacked } from "./columns.js";
import { Track } from "./track.js";

// Up to so many readings for each pixel of width they are drawn as they are.
const RAW_A_PIXEL = 1.5;

/**
 * Ask for the readings of series in a span.
 * @param {import("./api.js").Api} api
 * @param {{series: string, interval_s: number, unit: string}[]} series
 * @param {import("./span.js").Span} span
 * @param {number} width of the plot in pixels
 * @param {{signal?: AbortSignal, shift?: number}} [how] `shift`: ask for so long before, and show it as if now
 * @returns {Promise<Map<string, Track | Error>>}
 */
export async function tracksOf(api, series, span, width, { signal, shift = 0 } = {}) {
  const asked = { start: seconds(span.start - shift), end: seconds(span.end - shift), format: "columns" };
  const answers = series.map(async (each) => {
    const isRaw = (span.end - span.start) / (each.interval_s * 1000) <= width * RAW_A_PIXEL;
    const points = isRaw ? undefined : pointsOf(width);
    try {
      const data = await api.bytes("/api/v1/readings", { series: each.series, ...asked, points }, { signal });
      return [each.series, track(each, unpacked(data), isRaw, (span.end - span.start) / (points ?? 1), shift)];
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return [each.series, error];
    }
  });
  return new Map(await Promise.all(answers));
}

/**
 * Ask what is missing of the devices of series in a span.
 * @returns {Promise<{device: string, from: number | null, to: number | null, readings: number | null,
 *   reason: string, meaning: string}[]>}
 */
export async function gapsOf(api, series, span, { signal } = {}) {
  const devices = [...new Set(series.map((each) => each.device))];
  const asked = { start: seconds(span.start), end: seconds(span.end), time: "ms" };
  const answers = devices.map((pattern) => api.get("/api/v1/gaps", { pattern, ...asked }, { signal }));
  return (await Promise.all(answers)).flatMap((answer) => answer.gaps);
}

/**
 * Ask what summaries do not tell: where readings are suspect, and where times were derived; the tracks take it.
 * @param {import("./api.js").Api} api
 * @param {(Track | Error)[]} tracks of that span and width
 */
export async function askDoubts(api, tracks, span, width, { signal } = {}) {
  const summaries = tracks.filter((each) => each instanceof Track && each.isSummary);
  await Promise.all(summaries.map(async ({ series, unit, shift, doubts }) => {
    const asked = { start: seconds(span.start - shift), end: seconds(span.end - shift), points: pointsOf(width), time: "ms" };
    const answer = await api.get("/api/v1/doubts", { series, ...asked }, { signal });
    const its = answer.doubts.filter((each) => each.unit === unit);
    doubts.take(its.map((each) => ({ ...each, from: each.from + shift, to: each.to + shift })));
  }));
}

function pointsOf(width) {
  return Math.max(10, Math.round(width));
}

function track(series, blocks, isRaw, widest, shift) {
  const unit = blocks.at(-1)?.head.unit ?? series.unit;
  const its = blocks.filter((block) => block.head.unit === unit);
  const made = new Track(series.series, { interval: intervalOf(series), every: isRaw ? 0 : widthOf(its, widest), unit });
  made.otherUnits = [...new Set(blocks.map((block) => block.head.unit))].filter((each) => each !== unit);
  made.shift = shift;
  for (const block of its) if (shift) block.times = block.times.map((time) => time + shift);
  made.take(its);
  return made;
}

/** How far apart two readings may be, ms; with a deadband much may go unsaid. */
function intervalOf(series) {
  return Math.max(series.max_interval_s ?? 0, series.interval_s) * 1000;
}

/** The width of buckets, which packed columns do not tell: the least distance of two. */
function widthOf(blocks, otherwise) {
  let least = Infinity;
  for (const { times } of blocks) {
    for (let n = 1; n < times.length; n += 1) least = Math.min(least, times[n] - times[n - 1]);
  }
  return Number.isFinite(least) && least > 0 ? least : otherwise;
}

function seconds(time) {
  return (time / 1000).toFixed(3);
}
