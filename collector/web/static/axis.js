/** The words along a time axis, in the collector's zone; the day where it changes. */

const DAY = 86400000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * Return the words of ticks.
 * @param {number[]} ticks ms
 * @param {number} step between two of them, ms
 * @param {(time: number) => {year: number, month: number, day: number, hour: number, minute: number, second: number}} parts
 * @returns {string[]} with a second line where the day, or of days the year, begins
 */
export function tickWords(ticks, step, parts) {
  let before = null;
  return ticks.map((tick) => {
    const at = parts(tick);
    const word = short(tick, at, step);
    const greater = step >= 28 * DAY ? "" : step >= DAY ? `${at.year}` : `${at.day} ${MONTHS[at.month - 1]}`;
    const isNew = greater !== before && greater !== "";
    before = greater;
    return isNew ? `${word}\n${greater}` : word;
  });
}

function short(tick, at, step) {
  const two = (number) => String(number).padStart(2, "0");
  if (step >= 364 * DAY) return `${at.year}`;
  if (step >= 28 * DAY) return `${MONTHS[at.month - 1]} ${at.year}`;
  if (step >= DAY) return `${at.day} ${MONTHS[at.month - 1]}`;
  const minutes = `${two(at.hour)}:${two(at.minute)}`;
  if (step >= 60000) return minutes;
  if (step >= 1000) return `${minutes}:${two(at.second)}`;
  return `${minutes}:${two(at.second)}.${String(Math.round(tick) % 1000).padStart(3, "0")}`;
}
