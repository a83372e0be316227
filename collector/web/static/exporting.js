/** What is shown, as a file: the points of the lines as CSV, the plots as a picture. */

const MARGIN = 16;
const LINE = 18;

/**
 * The lines of a chart as CSV (RFC 4180), in the units that are shown; times are UTC.
 * @param {import("./panel.js").Line[]} lines
 * @param {import("./span.js").Span} span
 */
export function csvOf(lines, span) {
  const rows = ["time,series,unit,value,min,max,count,bad,quality,time_known"];
  for (const line of lines.filter((each) => !each.isPast)) {
    const { track } = line;
    const number = (value) => (Number.isFinite(value) ? String(Number(line.of(value).toPrecision(12))) : "");
    for (let n = 0; n < track.times.length; n += 1) {
      const point = track.point(n);
      if (point.time + track.every <= span.start || point.time >= span.end) continue;
      const when = new Date(point.time).toISOString();
      const quality = point.quality ? point.quality.reason ? `${point.quality.grade} (${point.quality.reason})` : point.quality.grade : "";
      rows.push([
        when, track.series, line.sign, number(point.value), number(point.min), number(point.max),
        point.count ?? "", point.bad ?? "", quality, point.known ?? "",
      ].join(","));
    }
  }
  return `${rows.join("\r\n")}\r\n`;
}

/**
 * The panels of a chart as one picture, with the names of their lines.
 * @param {{canvas: HTMLCanvasElement, title: string, lines: import("./panel.js").Line[]}[]} panels
 * @param {string} title
 * @param {ReturnType<import("./palette.js").palette>} colours
 * @returns {Promise<Blob>}
 */
export function pictureOf(panels, title, colours) {
  const ratio = devicePixelRatio;
  const width = Math.max(...panels.map((panel) => panel.canvas.width)) + 2 * MARGIN * ratio;
  const heights = panels.map((panel) => panel.canvas.height + (panel.lines.length + 1.5) * LINE * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = heights.reduce((sum, each) => sum + each, (2 * MARGIN + LINE) * ratio);
  const context = canvas.getContext("2d");
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, canvas.width, canvas.height);
  let y = (MARGIN + LINE * 0.7) * ratio;
  write(context, title, MARGIN * ratio, y, colours.text, 600, ratio);
  panels.forEach((panel, n) => {
    let at = y + LINE * 1.3 * ratio;
    write(context, panel.title, MARGIN * ratio, at, colours.muted, 600, ratio);
    for (const line of panel.lines) {
      at += LINE * ratio;
      context.fillStyle = line.colour;
      context.fillRect(MARGIN * ratio, at - 5 * ratio, 14 * ratio, 3 * ratio);
      write(context, line.title, (MARGIN + 20) * ratio, at, colours.text, 400, ratio);
    }
    context.drawImage(panel.canvas, MARGIN * ratio, at + LINE * 0.4 * ratio);
    y += heights[n];
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Let the browser keep a file. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A name for a file that tells what is in it. */
export function fileName(series, time, ending) {
  const what = series.length === 1 ? series[0].replaceAll("/", "-") : `${series.length}-series`;
  return `telegauge-${what}-${time.replace(/[ :]/g, "-")}.${ending}`;
}

function write(context, text, x, y, colour, weight, ratio) {
  context.font = `${weight} ${13 * ratio}px system-ui, sans-serif`;
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
