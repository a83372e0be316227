/** The alerts: what is wrong now, what was, who was told, and what could not be told. */

import { addressOfChart } from "./address.js";
import { element, fill, setText, stateMark } from "./dom.js";
import { useSheet } from "./sheets.js";
import { counted, sentence, stopped } from "./words.js";

const LOOK_EVERY = 10000;
const WORDS = { pending: "pending", firing: "firing", seen: "seen", resolved: "resolved" };
const KINDS = [["firing,pending,seen", "Open"], ["resolved", "Resolved"], ["", "All"]];
const ORDER = ["firing", "pending", "seen", "resolved"];

export async function show(root, context) {
  const view = new AlertsView(root, context);
  await Promise.all([useSheet(new URL("./alerts.css", import.meta.url).href), view.ask()]);
  const look = () => document.visibilityState === "visible" && view.askQuietly();
  const asking = setInterval(look, LOOK_EVERY);
  const ticking = setInterval(() => view.tick(), 1000);
  const ends = [
    () => clearInterval(asking),
    () => clearInterval(ticking),
    context.live.on("alert", look),
    context.onReturn(look),
  ];
  return () => ends.forEach((end) => end());
}

class AlertsView {
  #kind = KINDS[0][0];
  #asked = 0;
  #shown = "";
  #ages = [];
  #list = element("ul.alerts");
  #told = element("ul.notifiers");
  #wrong = element("p.wrong", { role: "alert", hidden: true });
  #none = element("p.empty", { role: "status", hidden: true });
  #notifiers = element("section.panel.alerts-told", { hidden: true, "aria-label": "Who is told" });

  constructor(root, context) {
    this.context = context;
    const choices = KINDS.map(([kind, word]) => element(
      "label.option",
      {},
      element("input", {
        type: "radio", name: "kind", value: kind, checked: kind === this.#kind, onchange: () => this.#choose(kind),
      }),
      element("span", {}, word),
    ));
    const kinds = element(
      "fieldset", {}, element("legend.visually-hidden", {}, "Which alerts"), element("div.segments", {}, ...choices),
    );
    this.#notifiers.append(element("h2", {}, "Who is told"), this.#told);
    fill(
      root,
      element("div.row.alerts-top", {}, element("h1", {}, "Alerts"), kinds),
      this.#wrong,
      this.#none,
      this.#list,
      this.#notifiers,
    );
  }

  /** Ask, and show what is answered; the last question counts. */
  async ask() {
    const mine = ++this.#asked;
    const found = await this.context.api.get("/api/v1/alerts", { state: this.#kind, time: "ms" });
    if (mine === this.#asked) this.#show(found);
  }

  /** Ask anew; where that fails, what was shown stays. */
  askQuietly() {
    return this.ask().catch((error) => !error.isAway && this.#say(error));
  }

  /** Let time go by. */
  tick() {
    for (const [node, alert] of this.#ages) setText(node, this.#when(alert));
  }

  #choose(kind) {
    this.#kind = kind;
    this.ask().catch((error) => this.#say(error));
  }

  #say(error) {
    setText(this.#wrong, sentence(error.message));
    this.#wrong.hidden = false;
  }

  #show({ alerts, notifiers, trouble }) {
    this.#wrong.hidden = !trouble;
    setText(this.#wrong, sentence(trouble ?? ""));
    const text = JSON.stringify([this.#kind, alerts, notifiers]);
    if (text === this.#shown) return;
    this.#shown = text;
    const wanted = [...alerts].sort(
      (one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || other.since - one.since,
    );
    const focused = document.activeElement?.dataset?.alert;
    this.#ages = [];
    fill(this.#list, ...wanted.map((alert) => this.#alert(alert)));
    if (focused) this.#list.querySelector(`[data-alert="${CSS.escape(focused)}"]`)?.focus();
    this.#none.hidden = wanted.length > 0;
    setText(this.#none, this.#kind === KINDS[0][0] ? "Nothing is wrong." : "There is none so far.");
    this.#tellNotifiers(notifiers);
  }

  #alert(alert) {
    const { id, state, words, rule, summary_of: parts, notified } = alert;
    const when = element("span.small");
    this.#ages.push([when, alert]);
    setText(when, this.#when(alert));
    const seen = state === "firing" && element(
      "button",
      { type: "button", "data-alert": id, "aria-label": `Mark as seen: ${words}`, onclick: (event) => this.#see(id, event) },
      "Mark as seen",
    );
    return element(
      "li.panel.alert",
      { "data-state": state },
      element("div.alert-head", {}, stateMark(state, WORDS[state] ?? state), when),
      element("p.alert-words", {}, stopped(words)),
      parts.length > 0 && element(
        "details",
        {},
        element("summary", {}, `Stands for ${partsWord(parts)}`),
        element("ul.parts", {}, ...parts.map((part) => element("li", {}, subject(part)))),
      ),
      notified.length > 0 && element("ul.notified.small", {}, ...notified.map((each) => this.#notified(each))),
      element(
        "div.row.alert-foot", {}, look(alert.series ?? alert.device), element("span.small", {}, `rule ${rule}`), seen,
      ),
    );
  }

  #when({ since, until, state }) {
    const { time } = this.context;
    if (state === "resolved" && until !== null) return `${time.short(since)} to ${time.short(until)}`;
    return `since ${time.short(since)}, ${time.age(since)}`;
  }

  #notified({ to, at, error }) {
    if (error) return element("li.wrong", {}, stopped(`${to} was not told: ${error}`));
    const when = at === null ? "not told yet" : `told at ${this.context.time.short(at)}`;
    return element("li", {}, `${to}: ${when}`);
  }

  async #see(id, event) {
    event.target.disabled = true;
    try {
      await this.context.api.change(`/api/v1/alerts/${encodeURIComponent(id)}/seen`);
      await this.ask();
    } catch (error) {
      event.target.disabled = false;
      this.#say(error);
    }
  }

  #tellNotifiers(notifiers) {
    this.#notifiers.hidden = notifiers.length === 0;
    fill(this.#told, ...notifiers.map(({ name, waiting, last_error: error }) => element(
      "li",
      {},
      element("strong", {}, name),
      element("span", {}, waiting ? `${counted(waiting, "message waits", "messages wait")}` : "nothing waits"),
      error && element("span.wrong", {}, sentence(`The last try failed: ${error}`)),
    )));
  }
}

function partsWord(parts) {
  return parts[0].includes("/") ? counted(parts.length, "series", "series") : counted(parts.length, "device");
}

/** A part of what an alert stands for. */
function subject(name) {
  return element("a", { href: addressOf(name) }, name);
}

/** What leads to what an alert is about. */
function look(name) {
  if (!name?.includes("/")) return element("a", { href: "/devices" }, "Devices");
  return element("a", { href: addressOf(name), "aria-label": `Chart of ${name}` }, "Chart");
}

function addressOf(name) {
  if (!name.includes("/")) return "/devices";
  return addressOfChart({ series: [name], last: "24h", compare: "", hidden: [] });
}
