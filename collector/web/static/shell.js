/**
 * The shell: which view is shown, the settings, the state of the link, and what goes wrong.
 *
 * A view is a module that exports `async function show(root, context)` and returns what ends it.
 */

import { Api, ApiError } from "./api.js";
import { Clock } from "./clock.js";
import { openSettings } from "./dialogs.js";
import { element, fill, setText } from "./dom.js";
import { factsOf, keepCurrent } from "./facts.js";
import { Link } from "./link.js";
import { Live } from "./live.js";
import { Notices } from "./notices.js";
import { Settings } from "./settings.js";

const VIEWS = {
  "/": { title: "Overview", load: () => import("./overview.js") },
  "/chart": { title: "Chart", load: () => import("./chart.js") },
  "/devices": { title: "Devices", load: () => import("./devices.js") },
  "/alerts": { title: "Alerts", load: () => import("./alerts.js") },
};

/**
 * What a view is given.
 * @typedef {object} Context
 * @property {Api} api `get(path, params)`, `bytes(path, params)`, `change(path, body)`
 * @property {Live} live `subscribe(pattern, callback)`, `on(type, callback)`
 * @property {import("./facts.js").Facts} devices what /api/v1/devices says, by name
 * @property {import("./facts.js").Facts} series what /api/v1/series says, by name
 * @property {Clock} time the collector's clock and zone
 * @property {Settings} settings
 * @property {Notices} notices `say(key, text)` and `clear(key)`
 * @property {(address: string, how?: {replace?: boolean}) => void} navigate to a view; with `replace` no
 *   new place in the history is made
 * @property {(address: string) => void} note put an address into the bar, and nothing else
 * @property {(callback: () => void) => () => void} onReturn the collector is back: ask anew
 * @property {Promise<void>} isReady `about` and `time` are known
 * @property {{has_login: boolean, version: string, page: string, time_zone: string}} about
 */

const settings = new Settings();
const time = new Clock();
const notices = new Notices(document.getElementById("notices"));
const live = new Live();
const api = new Api((error) => link.failed(error));
const { devices, series } = factsOf(api);
const returns = new Set();
const root = document.getElementById("page");
/** @type {Context} */
const context = {
  api, live, devices, series, time, settings, notices, navigate,
  about: { has_login: false, version: "", page: "", time_zone: "" },
  note: (address) => history.replaceState(null, "", address),
  onReturn(callback) {
    returns.add(callback);
    return () => returns.delete(callback);
  },
};
const link = new Link(context, document.getElementById("link"), () => {
  for (const callback of returns) callback();
});

let ended = () => {};
let showing = 0;

/** Go to a view. */
function navigate(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  return show();
}

async function show() {
  const mine = ++showing;
  const view = VIEWS[location.pathname] ?? VIEWS["/"];
  mark();
  end();
  document.title = `${view.title} · Telegauge`;
  try {
    const module = await view.load();
    await context.isReady;
    if (mine !== showing) return;
    const page = element("div.view");
    const ending = await module.show(page, context);
    if (mine !== showing) return ending?.();
    ended = ending ?? ended;
    fill(root, page);
  } catch (error) {
    if (mine === showing) fill(root, trouble(error));
  }
}

function end() {
  const ending = ended;
  ended = () => {};
  ending();
}

function mark() {
  for (const anchor of document.querySelectorAll(".views a")) {
    const isHere = new URL(anchor.href).pathname === location.pathname;
    if (isHere) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}

function trouble(error) {
  console.info(error);
  const isOurs = error instanceof ApiError;
  const words = isOurs ? error.message : "This view could not be loaded. The collector may be restarting.";
  const again = element("button", { type: "button", onclick: show }, "Try again");
  const leave = context.onReturn(() => show());
  ended = leave;
  return element("div.empty", { role: "alert" }, element("p", {}, words), again);
}

/** Follow links between views without loading the page anew. */
function follow(event) {
  const anchor = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !isPlain || event.defaultPrevented || anchor.target || anchor.hasAttribute("download")) return;
  const address = new URL(anchor.href);
  if (address.origin !== location.origin || !(address.pathname in VIEWS)) return;
  event.preventDefault();
  navigate(address.href);
  root.focus({ preventScroll: false });
}

function countAlerts() {
  const count = document.getElementById("alert-count");
  const look = async () => {
    try {
      const { alerts } = await api.get("/api/v1/alerts", { state: "firing" });
      count.hidden = alerts.length === 0;
      setText(count, String(alerts.length));
      count.setAttribute("aria-label", `${alerts.length} firing`);
    } catch {
      count.hidden = true;
    }
  };
  live.on("alert", look);
  returns.add(look);
  look();
}

addEventListener("popstate", show);
document.addEventListener("click", follow);
const settingsButton = document.getElementById("open-settings");
settingsButton.addEventListener("click", () => openSettings(context));
settingsButton.disabled = false; // From now on it does something.
settings.followOthers();
context.isReady = link.introduce();
// What every view needs is asked for while their modules are still on the way.
for (const facts of [devices, series]) facts.refresh().catch(() => {});
show();
context.isReady.then(() => {
  live.start();
  keepCurrent(context, live);
  countAlerts();
});
