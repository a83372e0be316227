/** A device as a card: how it stands, what of it is missing, what its clock shows, what went wrong. */

import { element, fill, setText, stateMark } from "./dom.js";
import { counted, grouped, sentence, sized, spanned, stateMeaning, stateWord } from "./words.js";

const STANDINGS = {
  joined: "joined",
  invited: "invited, has not joined yet",
  expired: "invited, did not join in time",
  revoked: "revoked",
  "no key": "this machine's, without a key",
};
const ENDS = {
  connection_lost: "the connection was lost",
  silence: "it fell silent, so the connection was given up",
  duplicate_identity: "two devices use this name",
  disk_full: "the collector's disk had no room",
  batch_rejected: "a batch was refused",
  device_not_let_in: "not let in",
};
// What an agent says of itself that somebody should look at.
const AILMENTS = [
  ["failing_sensors", (count) => `${counted(count, "sensor is", "sensors are")} failing`],
  ["card_failing", () => "its SD card fails"],
  ["under_voltage", () => "its supply is too weak (under-voltage)"],
  ["throttled", () => "its processor is slowed down"],
  ["dropped_readings", (count) => `it dropped ${counted(count, "reading")} since its start`],
  ["abandoned_drivers", (count) => `${counted(count, "driver")} hung and had to be left behind`],
];

export class DeviceCard {
  #age = element("span.age");
  #head = element("div.device-state");
  #facts = element("dl.device-facts");
  #troubles = element("ul.device-troubles");
  #label = element("p.small");

  /**
   * @param {string} name
   * @param {import("./clock.js").Clock} time
   * @param {HTMLElement[]} buttons
   */
  constructor(name, time, buttons) {
    this.time = time;
    this.buttons = buttons;
    const title = element("h2", { id: `device-${name}` }, name);
    this.node = element(
      "li.panel.device",
      { "aria-labelledby": title.id, tabindex: -1 },
      element("header.device-head", {}, element("div", {}, title, this.#label), this.#head),
      this.#facts,
      this.#troubles,
      element("div.row.device-changes", {}, ...buttons),
    );
  }

  /** Show what is known now. */
  update(device) {
    this.device = device;
    const state = shownState(device);
    this.node.dataset.state = state;
    setText(this.#label, device.label ?? "");
    const mark = stateMark(state, stateWord(state));
    mark.title = stateMeaning(state);
    fill(this.#head, mark, this.#age);
    fill(this.#facts, ...this.#rows(device).flatMap(([term, told]) => row(term, told)));
    const troubles = this.#troublesOf(device);
    this.#troubles.hidden = troubles.length === 0;
    fill(this.#troubles, ...troubles.map((each) => element("li", {}, each)));
    const focused = document.activeElement;
    for (const button of this.buttons) button.disabled = isUnfit(button, device);
    if (focused.disabled && this.node.contains(focused)) this.node.focus({ preventScroll: true });
    this.tick();
  }

  /** Let time go by. */
  tick() {
    const { heard } = this.device;
    setText(this.#age, heard === null ? "" : this.#ago(heard));
  }

  #ago(time) {
    const age = this.time.age(time);
    return /^now$|ahead$/.test(age) ? age : `${age} ago`;
  }

  #rows(device) {
    return [
      ["Standing", this.#standing(device)],
      ["Connection", this.#connection(device)],
      ["Spool", this.#spool(device)],
      ["Clock", this.#clock(device)],
      ["Missing", this.#missing(device)],
      ["UDP", datagrams(device)],
      ["Agent", device.session?.agent || null],
      ["Stored", device.readings ? counted(device.readings, "reading") : null],
    ].filter(([, told]) => told !== null);
  }

  #standing({ standing, revoked, joined }) {
    const told = STANDINGS[standing] ?? standing;
    const since = standing === "revoked" ? revoked : joined;
    return since === null ? told : `${told} ${this.time.short(since)}`;
  }

  #connection({ session, connected, heard }) {
    if (!connected || session === null) return heard === null ? null : "away";
    const how = session.over_tls ? "TLS" : "plain";
    return `${session.peer}, ${how}, since ${this.time.short(session.since)}`;
  }

  #spool({ agent }) {
    const readings = agent?.values.spooled_readings;
    if (readings === undefined || readings === null) return null;
    const when = agent.time === null ? "" : `, ${this.#ago(agent.time)}`;
    if (readings === 0) return `nothing waits${when}`;
    const size = agent.values.spooled_bytes;
    return `${counted(readings, "reading waits", "readings wait")}${size ? ` (${sized(size)})` : ""}${when}`;
  }

  #clock({ clock, agent }) {
    if (clock === null) {
      const is = agent?.values.clock_synchronised;
      if (is === undefined || is === null) return null;
      return is ? "synchronised" : "not synchronised";
    }
    const sync = clock.synchronised ? "synchronised" : "not synchronised";
    const error = spanned(clock.error_ns);
    if (Math.abs(clock.ahead_ns) <= clock.error_ns) return `${sync}; the same as here, to ${error}`;
    const off = `${spanned(clock.ahead_ns)} ${clock.ahead_ns > 0 ? "ahead" : "behind"}`;
    return `${sync}; ${off}, to ${error}`;
  }

  #missing({ loss, state }) {
    if (!loss.gaps) return state === "never_seen" ? null : "nothing";
    const recent = lost(loss.recent_lost_readings, loss.recent_uncounted_gaps, loss.recent_gaps);
    const all = lost(loss.lost_readings, loss.uncounted_gaps, loss.gaps);
    const why = (loss.latest_reason ?? "").replaceAll("_", " ");
    const last = loss.latest === null ? why : `${why}, ${this.time.short(loss.latest)}`;
    const before = loss.gaps === loss.recent_gaps ? "" : `, ${all} in all`;
    return `${recent} in the last 24 h${before}; the last: ${last}`;
  }

  #troublesOf(device) {
    const said = [];
    if (device.duplicate_identity) {
      said.push("Two devices take turns under this name, perhaps by a copied card. Let one of them join under another.");
    }
    if (device.has_unused_key) said.push("It was given a new key and has not used it yet.");
    const values = device.agent?.values ?? {};
    for (const [name, tell] of AILMENTS) if (values[name]) said.push(sentence(tell(values[name])));
    for (const { what, detail, time, count } of device.troubles) {
      const words = ENDS[what] ?? what.replaceAll("_", " ");
      const more = detail && detail !== what.replaceAll("_", " ") ? `${words}: ${detail}` : words;
      const times = count > 1 ? `, ${grouped(count)} times since the collector's start` : "";
      said.push(sentence(`${this.time.short(time)} ${more}${times}`));
    }
    return said;
  }
}

function datagrams({ datagrams: counts }) {
  if (counts === null) return null;
  const { received, missing } = counts;
  const share = (100 * missing) / Math.max(1, received + missing);
  return `${grouped(missing)} of ${counted(received + missing, "datagram")} lost (${share.toFixed(share < 1 ? 2 : 1)} %)`;
}

function lost(readings, uncounted, gaps) {
  if (!gaps) return "nothing";
  if (!readings && uncounted) return `${counted(gaps, "gap")} of unknown size`;
  return `${uncounted ? "at least " : ""}${counted(readings, "reading")} in ${counted(gaps, "gap")}`;
}

/** Who was revoked is in no state any more: nothing of it is taken. */
export function shownState({ state, standing }) {
  return standing === "revoked" ? standing : state;
}

function row(term, told) {
  return [element("dt", {}, term), element("dd", {}, told)];
}

function isUnfit(button, device) {
  if (button.dataset.wants === "connected") return !device.connected;
  return button.dataset.wants === "unrevoked" && device.standing === "revoked";
}
