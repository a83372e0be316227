/** What is drawn on a plot beside its lines: what is missing, what is bad or suspect, what was dated later. */

import { faint } from "./palette.js";

const STRIP = 3;
const MARK = 4;
// Marks that would lie on top of each other say no more than one.
const APART = 5;

/**
 * Draw causes behind the lines: hatched where readings are lost, plain where nothing came.
 * @param {import("./vendor/uplot/uPlot.esm.js").default} plot
 * @param {import("./causes.js").Cause[]} causes
 * @param {ReturnType<import("./palette.js").palette>} colours
 */
export function drawCauses(plot, causes, colours) {
  within(plot, (context, box, ratio) => {
    for (const kind of ["quiet", "waiting", "lost"]) {
      const its = causes.filter((cause) => cause.kind === kind).map((cause) => extent(plot, box, cause.start, cause.end, 2 * ratio));
      const colour = { lost: colours.fault, quiet: colours.muted, waiting: colours.busy }[kind];
      for (const [left, right] of united(its)) shade(context, left, right, box, kind, colour, ratio);
    }
  });
}

function shade(context, left, right, box, kind, colour, ratio) {
  if (right <= box.left || left >= box.left + box.width) return;
  context.fillStyle = faint(colour, kind === "quiet" ? 0.07 : 0.1);
  context.fillRect(left, box.top, right - left, box.height);
  if (kind === "lost") hatch(context, left, right, box, faint(colour, 0.4), ratio);
  context.fillStyle = faint(colour, kind === "quiet" ? 0.35 : 1);
  context.fillRect(left, box.top, right - left, STRIP * ratio);
}

/** Extents that touch become one: what is missing of ten series is drawn once. */
function united(extents) {
  const found = [];
  for (const [left, right] of extents.sort((one, other) => one[0] - other[0])) {
    const last = found.at(-1);
    if (last && left <= last[1]) last[1] = Math.max(last[1], right);
    else found.push([left, right]);
  }
  return found;
}

/**
 * Draw what is wrong with readings: a cross where one is bad, a diamond where it is suspect, and a dotted
 * strip below where times were derived.
 */
export function drawDoubts(plot, shown, colours) {
  within(plot, (context, box, ratio) => {
    for (const { track } of shown) {
      for (const { from, to } of track.doubts.derived) derivedStrip(plot, context, box, from, to, colours, ratio);
    }
    for (const { track, of } of shown) doubtsOf(plot, context, box, track, of, colours, ratio);
  });
}

function doubtsOf(plot, context, box, track, of, colours, ratio) {
  let lastCross = -Infinity;
  let lastDiamond = -Infinity;
  for (let n = 0; n < track.times.length; n += 1) {
    const number = track.qualities[n];
    const isBad = track.isSummary ? track.bads[n] > 0 : number >= 128;
    const isSuspect = track.isSummary ? track.suspect(n) !== null : number > 0 && number < 128;
    if (!isBad && !isSuspect) continue;
    const x = plot.valToPos(track.times[n] + track.every / 2, "x", true);
    if (x < box.left || x > box.left + box.width) continue;
    if (isBad && x - lastCross >= APART * ratio) {
      cross(context, x, box.top + box.height - 2.2 * MARK * ratio, MARK * ratio, colours, ratio);
      lastCross = x;
    }
    if (isSuspect && x - lastDiamond >= APART * ratio) {
      diamond(context, x, plot.valToPos(of(track.values[n]), "y", true), MARK * ratio, colours, ratio);
      lastDiamond = x;
    }
  }
}

function derivedStrip(plot, context, box, from, to, colours, ratio) {
  const [left, right] = extent(plot, box, from, to, 3 * ratio);
  context.strokeStyle = colours.warn;
  context.lineWidth = 2 * ratio;
  context.setLineDash([2 * ratio, 3 * ratio]);
  context.beginPath();
  context.moveTo(left, box.top + box.height - ratio);
  context.lineTo(right, box.top + box.height - ratio);
  context.stroke();
  context.setLineDash([]);
}

function cross(context, x, y, size, colours, ratio) {
  for (const [colour, width] of [[colours.surface, 4.5], [colours.fault, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.beginPath();
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x + size, y - size);
    context.lineTo(x - size, y + size);
    context.stroke();
  }
}

function diamond(context, x, y, size, colours, ratio) {
  context.fillStyle = colours.warn;
  context.strokeStyle = colours.surface;
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  context.moveTo(x, y - size * 1.3);
  context.lineTo(x + size * 1.3, y);
  context.lineTo(x, y + size * 1.3);
  context.lineTo(x - size * 1.3, y);
  context.closePath();
  context.fill();
  context.stroke();
}

function hatch(context, left, right, box, colour, ratio) {
  context.save();
  context.beginPath();
  context.rect(left, box.top, right - left, box.height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = ratio;
  context.beginPath();
  const step = 7 * ratio;
  // Counted from the plot's edge, so that the lines of neighbours go on into each other.
  const from = Math.floor((left - box.height - box.left) / step) * step + box.left;
  for (let x = from; x < right; x += step) {
    context.moveTo(x, box.top + box.height);
    context.lineTo(x + box.height, box.top);
  }
  context.stroke();
  context.restore();
}

function extent(plot, box, from, to, least) {
  const left = Math.max(box.left, plot.valToPos(from, "x", true));
  const right = Math.min(box.left + box.width, plot.valToPos(to, "x", true));
  return right - left < least ? [(left + right - least) / 2, (left + right + least) / 2] : [left, right];
}

function within(plot, draw) {
  const { ctx: context, bbox: box } = plot;
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  draw(context, box, devicePixelRatio);
  context.restore();
}
