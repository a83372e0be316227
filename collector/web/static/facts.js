/** What is known of devices and series, asked anew now and then, and at once where a new one is heard. */

const LOOK_EVERY = 5000;

/**
 * A list that is kept current.
 * @template T
 */
export class Facts {
  /** @type {Map<string, T>} by name */
  byName = new Map();
  /** Whether it was ever read. */
  isKnown = false;
  #heard = new Set();
  #asking = null;
  #text = "";

  /**
   * @param {() => Promise<T[]>} ask
   * @param {string} key the member that names each
   */
  constructor(ask, key) {
    this.ask = ask;
    this.key = key;
  }

  /** All of them, in the collector's order. */
  all() {
    return [...this.byName.values()];
  }

  /** @returns {T | undefined} */
  of(name) {
    return this.byName.get(name);
  }

  /** Call something after each change; returns what ends that. */
  subscribe(callback) {
    this.#heard.add(callback);
    return () => this.#heard.delete(callback);
  }

  /** Wait until it was read once. */
  known() {
    return this.isKnown ? Promise.resolve() : this.refresh();
  }

  /** Ask now; who asks while it is asked gets the same answer. */
  refresh() {
    this.#asking ??= this.#refresh().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #refresh() {
    const found = await this.ask();
    const text = JSON.stringify(found);
    if (this.isKnown && text === this.#text) return;
    this.#text = text;
    this.byName = new Map(found.map((each) => [each[this.key], each]));
    this.isKnown = true;
    for (const callback of this.#heard) callback();
  }
}

/** The facts of a page: `devices` by `device`, `series` by `series`. */
export function factsOf(api) {
  const devices = new Facts(
    async () => (await api.get("/api/v1/devices", { time: "ms" })).devices,
    "device",
  );
  const series = new Facts(async () => (await api.get("/api/v1/series")).series, "series");
  return { devices, series };
}

/** Keep facts current as long as somebody looks. */
export function keepCurrent({ devices, series }, live) {
  const look = () => {
    if (document.visibilityState !== "visible" || live.state !== "open") return;
    devices.refresh().catch(() => {});
  };
  setInterval(look, LOOK_EVERY);
  document.addEventListener("visibilitychange", look);
  let isSoon = false;
  live.subscribe("*", (piece) => {
    if (isSoon || !series.isKnown || series.byName.has(piece.series)) return;
    isSoon = true;
    setTimeout(() => {
      isSoon = false;
      series.refresh().catch(() => {});
      devices.refresh().catch(() => {});
    }, LOOK_EVERY / 5);
  });
}
