/** The groups of the overview: a heading with how the device is doing, and the tiles of its series. */

import { chartOfSeries } from "./address.js";
import { moveByArrows } from "./arrows.js";
import { lasting } from "./clock.js";
import { element, fill, stateMark } from "./dom.js";
import { counted, stateMeaning, stateWord } from "./words.js";

const MOST_IN_CHART = 10;

export class Groups {
  /** Tiles that are in sight. */
  seen = new Set();
  #heads = new Map();
  #shown = "";

  /**
   * @param {import("./shell.js").Context} context
   * @param {(tile: import("./tile.js").Tile) => void} cameInSight
   */
  constructor(context, cameInSight) {
    this.context = context;
    this.node = element("div.groups");
    this.#sight = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) this.seen.delete(target.tile);
        else if (!this.seen.has(target.tile)) {
          this.seen.add(target.tile);
          cameInSight(target.tile);
        }
      }
    }, { rootMargin: "200px" });
    this.#leave = moveByArrows(this.node, ".tile");
  }

  #sight;
  #leave;

  /**
   * Show groups; where they are the same as before, nothing is touched.
   * @param {import("./grouping.js").Group[]} groups
   * @param {(series: object) => import("./tile.js").Tile} tileOf
   * @param {() => Node} nothing what is shown where there is no group
   */
  arrange(groups, tileOf, nothing) {
    const shown = JSON.stringify(groups);
    if (shown === this.#shown && groups.length > 0) return this.showDevices();
    this.#shown = shown;
    this.#heads.clear();
    this.#sight.disconnect();
    this.seen.clear();
    fill(this.node, ...(groups.length ? groups.map((group) => this.#section(group, tileOf)) : [nothing()]));
    for (const tile of this.node.querySelectorAll(".tile")) this.#sight.observe(tile);
    return this.showDevices();
  }

  /** Show how the devices are doing. */
  showDevices() {
    const { devices, time } = this.context;
    for (const [name, place] of this.#heads) {
      const device = devices.of(name);
      if (!device) continue;
      const lost = device.loss.recent_lost_readings;
      fill(
        place,
        stateMark(device.state, stateWord(device.state)),
        device.state !== "live" && device.heard && element("span", {}, `heard ${lasting(Math.max(0, time.now() - device.heard))} ago`),
        lost > 0 && element("span.lost", {}, `${counted(lost, "reading")} lost in 24 h`),
        device.duplicate_identity && element("span.lost", {}, "two devices use this name"),
      );
      place.title = stateMeaning(device.state);
    }
  }

  end() {
    this.#sight.disconnect();
    this.#leave();
  }

  #section(group, tileOf) {
    const tiles = group.series.map((series) => tileOf(series).node);
    const names = group.series.slice(0, MOST_IN_CHART).map((each) => each.series);
    const facts = element("span.facts");
    if (group.device !== null) this.#heads.set(group.device, facts);
    const heading = element(
      "header.group-head",
      {},
      element("h2", {}, group.title),
      group.device && group.title !== group.device ? element("span.small", {}, group.device) : null,
      facts,
      names.length > 0 && element("a.small", { href: chartOfSeries(names), "aria-label": `Chart of ${group.title}` }, "Chart"),
    );
    return element("section.group", { "aria-label": group.title }, heading, element("div.tiles", {}, ...tiles));
  }
}
