/** The tools above the overview: search, grouping, the span of the sparklines, and devices by state. */

import { element, fill, setText, stateMark } from "./dom.js";
import { GROUPINGS } from "./grouping.js";
import { stateMeaning, stateWord } from "./words.js";

const GROUPING_WORDS = { device: "By device", quantity: "By quantity", none: "All together" };
const SPARKS = [["1h", "1 h"], ["24h", "24 h"]];

export class OverviewTools {
  #buttons = new Map();

  /**
   * @param {import("./address.js").OverviewState} view
   * @param {(change: Partial<import("./address.js").OverviewState>) => void} changed
   */
  constructor(view, changed) {
    this.changed = changed;
    this.search = element("input", {
      type: "search", id: "search", placeholder: "Search series  ( / )", value: view.query, autocomplete: "off",
      spellcheck: "false", "aria-label": "Search devices and series", oninput: () => changed({ query: this.search.value }),
    });
    this.counts = element("div.counts", { role: "group", "aria-label": "Devices by state" });
    this.found = element("p.small", { role: "status" });
    const groupings = GROUPINGS.map((each) => [each, GROUPING_WORDS[each]]);
    this.node = element(
      "div.tools",
      {},
      this.search,
      select("Group", groupings, view.grouping, (grouping) => changed({ grouping })),
      select("Sparklines", SPARKS, view.last, (last) => changed({ last })),
      this.counts,
      this.found,
    );
  }

  /** Look for something else. */
  clear() {
    this.search.value = "";
    this.changed({ query: "", state: "" });
  }

  /**
   * Show how many there are.
   * @param {[string, number][]} counts devices by state
   * @param {string} state the one that is chosen
   * @param {string} found in words
   */
  show(counts, state, found) {
    setText(this.found, found);
    const before = [...this.#buttons.keys()].join();
    if (before !== counts.map(([each]) => each).join()) {
      this.#buttons = new Map(counts.map(([each]) => [each, this.#button(each)]));
      fill(this.counts, ...this.#buttons.values());
    }
    for (const [each, count] of counts) {
      const button = this.#buttons.get(each);
      button.setAttribute("aria-pressed", String(each === state));
      setText(button.firstChild.lastChild, `${count} ${stateWord(each)}`);
    }
  }

  #button(state) {
    const choose = (event) => {
      const isChosen = event.currentTarget.getAttribute("aria-pressed") === "true";
      this.changed({ state: isChosen ? "" : state });
    };
    return element("button.plain", { type: "button", title: stateMeaning(state), onclick: choose }, stateMark(state, ""));
  }
}

function select(title, choices, chosen, changed) {
  const options = choices.map(([value, word]) => element("option", { value, selected: value === chosen }, word));
  const node = element("select", { onchange: () => changed(node.value) }, ...options);
  return element("label.choose", {}, element("span.small", {}, title), node);
}
