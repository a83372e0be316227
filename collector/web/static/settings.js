/** What somebody has set for their browser: the theme and the units. Kept in the browser alone. */

const PLACE = "telegauge";
const CHOICES = {
  theme: ["system", "light", "dark"],
  temperature: ["degC", "degF"],
  pressure: ["hPa", "inHg"],
};

export class Settings {
  #values = read();
  #heard = new Set();

  /** @param {"theme" | "temperature" | "pressure"} name */
  get(name) {
    const value = this.#values[name];
    return CHOICES[name].includes(value) ? value : CHOICES[name][0];
  }

  set(name, value) {
    this.#values[name] = value;
    try {
      localStorage.setItem(PLACE, JSON.stringify(this.#values));
    } catch {
      // It holds until the page is left.
    }
    this.#tell();
  }

  /** Call something after each change; returns what ends that. */
  subscribe(callback) {
    this.#heard.add(callback);
    return () => this.#heard.delete(callback);
  }

  /** Take up what another window of this browser has set. */
  followOthers() {
    addEventListener("storage", (event) => {
      if (event.key !== PLACE) return;
      this.#values = read();
      this.#tell();
    });
  }

  #tell() {
    const theme = this.get("theme");
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const callback of this.#heard) callback();
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}") ?? {};
  } catch {
    return {};
  }
}
