/* A month's forecasts against what came; who is more than 10% over comes first and stands out. */

import { ask, byId, el, figure, plural, say, whole } from "./shared.js";

const said = (one) => (one.over == null ? (one.actual ? "not forecast" : "nothing") : `${one.over > 0 ? "+" : one.over < 0 ? "−" : ""}${figure(100 * Math.abs(one.over))}%`);

function line(one) {
  const out = one.srvs.filter((kind) => kind.stands_out).slice(0, 3).map((kind) => `${kind.srv} ${said(kind)}`).join(", ");
  return el("tr", {}, el("th", { scope: "row" }, el("span", { class: "label" }, one.user, one.stands_out ? el("span", { class: "tag" }, "▲ over") : null)),
    el("td", { class: "number wide" }, whole(Math.round(one.forecast))), el("td", { class: "number" }, whole(one.actual)),
    el("td", { class: "number" + (one.stands_out ? " bad" : "") }, said(one)), el("td", { class: "wide" }, out || "–"));
}

export function forecast(rows) {
  const input = byId("month");
  async function look() {
    try {
      const told = await ask(`/api/v1/book/forecast${input.value ? `?month=${input.value}` : ""}`);
      if (!input.value) input.value = told.month;
      const out = told.users.filter((one) => one.stands_out);
      say(byId("forecast-claim"), out.length
        ? `${out.length} of ${plural(told.users.length, "User")} ${out.length === 1 ? "was" : "were"} more than ${figure(100 * told.stands_out_above)}% above ${out.length === 1 ? "its" : "their"} forecast.`
        : `None of ${plural(told.users.length, "User")} was more than ${figure(100 * told.stands_out_above)}% above its forecast.`);
      say(byId("forecast-hint"), `SRs of ${told.month} against the forecasts that are kept with version ${told.version}.`
        + (told.covered < 1 ? ` The history has ${figure(100 * told.covered)}% of the hours, and forecasts are of that part.` : "")
        + " Counted is what was let through: a request that came again counts once.");
      byId("forecast").hidden = false;
      rows("forecast", told.users, line);
    } catch (failure) {
      byId("forecast").hidden = byId("forecast-all").hidden = true;
      say(byId("forecast-claim"), failure.status === 404 ? "No forecasts are kept for that month." : "It cannot be read now.");
      say(byId("forecast-hint"), failure.message);
    }
  }
  input.addEventListener("change", look);
  look();
}
