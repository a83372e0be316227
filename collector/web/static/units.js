/** Units as people write them, other ones that they prefer, and how a number is shown. Pure. */

// Units are kept as ASCII; unknown ones are shown as they are.
const WRITTEN = {
  degC: "°C",
  degF: "°F",
  deg: "°",
  "ug/m3": "µg/m³",
  "mg/m3": "mg/m³",
  "m/s2": "m/s²",
  m2: "m²",
  m3: "m³",
  "W/m2": "W/m²",
  uT: "µT",
  uA: "µA",
  uV: "µV",
  us: "µs",
  Ohm: "Ω",
  kOhm: "kΩ",
  "l/min": "l/min",
};

const SAME = (value) => value;
const HPA_A_INHG = 33.8638866667;

/**
 * Return how a unit is shown: its sign, what turns a value into it, and how many decimals more it needs.
 * @param {string} unit as the collector has it
 * @param {{get(name: string): string}} settings
 * @returns {{sign: string, of: (value: number) => number, more: number}}
 */
export function shownIn(unit, settings) {
  if (unit === "degC" && settings.get("temperature") === "degF") {
    return { sign: "°F", of: (value) => value * 1.8 + 32, more: 0 };
  }
  if (unit === "hPa" && settings.get("pressure") === "inHg") {
    return { sign: "inHg", of: (value) => value / HPA_A_INHG, more: 1 };
  }
  return { sign: WRITTEN[unit] ?? unit, of: SAME, more: 0 };
}

/**
 * Write a number with so many decimals, or where that is not known with six digits that count.
 * @param {number | null} value
 * @param {number | null} decimals
 */
export function written(value, decimals) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-6)) return value.toExponential(3);
  const digits = decimals ?? decimalsOf(size, 6);
  const text = value.toFixed(Math.max(0, Math.min(digits, decimalsOf(size, 7), 12)));
  return decimals === null || decimals === undefined ? withoutZeros(text) : minus(text);
}

function decimalsOf(size, digits) {
  return size < 1 ? digits : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
}

function withoutZeros(text) {
  return minus(text.includes(".") ? text.replace(/\.?0+$/, "") : text);
}

function minus(text) {
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text.replace("-", "−");
}
