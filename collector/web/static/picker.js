/** Choosing series for a chart: a dialog with a search and a list. */

import { openDialog } from "./dialogs.js";
import { element, fill } from "./dom.js";
import { finding } from "./grouping.js";

const MOST = 200;

/**
 * Let somebody choose.
 * @param {import("./shell.js").Context} context
 * @param {string[]} chosen
 * @param {(series: string[]) => void} changed called at each change
 */
export function pickSeries(context, chosen, changed) {
  const picked = new Set(chosen);
  const list = element("ul.picks");
  const count = element("p.small", { role: "status" });
  const search = element("input", {
    type: "search", placeholder: "Search", "aria-label": "Search series", autocomplete: "off", oninput: () => show(),
  });
  const show = () => {
    const isFound = finding(search.value, (device) => context.devices.of(device)?.label ?? "");
    const found = context.series.all().filter(isFound);
    // What is chosen stands first, so that it can be taken away again.
    const ordered = search.value ? found : [...found].sort((one, other) => picked.has(other.series) - picked.has(one.series));
    fill(list, ...ordered.slice(0, MOST).map((series) => pick(series)));
    const more = found.length > MOST ? `, the first ${MOST} are shown` : "";
    fill(count, `${found.length} series${more}, ${picked.size} chosen`);
  };
  const pick = (series) => {
    const input = element("input", {
      type: "checkbox", checked: picked.has(series.series),
      onchange: () => {
        if (input.checked) picked.add(series.series);
        else picked.delete(series.series);
        changed([...picked]);
      },
    });
    const label = series.label ? element("span.small", {}, series.label) : null;
    return element("li", {}, element("label", {}, input, element("span", {}, series.series), label));
  };
  show();
  openDialog("Series", element("div.picker", {}, search, count, list));
  search.focus();
}
