/** The latest reading of each series, as it was asked for once and as it comes live. */

/**
 * @typedef {{time: number | null, value: number | null, unit: string, grade: "good" | "suspect" | "bad",
 *   reason: string, known: string, error_ns: number | null}} Reading `time` in ms
 */

const GOOD = { grade: "good", reason: "" };

export class Latest {
  /** @type {Map<string, Reading>} */
  bySeries = new Map();

  /** Take the answer of /api/v1/latest; what came live meanwhile and is later stays. */
  take(latest) {
    for (const each of latest) {
      this.#put(each.series, {
        time: each.time, value: each.value, unit: each.unit, grade: each.quality,
        reason: each.reason, known: each.time_known, error_ns: each.time_error_ns,
      });
    }
  }

  /** Take a piece of the live stream; the last of its readings is the latest. */
  hear(piece) {
    const n = piece.values.length - 1;
    if (n < 0) return;
    const { grade, reason } = piece.qualities ? quality(piece.qualities[n], piece.reasons) : GOOD;
    this.#put(piece.series, {
      time: piece.times?.[n] ?? null, value: piece.values[n], unit: piece.unit, grade,
      reason, known: piece.time_known, error_ns: piece.time_error_ns,
    });
  }

  #put(series, reading) {
    const former = this.bySeries.get(series);
    if (former?.time && reading.time !== null && reading.time < former.time) return;
    this.bySeries.set(series, reading);
  }
}

/** What the number of a quality means: 0 good, up to 127 suspect, then bad; `reasons` has `bad (read_failed)`. */
export function quality(number, reasons) {
  if (number === 0) return GOOD;
  const reason = /\((.*)\)/.exec(reasons?.[number] ?? "")?.[1] ?? "";
  return { grade: number < 128 ? "suspect" : "bad", reason };
}

/** A quality in words: `bad: read failed`. */
export function inWords({ grade, reason }) {
  return reason ? `${grade}: ${reason.replaceAll("_", " ")}` : grade;
}
