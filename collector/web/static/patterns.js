/** Shell globs over names of series, as the collector has them. Pure. */

/**
 * Return what says whether a name is one of a pattern's.
 * @param {string} pattern such as `greenhouse/*` or `*.temp[12]`
 * @returns {(name: string) => boolean}
 */
export function matching(pattern) {
  if (pattern === "*") return () => true;
  let source = "";
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at];
    const end = letter === "[" ? pattern.indexOf("]", at + (pattern[at + 1] === "!" ? 3 : 2)) : -1;
    if (letter === "*") source += ".*";
    else if (letter === "?") source += ".";
    else if (end > 0) {
      const set = pattern.slice(at + 1, end).replace(/[\\[\]^]/g, "\\$&");
      source += `[${set.startsWith("!") ? `^${set.slice(1)}` : set}]`;
      at = end;
    } else source += letter.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
  const whole = new RegExp(`^(?:${source})$`, "s");
  return (name) => whole.test(name);
}
