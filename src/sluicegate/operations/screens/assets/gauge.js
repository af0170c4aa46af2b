/* A load against its marks, and the figures below it. */

import { byId, figure, say, size } from "./shared.js";

export function gauge(rates, marks, label) {
  const place = byId("gauge");
  const admitted = rates.within + rates.excess;
  const all = admitted + rates.throttled;
  const most = Math.max(1e-9, 1.04 * Math.max(all, ...marks.map(([, value]) => value)));
  for (const [tone, value] of [["calm", rates.within], ["warm", rates.excess], ["bad", rates.throttled]])
    size(place.querySelector("i." + tone), "width", value / most);
  for (const [name, value, words] of marks) {
    size(place.querySelector("b." + name), "left", value / most);
    const mark = place.querySelector(".mark." + name);
    mark.classList.toggle("left", value / most < 0.5);
    size(mark.firstElementChild, "left", value / most);
    say(mark.firstElementChild, `${words} ${figure(value)}`);
  }
  if (place.getAttribute("aria-label") !== label) place.setAttribute("aria-label", label);
}

export function figures(values) {
  for (const place of document.querySelectorAll("[data-figure]")) say(place, figure(values[place.dataset.figure]));
}
