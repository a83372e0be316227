/** Dialogs, and the settings of the page in one. */

import { element, fill } from "./dom.js";

const CHOICES = [
  ["theme", "Theme", [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]]],
  ["temperature", "Temperature", [["degC", "°C"], ["degF", "°F"]]],
  ["pressure", "Pressure", [["hPa", "hPa"], ["inHg", "inHg"]]],
];

/**
 * Open a modal dialog; it goes when it is closed.
 * @param {string} title
 * @param {...Node} children
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...children) {
  const close = element("button.plain", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = element(
    "dialog",
    { "aria-label": title },
    element("header.dialog-head", {}, element("h2", {}, title), close),
    ...children,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const opener = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    // Who opened it may not be there for a second time; the focus stays near.
    if (opener?.disabled) opener.closest("[tabindex='-1']")?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Let somebody choose the theme and the units, and log out. */
export function openSettings({ settings, about, time, isReady }) {
  const facts = element("p.small.row");
  // Who opens it at once may be faster than the collector's first answer.
  isReady.then(() => fill(facts, element("a", { href: "/api" }, "API"), `Telegauge ${about.version}`, about.has_login && logOut()));
  const groups = CHOICES.map(([name, title, choices]) => group(settings, name, title, choices));
  openDialog(
    "Settings",
    element("div.settings", {}, ...groups),
    element("p.small", {}, `Kept in this browser. Times are those of ${time.zone}, as collector.yaml has it.`),
    facts,
  );
}

function group(settings, name, title, choices) {
  const options = choices.map(([value, word]) => {
    const input = element("input", {
      type: "radio", name, value, checked: settings.get(name) === value,
      onchange: () => settings.set(name, value),
    });
    return element("label.option", {}, input, element("span", {}, word));
  });
  return element("fieldset.choice", {}, element("legend", {}, title), element("div.segments", {}, ...options));
}

function logOut() {
  return element("form", { method: "post", action: "/logout" }, element("button", {}, "Log out"));
}
