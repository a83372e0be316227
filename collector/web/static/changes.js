/** The dialogs that change something of a device. The collector asks for the password each time. */

import { openDialog } from "./dialogs.js";
import { element, fill, setText } from "./dom.js";
import { counted, sentence } from "./words.js";

const VALID = [[900, "15 minutes"], [3600, "an hour"], [86400, "a day"], [604800, "a week"], [2592000, "30 days"]];
const OUTCOMES = { done: "Done", failed: "It failed", unknown: "Nobody knows", not_sent: "Not sent" };
const COMMANDS = [
  ["ping", "Say that it is here", []],
  ["identify", "Blink, so that one can find it", []],
  ["read_now", "Read a sensor now", ["sensor?"]],
  ["set_interval", "Read a sensor more or less often", ["sensor", "interval"]],
  ["output", "Switch an output", ["output", "on_off"]],
];

/** Invite a device: a line to paste there, and a QR code of it. */
export function openInvite(context) {
  const name = input("invite-name", { required: true, placeholder: "greenhouse", autocapitalize: "none" });
  const valid = choice("invite-valid", VALID);
  const count = input("invite-count", { type: "number", min: 1, max: 1000, placeholder: "1" });
  const address = input("invite-address", { placeholder: "as this collector knows itself" });
  const dialog = opened("Invite a device", {
    fields: [
      field(name, "Name", "Small letters, digits and -. A known device gets a new key, and its series go on."),
      element("div.pair", {},
        field(valid, "Good for"),
        field(count, "How many devices", "More than one: put {} or {:02} into the name.")),
      field(address, "Address (optional)", "Where the device finds this collector, as host:port."),
    ],
    action: "Invite",
    act: (password) => context.api.change("/api/v1/invitations?time=ms", {
      password,
      name: name.value.trim(),
      valid_s: Number(valid.value),
      count: count.value ? Number(count.value) : null,
      address: address.value.trim() || null,
    }),
    then: (invitation) => {
      dialog.form.hidden = true;
      fill(dialog.answer, invited(context, invitation, dialog));
      context.devices.refresh().catch(() => {});
    },
  });
}

/** Let a device in no more. */
export function openRevoke(context, name) {
  const dialog = opened(`Revoke ${name}`, {
    fields: [
      element("p", {}, `Nothing more of ${name} will be stored, from now on. What it sent stays. `
        + "To let it in again, invite it again."),
    ],
    action: `Revoke ${name}`,
    kind: "button.danger",
    act: (password) => context.api.change(`/api/v1/devices/${name}/revoke`, { password }),
    then: () => {
      dialog.form.hidden = true;
      say(dialog.answer, `${name} is revoked.`);
      context.devices.refresh().catch(() => {});
    },
  });
}

/** Give a device another key over its session. */
export function openRotate(context, name) {
  const dialog = opened(`A new key for ${name}`, {
    fields: [
      element("p", {}, `${name} gets a new key over the session that it has. The former one is dead once `
        + "the new one is used; nothing has to be done on the device."),
    ],
    action: "Give a new key",
    act: (password) => context.api.change(`/api/v1/devices/${name}/rotate`, { password }),
    then: ({ is_used: isUsed }) => {
      dialog.form.hidden = true;
      say(dialog.answer, isUsed
        ? `${name} uses its new key; the former one is dead.`
        : `${name} was sent a new key and has not used it yet. Both hold until it does.`);
      context.devices.refresh().catch(() => {});
    },
  });
}

/** Ask a device to do something, once. */
export function openCommand(context, name) {
  const sensors = [...new Set(context.series.all().filter((each) => each.device === name)
    .map((each) => each.series.slice(name.length + 1).split(".")[0]))].sort();
  const parts = {
    sensor: choice("command-sensor", sensors.map((each) => [each, each])),
    "sensor?": choice("command-read", [["", "all sensors"], ...sensors.map((each) => [each, each])]),
    interval: input("command-interval", { placeholder: "10s", pattern: "[0-9]+(ms|s|m|h|d)", title: "such as 10s or 5m" }),
    output: input("command-output", { placeholder: "fan", autocapitalize: "none" }),
    on_off: choice("command-state", [["on", "on"], ["off", "off"]]),
  };
  const labels = {
    sensor: "Sensor", "sensor?": "Sensor", interval: "Interval", output: "Output, by its name in device.yaml", on_off: "Switch it",
  };
  const command = choice("command-name", COMMANDS.map(([word, told]) => [word, `${told} (${word})`]));
  const details = element("div.fields");
  const wanted = () => COMMANDS.find(([word]) => word === command.value)[2];
  const choose = () => {
    fill(details, ...wanted().map((part) => field(parts[part], labels[part])));
    for (const part of wanted()) parts[part].required = part !== "sensor?";
  };
  command.addEventListener("change", choose);
  choose();
  const dialog = opened(`Command to ${name}`, {
    fields: [
      field(command, "Command", "Each is done once or not at all, and only if `commands:` in its device.yaml allows it."),
      details,
    ],
    action: "Send",
    act: (password) => context.api.change(`/api/v1/devices/${name}/command?time=ms`, {
      password,
      name: command.value,
      arguments: wanted().map((part) => parts[part].value.trim()).filter(Boolean),
    }),
    then: (came) => fill(dialog.answer, ...told(context, came)),
  });
}

/** A dialog with a form; what goes wrong is said in it, in the collector's words. */
function opened(title, { fields, action, act, then, kind = "button.primary" }) {
  const answer = element("div.answer", { "aria-live": "polite" });
  const wrong = element("p.wrong", { role: "alert", hidden: true });
  const go = element(kind, {}, action);
  const password = input("confirm-password", { type: "password", autocomplete: "current-password", required: true });
  const form = element(
    "form.fields",
    {},
    ...fields,
    // What managers of passwords keep it under.
    element("input", { type: "text", autocomplete: "username", value: "telegauge", hidden: true, readonly: true }),
    field(password, "Password of this collector"),
    wrong,
    element("div.row", {}, go),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    wrong.hidden = true;
    fill(answer);
    try {
      then(await act(password.value));
    } catch (error) {
      setText(wrong, sentence(forPages(error.message)));
      wrong.hidden = false;
      if (error.facts?.password) password.select();
    } finally {
      go.disabled = false;
    }
  });
  const dialog = openDialog(title, form, answer);
  form.querySelector("input:not([hidden]), select").focus();
  return { dialog, form, answer };
}

function invited(context, invitation, { dialog }) {
  const { names, line, notes, qr } = invitation;
  const some = names.length > 3 ? `${names[0]} to ${names.at(-1)}` : names.join(", ");
  const many = names.length > 1;
  const copied = element("button", { type: "button", onclick: () => copy(line, copied) }, "Copy the line");
  const status = element("p", { role: "status" }, many ? "Waiting for them to join …" : "Waiting for it to join …");
  const look = () => {
    const joined = names.filter((name) => context.devices.of(name)?.joined > begun);
    if (joined.length === names.length) setText(status, many ? "All of them have joined." : `${some} has joined.`);
    else if (many) setText(status, `${joined.length} of ${names.length} have joined.`);
  };
  const begun = context.time.now() - 60000;
  const end = context.devices.subscribe(look);
  dialog.addEventListener("close", end);
  return element(
    "div.invitation",
    {},
    ...notes.map((note) => element("p.wrong", {}, sentence(forPages(note)))),
    element("p", {}, `For ${some}, until ${context.time.short(invitation.expires)}. Paste this on `
      + `${many ? `each of ${counted(names.length, "device")}` : "the device"}, once:`),
    element("code.line", { tabindex: 0, "aria-label": "The line to paste" }, line),
    element("div.row", {}, copied, status),
    element("img", { src: `data:image/svg+xml,${encodeURIComponent(qr)}`, alt: "QR code of the line", width: 300, height: 300 }),
    element("p.small", {}, "Whoever has this line can join in its place. It is not shown again."),
  );
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    setText(button, "Copied");
  } catch {
    setText(button, "Select the line, and copy it by hand");
  }
}

function told({ time }, { outcome, detail, values, heard }) {
  const when = heard === null ? "" : ` (last heard ${time.short(heard)})`;
  const words = element(outcome === "done" ? "p" : "p.wrong", { role: "status" },
    sentence(`${OUTCOMES[outcome] ?? outcome}: ${detail}${when}`));
  const rows = Object.entries(values).map(([series, value]) => element(
    "tr", {}, element("th", { scope: "row" }, series), element("td", {}, value === null ? "–" : String(value)),
  ));
  return [words, rows.length > 0 && element("table.values", {}, element("tbody", {}, ...rows))];
}

/** What the collector says of its command line, as it is meant here. */
function forPages(text) {
  return text.replace(/name (the way|another) with --address/, "give an address");
}

function say(place, text) {
  fill(place, element("p", { role: "status" }, text));
}

function input(id, attributes = {}) {
  return element("input", { id, type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
}

function choice(id, options) {
  return element("select", { id }, ...options.map(([value, word]) => element("option", { value }, word)));
}

function field(control, label, help = "") {
  const helpId = `${control.id}-help`;
  if (help) control.setAttribute("aria-describedby", helpId);
  return element(
    "div.field", {}, element("label", { for: control.id }, label), control,
    help && element("p.small", { id: helpId }, help),
  );
}
