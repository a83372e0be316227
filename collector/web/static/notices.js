/** Notices: what concerns the whole page, a line each, until it is over. */

import { element } from "./dom.js";

export class Notices {
  #lines = new Map();
  #closed = new Map();

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  /**
   * Say something; what has the same key is replaced.
   * @param {string} key
   * @param {string} text
   * @param {{link?: [string, string], canClose?: boolean}} [how]
   */
  say(key, text, { link, canClose = false } = {}) {
    if (this.#lines.get(key)?.dataset.text === text || this.#closed.get(key) === text) return;
    this.clear(key);
    const line = element(
      "p.notice",
      { "data-key": key, "data-text": text },
      element("span", {}, text),
      link && element("a", { href: link[1] }, link[0]),
      canClose && element("button.plain", { type: "button", onclick: () => this.#close(key, text) }, "Dismiss"),
    );
    this.#lines.set(key, line);
    this.place.append(line);
  }

  /** It is over. */
  clear(key) {
    this.#lines.get(key)?.remove();
    this.#lines.delete(key);
  }

  #close(key, text) {
    this.#closed.set(key, text);
    this.clear(key);
  }
}
