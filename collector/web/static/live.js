/**
 * What comes live: one stream for the whole page, Server-Sent Events read with fetch.
 *
 * EventSource would neither tell a login that has ended from a collector that is away, nor take up
 * where it was behind an error, nor notice that nothing comes any more.
 */

import { matching } from "./patterns.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
// The collector gives a sign of life every 15 s.
const SILENT_AFTER = 40000;

/**
 * @typedef {{series: string, unit: string, time_known: string, time_error_ns: number | null,
 *   times: number[] | null, values: (number | null)[], qualities: number[] | null,
 *   reasons: Record<string, string>}} Piece times in ms
 * @typedef {"connecting" | "open" | "away" | "out" | "refused"} LinkState
 */

export class Live {
  /** @type {LinkState} */
  state = "connecting";
  /** Why, where that is known. */
  detail = "";
  #subscribers = new Set();
  #listeners = new Map();
  #lastId = null;
  #stop = null;
  #wake = null;
  #wait = FIRST_WAIT;

  /** Begin; it goes on by itself whatever happens. */
  start() {
    if (this.#stop === null) this.#run();
  }

  /**
   * Hear of readings of the series of a pattern.
   * @param {string} pattern a shell glob
   * @param {(piece: Piece) => void} callback
   * @returns {() => void} what ends it
   */
  subscribe(pattern, callback) {
    const subscriber = { matches: matching(pattern), callback };
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /**
   * Hear of other events: `missed` and `dropped` of the collector (ask anew), `state` of the stream
   * itself, and whatever else the collector sends, such as `alert`.
   * @returns {() => void} what ends it
   */
  on(type, callback) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(callback);
    return () => this.#listeners.get(type).delete(callback);
  }

  /** Try again at once. */
  hurry() {
    this.#wait = FIRST_WAIT;
    this.#wake?.();
  }

  async #run() {
    for (;;) {
      this.#stop = new AbortController();
      const [state, detail] = await this.#listen(this.#stop);
      this.#become(state, detail);
      await this.#pause();
    }
  }

  async #listen(stop) {
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENT_AFTER);
    };
    try {
      heard();
      const headers = this.#lastId === null ? {} : { "Last-Event-ID": this.#lastId };
      const how = { headers, signal: stop.signal, cache: "no-store", redirect: "error" };
      const response = await fetch("/api/v1/live?time=ms", how);
      if (response.status === 401) return ["out", ""];
      if (!response.ok) return ["refused", (await response.json()).detail ?? ""];
      this.#wait = FIRST_WAIT;
      this.#become("open", "");
      await this.#read(response.body, heard);
    } catch {
      // Away, or silent for too long: the same to whoever looks.
    } finally {
      clearTimeout(silence);
    }
    return ["away", ""];
  }

  async #read(body, heard) {
    const parser = new EventParser((event) => this.#take(event));
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      parser.take(value);
    }
  }

  #take({ type, data, id }) {
    if (id !== "") this.#lastId = id;
    let facts;
    try {
      facts = JSON.parse(data);
    } catch {
      return;
    }
    if (type !== "message") this.#tell(type, facts);
    else for (const piece of facts.readings ?? []) this.#hand(piece);
  }

  #hand(piece) {
    for (const { matches, callback } of this.#subscribers) {
      if (matches(piece.series)) callback(piece);
    }
  }

  #become(state, detail) {
    const former = this.state;
    this.state = state;
    this.detail = detail;
    if (state !== former) this.#tell("state", { state, former, detail });
  }

  #tell(type, facts) {
    for (const callback of this.#listeners.get(type) ?? []) callback(facts);
  }

  #pause() {
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Takes a stream of events apart, however it is cut (WHATWG HTML, section 9.2.6). Pure. */
export class EventParser {
  #rest = "";
  #id = "";
  #type = "";
  #data = [];

  /** @param {(event: {type: string, data: string, id: string}) => void} callback */
  constructor(callback) {
    this.callback = callback;
  }

  /** Take what has come. */
  take(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "id") this.#id = value;
    else if (field === "event") this.#type = value;
  }

  #dispatch() {
    const data = this.#data.join("\n");
    const type = this.#type || "message";
    this.#data = [];
    this.#type = "";
    if (data !== "") this.callback({ type, data, id: this.#id });
  }
}
