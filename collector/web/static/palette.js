/** The colours of the page as a canvas needs them, and the one of each series. */

export const COLOURS = 10;
const NAMES = ["text", "muted", "line", "edge", "surface", "accent", "warn", "fault", "busy", "sunken"];

/**
 * Read the colours that hold now.
 * @returns {Record<string, string> & {series: string[]}}
 */
export function palette() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = Object.fromEntries(NAMES.map((name) => [name, read(name)]));
  found.series = Array.from({ length: COLOURS }, (_, n) => read(`series-${n + 1}`));
  probe.remove();
  return found;
}

/** A colour that lets so much of what is behind it through: 1 nothing. */
export function faint(colour, alpha) {
  const parts = /rgba?\(([^)]+)\)/.exec(colour)?.[1].split(/[ ,/]+/).slice(0, 3);
  return parts ? `rgba(${parts.join(",")},${alpha})` : colour;
}

/** Beyond ten the same colours come again, and the lines are dashed otherwise. */
export function dashOf(index) {
  return [[], [8, 4], [2, 3], [10, 3, 2, 3]][Math.floor(index / COLOURS) % 4];
}

/** Call something when the theme has changed; returns what ends that. */
export function onThemeChange(callback) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", callback);
  const watcher = new MutationObserver(callback);
  watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => {
    media.removeEventListener("change", callback);
    watcher.disconnect();
  };
}
