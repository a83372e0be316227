/** The collector's clock and zone: all times and ages on the page are by these, not by the browser's. */

const SECOND = 1000;
const STEPS = [
  [60 * SECOND, SECOND, "s"],
  [3600 * SECOND, 60 * SECOND, "min"],
  [48 * 3600 * SECOND, 3600 * SECOND, "h"],
  [Infinity, 24 * 3600 * SECOND, "d"],
];

export class Clock {
  /** The collector's clock less the browser's, in ms. */
  skew = 0;
  /** The zone of `time_zone` in collector.yaml. */
  zone = "UTC";
  #forms = {};

  /** Take up what the collector said; `asked` and `answered` are of the browser's clock. */
  set(zone, now, asked, answered) {
    this.skew = now - (asked + answered) / 2;
    this.zone = zone;
    this.#forms = forms(zone);
  }

  /** Now, by the collector's clock, in ms since 1970. */
  now() {
    return Date.now() + this.skew;
  }

  /** A day and a time with seconds: 2026-11-23 12:00:05. */
  full(time) {
    return `${this.day(time)} ${this.time(time)}`;
  }

  /** The day: 2026-11-23. */
  day(time) {
    return this.#forms.day.format(time);
  }

  /** The time of the day: 12:00:05. */
  time(time) {
    return this.#forms.time.format(time);
  }

  /** The time, with the day where that is not today. */
  short(time) {
    return this.day(time) === this.day(this.now()) ? this.time(time) : this.full(time);
  }

  /** How long ago: now, 5 s, 3 min, 2 h; of what is dated ahead of the collector: 3 min ahead. */
  age(time) {
    if (time === null || time === undefined) return "time unknown";
    const age = this.now() - time;
    if (age < -5 * SECOND) return `${lasting(-age)} ahead`;
    return age < 2 * SECOND ? "now" : lasting(age);
  }

  /** Year, month, day, hour, minute, second in the zone. */
  parts(time) {
    const found = {};
    for (const { type, value } of this.#forms.parts.formatToParts(time)) found[type] = Number(value);
    return found;
  }
}

/** A span of time as people say it: 5 s, 3 min, 2 h, 4 d. */
export function lasting(span) {
  const [, step, word] = STEPS.find(([until]) => span < until);
  return `${Math.floor(span / step)} ${word}`;
}

function forms(zone) {
  const day = { year: "numeric", month: "2-digit", day: "2-digit" };
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const form = (locale, fields) => {
    try {
      return new Intl.DateTimeFormat(locale, { ...fields, timeZone: zone });
    } catch {
      return new Intl.DateTimeFormat(locale, { ...fields, timeZone: "UTC" });
    }
  };
  return {
    day: form("sv", day),
    time: form("sv", time),
    parts: form("en", { ...day, ...time }),
  };
}
