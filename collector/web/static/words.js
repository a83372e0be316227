/** What the collector says in terms, as sentences for people. Pure. */

const STATES = {
  silent: ["silent", "Nothing of it is stored for a while."],
  late: ["late", "Readings of it are overdue, or it is away."],
  draining: ["draining", "It is here, and still sends what it kept while it was away."],
  never_seen: ["never seen", "It was invited, and nothing of it came yet."],
  live: ["live", "It is here, and its readings come in time."],
  revoked: ["revoked", "Nothing of it is taken any more."],
};

/** The order in which states are shown: what wants to be looked at comes first. */
export const STATE_ORDER = Object.keys(STATES);

/** A state in a word or two. */
export function stateWord(state) {
  return STATES[state]?.[0] ?? state;
}

/** What a state means. */
export function stateMeaning(state) {
  return STATES[state]?.[1] ?? "";
}

/** A text as a sentence: it begins large, and ends with a full stop. */
export function sentence(text) {
  const whole = stopped(text);
  return whole && whole[0].toUpperCase() + whole.slice(1);
}

/** A text with a full stop; it may begin with a name, which stays as it is. */
export function stopped(text) {
  const whole = text.replace(/[\s:]+$/, "").trimStart();
  return !whole || /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** So many of something: `1 reading`, `1 234 readings`. */
export function counted(count, one, many = `${one}s`) {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** A whole number with its thousands apart. */
export function grouped(count) {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** About how large something is: `512 bytes`, `1.2 MiB`. */
export function sized(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let size = bytes;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  return `${at ? size.toFixed(1) : Math.round(size)} ${units[at]}`;
}

/** A short span in ns: `12 ms`, `3.4 s`, `5 min`, `2 h`. */
export function spanned(ns) {
  const s = Math.abs(ns) / 1e9;
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}
