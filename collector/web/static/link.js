/** The link to the collector: says how it stands, whose clock is wrong, and when it is back. */

import { setText } from "./dom.js";
import { lasting } from "./clock.js";

const SKEW_TOLD = 5000;
const WORDS = { connecting: "connecting", open: "live", away: "away", out: "logged out", refused: "busy" };

export class Link {
  /**
   * @param {import("./shell.js").Context} context
   * @param {HTMLElement} place where the state is shown
   * @param {() => void} returned called when the collector is back
   */
  constructor(context, place, returned) {
    this.context = context;
    this.place = place;
    this.returned = returned;
    context.live.on("state", (change) => this.#changed(change));
    addEventListener("online", () => context.live.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && context.live.state === "away") context.live.hurry();
    });
  }

  /** Learn of the collector what the page has to know first; until it answers, try again. */
  async introduce() {
    for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
      try {
        return await this.#ask();
      } catch (error) {
        this.failed(error);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  /** An answer did not come, or was a no: say what that means for the whole page. */
  failed(error) {
    const { notices, live } = this.context;
    if (error.isLoggedOut) this.#loggedOut();
    else if (error.isAway && live.state !== "open") this.#away();
    else if (error.isAway) notices.say("away", "The collector did not answer a question. Trying again.");
  }

  async #ask() {
    const { api, time, notices } = this.context;
    const asked = Date.now();
    const about = await api.get("/api/v1/about");
    time.set(about.time_zone, about.now, asked, Date.now());
    if (this.context.about.page && this.context.about.page !== about.page) location.reload();
    Object.assign(this.context.about, about);
    if (Math.abs(time.skew) < SKEW_TOLD) notices.clear("skew");
    else notices.say("skew", skewed(time.skew), { canClose: true });
    notices.clear("away");
    notices.clear("out");
  }

  async #changed({ state, former }) {
    this.place.dataset.state = state;
    setText(this.place.firstElementChild, WORDS[state]);
    if (state === "out") this.#loggedOut();
    else if (state === "away") this.#away();
    else if (state === "refused") {
      this.context.notices.say("away", `No live values for the moment: ${this.context.live.detail}.`);
    } else if (state === "open") await this.#returned(former);
  }

  async #returned(former) {
    try {
      await this.#ask();
    } catch {
      return; // It went again; the stream will notice.
    }
    if (former === "connecting") return;
    const { devices, series } = this.context;
    await Promise.allSettled([devices.refresh(), series.refresh()]);
    this.returned();
  }

  #away() {
    this.place.dataset.state = "away";
    setText(this.place.firstElementChild, WORDS.away);
    this.context.notices.say(
      "away",
      "The collector is away. It may be restarting, or the network is down. What you see is the last it said; "
        + "this page goes on by itself when it is back.",
    );
  }

  #loggedOut() {
    this.context.notices.clear("away");
    this.context.notices.say("out", "You are logged out: the login has ended, or the password was changed.", {
      link: ["Log in", "/login"],
    });
  }
}

function skewed(skew) {
  const how = skew > 0 ? "behind" : "ahead of";
  return `The clock of this device is ${lasting(Math.abs(skew))} ${how} the collector's. `
    + "Times and ages on this page are the collector's.";
}
