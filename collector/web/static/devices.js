/** The devices: how each stands, and what may be changed of it. */

import { openCommand, openInvite, openRevoke, openRotate } from "./changes.js";
import { DeviceCard, shownState } from "./devicecard.js";
import { element, fill, setText, stateMark } from "./dom.js";
import { countedByState } from "./grouping.js";
import { useSheet } from "./sheets.js";
import { STATE_ORDER, stateWord } from "./words.js";

// With so many one looks for a name.
const MANY = 8;

export async function show(root, context) {
  await Promise.all([
    useSheet(new URL("./devices.css", import.meta.url).href),
    context.devices.refresh(),
    context.series.refresh(),
  ]);
  const view = new DevicesView(root, context);
  view.update();
  const ticking = setInterval(() => view.tick(), 1000);
  const ends = [
    () => clearInterval(ticking),
    context.devices.subscribe(() => view.update()),
    context.onReturn(() => context.devices.refresh()),
  ];
  return () => ends.forEach((end) => end());
}

class DevicesView {
  #cards = new Map();
  #list = element("ul.devices");
  #counts = element("p.row.device-counts");
  #none = element(
    "div.empty",
    { hidden: true },
    element("h2", {}, "No device yet"),
    element("p", {}, "Invite one: you get a line to paste on the Raspberry Pi, and a QR code of it."),
  );
  #find = element("input", {
    type: "search", placeholder: "Find a device", "aria-label": "Find a device", oninput: () => this.#filter(),
  });

  constructor(root, context) {
    this.context = context;
    const invite = element(
      "button.primary",
      { type: "button", onclick: () => openInvite(context) },
      "Invite a device",
    );
    fill(
      root,
      element("div.row.devices-top", {}, element("h1", {}, "Devices"), this.#counts, this.#find, invite),
      this.#none,
      this.#list,
    );
  }

  /** Show what is known now; what is there keeps its place in the document, and the focus. */
  update() {
    const devices = this.context.devices.all().sort(byState);
    const names = new Set(devices.map((each) => each.device));
    for (const [name, card] of this.#cards) {
      if (names.has(name)) continue;
      card.node.remove();
      this.#cards.delete(name);
    }
    let at = this.#list.firstElementChild;
    for (const device of devices) {
      const card = this.#card(device.device);
      card.update(device);
      if (card.node === at) at = at.nextElementSibling;
      else this.#move(card.node, at);
    }
    this.#none.hidden = devices.length > 0;
    this.#find.hidden = devices.length < MANY;
    this.#count(devices);
    this.#filter();
  }

  /** Let time go by. */
  tick() {
    for (const card of this.#cards.values()) card.tick();
  }

  /** Put a card elsewhere; what is moved would lose the focus. */
  #move(node, before) {
    const focused = document.activeElement;
    this.#list.insertBefore(node, before);
    if (node.contains(focused)) focused.focus({ preventScroll: true });
  }

  #card(name) {
    if (!this.#cards.has(name)) {
      this.#cards.set(name, new DeviceCard(name, this.context.time, this.#buttons(name)));
    }
    return this.#cards.get(name);
  }

  #buttons(name) {
    const { context } = this;
    return [
      button("Command …", "connected", () => openCommand(context, name)),
      button("New key …", "connected", () => openRotate(context, name)),
      button("Revoke …", "unrevoked", () => openRevoke(context, name), "button.danger"),
    ].map((each) => {
      each.setAttribute("aria-label", `${each.textContent.replace(" …", "")}: ${name}`);
      return each;
    });
  }

  #count(devices) {
    const marks = countedByState(devices, shownState)
      .map(([state, count]) => stateMark(state, `${count} ${stateWord(state)}`));
    const text = marks.map((each) => each.textContent).join();
    if (this.#counts.textContent.replaceAll(",", "") !== text.replaceAll(",", "")) fill(this.#counts, ...marks);
  }

  #filter() {
    const wanted = this.#find.hidden ? "" : this.#find.value.trim().toLowerCase();
    for (const [name, card] of this.#cards) {
      const words = `${name} ${card.device.label ?? ""}`.toLowerCase();
      card.node.hidden = !words.includes(wanted);
    }
  }
}

function button(words, wants, onclick, kind = "button") {
  const made = element(kind, { type: "button", onclick, "data-wants": wants });
  setText(made, words);
  return made;
}

function byState(one, other) {
  return rank(one) - rank(other) || one.device.localeCompare(other.device);
}

function rank(device) {
  return STATE_ORDER.indexOf(shownState(device));
}
