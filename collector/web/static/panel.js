/** A panel: the plot of the series of one unit, by uPlot. */

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { tickWords } from "./axis.js";
import { drawCauses, drawDoubts } from "./marks.js";
import { faint } from "./palette.js";
import { aligned } from "./track.js";
import { written } from "./units.js";

const AXIS_WIDTH = 58;
const FONT = "12px system-ui, sans-serif";
const SYNC = uPlot.sync("chart");
// From this distance of two points on, each is a dot too.
const DOTS_APART = 14;

/**
 * One line of a panel.
 * @typedef {object} Line
 * @property {string} key of its series, with what tells a comparison
 * @property {import("./track.js").Track} track
 * @property {string} colour
 * @property {number[]} dash
 * @property {boolean} isPast what it is compared with
 * @property {(value: number) => number} of from the unit as kept to the one that is shown
 */

export class Panel {
  /** @type {Line[]} */
  lines = [];
  causes = [];
  focused = null;
  #plot = null;
  #shape = "";

  /**
   * @param {HTMLElement} node
   * @param {{parts: (time: number) => object, selected: (span: import("./span.js").Span) => void,
   *   hovered: (panel: Panel, time: number | null) => void, reset: () => void}} how
   */
  constructor(node, how) {
    this.node = node;
    this.how = how;
  }

  /** Show lines in a span; a plot of the same shape is used again. */
  show(lines, span, colours, size) {
    this.lines = lines;
    this.span = span;
    this.colours = colours;
    const shape = JSON.stringify([lines.map((line) => [line.key, line.colour]), colours.text, lines.length && lines[0].sign]);
    const data = this.#data();
    if (this.#plot === null || shape !== this.#shape) {
      this.#shape = shape;
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(size), data, this.node);
      SYNC.sub(this.#plot);
    } else {
      this.#plot.setData(data, false);
      if (this.#plot.width !== size.width || this.#plot.height !== size.height) this.#plot.setSize(size);
    }
    this.move(span);
  }

  /** Show another span of what is there. */
  move(span) {
    this.span = span;
    this.#plot?.setScale("x", { min: span.start, max: span.end });
  }

  /** Draw anew what is around the lines. */
  mark(causes) {
    this.causes = causes;
    this.#plot?.redraw(false);
  }

  /** Let one series stand out; null: none. */
  focus(key) {
    if (this.focused === key) return;
    this.focused = key;
    this.#plot?.redraw(false);
  }

  /** Put the cursor at a time; null: away. */
  point(time) {
    const plot = this.#plot;
    if (!plot) return;
    const left = time === null ? -10 : plot.valToPos(time, "x");
    plot.setCursor({ left, top: time === null ? -10 : plot.over.clientHeight / 2 }, true);
  }

  /** What takes the gestures. */
  get over() {
    return this.#plot?.over ?? null;
  }

  get canvas() {
    return this.#plot?.ctx.canvas ?? null;
  }

  /** How wide the plot itself is, in pixels. */
  get width() {
    return this.#plot ? this.#plot.over.clientWidth : Math.max(200, this.node.clientWidth - AXIS_WIDTH - 12);
  }

  end() {
    if (this.#plot) SYNC.unsub(this.#plot);
    this.#plot?.destroy();
    this.#plot = null;
  }

  #data() {
    const columns = this.lines.map((line) => {
      const drawn = line.track.line();
      const turned = (column) => column.map((value) => (value === null ? null : line.of(value)));
      return { times: drawn.times, values: turned(drawn.values), min: turned(drawn.min), max: turned(drawn.max) };
    });
    return aligned(columns, this.lines.map((line) => namesOf(line)));
  }

  #options({ width, height }) {
    const series = [{}];
    const bands = [];
    for (const line of this.lines) {
      if (hasBand(line)) {
        bands.push({ series: [series.length, series.length + 1], fill: () => faint(line.colour, 0.2 * this.#weight(line)) });
        series.push(this.#edge(line), this.#edge(line));
      }
      series.push(this.#line(line));
    }
    return {
      width, height, series, bands, ms: 1,
      tzDate: (time) => wall(this.how.parts(time)),
      legend: { show: false },
      cursor: {
        sync: { key: SYNC.key, scales: ["x", null], setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        focus: { prox: -1 },
        bind: {
          // With shift the plot is moved: gestures.js.
          mousedown: (_plot, _target, handle) => (event) => (event.shiftKey ? null : handle(event)),
          dblclick: () => () => this.how.reset(),
        },
      },
      scales: { x: { time: true, range: (_plot, low, high) => [low, high] }, y: { range: (_plot, low, high) => padded(low, high) } },
      axes: [this.#timeAxis(), this.#valueAxis()],
      hooks: {
        drawClear: [(plot) => drawCauses(plot, this.causes, this.colours)],
        draw: [(plot) => drawDoubts(plot, this.lines, this.colours)],
        setSelect: [(plot) => this.#select(plot)],
        setCursor: [(plot) => this.#hover(plot)],
      },
    };
  }

  #line(line) {
    return {
      stroke: () => faint(line.colour, (line.isPast ? 0.6 : 1) * this.#weight(line)),
      width: line.isPast ? 1 : 1.6,
      dash: line.isPast ? [5, 4] : line.dash,
      points: {
        size: 4,
        fill: () => line.colour,
        show: (plot, index, from, to) => (to - from) * DOTS_APART < plot.over.clientWidth,
        filter: (plot, index, isShown) => (isShown ? null : lonely(plot.data[index])),
      },
    };
  }

  #edge(line) {
    return { stroke: () => faint(line.colour, 0.55 * this.#weight(line)), width: 0.8, points: { show: false } };
  }

  /** How strongly a line is drawn: where one stands out the others stand back. */
  #weight(line) {
    return this.focused === null || this.focused === line.track.series ? 1 : 0.25;
  }

  #timeAxis() {
    return {
      ...this.#axis(),
      space: 70,
      values: (_plot, ticks, _axis, _space, step) => tickWords(ticks, step, this.how.parts),
    };
  }

  #valueAxis() {
    return {
      ...this.#axis(),
      size: AXIS_WIDTH,
      values: (_plot, ticks) => {
        const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0));
        const decimals = decimalsOf(step);
        return ticks.map((tick) => written(tick, decimals));
      },
    };
  }

  #axis() {
    const line = { stroke: () => this.colours.line, width: 1 };
    return { font: FONT, stroke: () => this.colours.muted, grid: line, ticks: { ...line, size: 5 } };
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const span = { start: plot.posToVal(left, "x"), end: plot.posToVal(left + width, "x") };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.how.selected(span);
  }

  #hover(plot) {
    const { left } = plot.cursor;
    this.how.hovered(this, left === undefined || left < 0 ? null : plot.posToVal(left, "x"));
  }
}

/**
 * A band that shows the least and the greatest of each bucket, so that no spike is lost. Between readings it is
 * empty, but there: a plot that was made anew when buckets become readings would end the gesture that led there.
 */
function hasBand(line) {
  return !line.isPast;
}

function namesOf(line) {
  return hasBand(line) ? ["max", "min", "values"] : ["values"];
}

/** How many decimals it takes to write a step of an axis: 2.5 needs one. */
function decimalsOf(step) {
  let decimals = 0;
  while (decimals < 9 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6) decimals += 1;
  return decimals;
}

function padded(low, high) {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 0.5;
  return [low - room, high + room];
}

/** Points with nothing on either side: no line would show them. */
function lonely(column) {
  const found = [];
  for (let n = 0; n < column.length; n += 1) {
    if (column[n] === null || column[n] === undefined) continue;
    if (neighbour(column, n, -1) === null && neighbour(column, n, 1) === null) found.push(n);
  }
  return found;
}

function neighbour(column, from, step) {
  let n = from + step;
  while (column[n] === undefined && n >= 0 && n < column.length) n += step;
  return column[n] ?? null;
}

/** The date whose local parts are those of the collector's zone, as uPlot divides its axis by. */
function wall({ year, month, day, hour, minute, second }) {
  return new Date(year, month - 1, day, hour, minute, second);
}
