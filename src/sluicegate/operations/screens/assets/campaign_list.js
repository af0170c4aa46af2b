/* Campaigns as they are told of on every page. */

import { ask, el, figure, london, plural, size, whole } from "./shared.js";

export const PATH = "/api/v1/campaigns";
export const percent = (part) => `${figure(100 * part)}%`;
export const date = (text) => new Date(text);
const clock = (at) => london(at).replace(/^.*, /, "");
const dayOf = (at) => london(at).replace(/, [^,]*$/, "");

/* From when to when, the day said once where one is enough. */
export function span(one) {
  const from = date(one.starts_at), to = date(one.ends_at);
  return `${london(from)} to ${dayOf(from) === dayOf(to) ? clock(to) : london(to)}`;
}
export const what = (one) => `SRV ${one.srv}, ${plural(one.volume, "request")}`;
export const tone = (level) => (level > 1 ? "bad" : level > 0.9 ? "warm" : "calm");

/* How full the highest hour is, as a bar and in words. */
export function fullness(level, words) {
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("i", { class: tone(level) }));
  size(bar.firstElementChild, "width", level);
  return el("div", { class: "level" }, bar, el("span", { class: level > 1 ? "bad" : "" }, `${words} ${percent(level)} of the threshold${level > 1 ? ": too full" : ""}`));
}

/* What came, against what was announced. */
export function outcome(run) {
  if (!run) return "What came is not known: there is no history of that time.";
  const part = run.part < 1 ? ` (the history has ${percent(run.part)} of the window)` : "";
  const against = run.over === 0 ? "as announced" : `${percent(Math.abs(run.over))} ${run.over > 0 ? "more" : "less"} than announced`;
  return `${whole(run.came)} came in the window, ${against}${part}. Highest hour ${figure(run.peak)} SR/s; ${whole(run.outside)} came in the day before and after; ${plural(run.held, "attempt")} ${run.held === 1 ? "was" : "were"} throttled.`;
}

/* A User's own, in a panel of its page; hidden where this gateway keeps none. */
export async function ownCampaigns(panel) {
  const place = panel.querySelector(".kept");
  let told;
  try {
    told = await ask(PATH);
  } catch (failure) {
    panel.hidden = failure.status === 404 || failure.status === 403;
    place.replaceChildren(el("p", { class: "hint" }, "They cannot be read now."));
    return;
  }
  const rows = [
    ...told.campaigns.slice(0, 5).map((one) => el("li", { class: tone(one.level) }, el("time", { datetime: one.starts_at }, london(date(one.starts_at))), el("span", {}, `${what(one)}${one.state === "running" ? ", running" : ""}`))),
    ...told.over.slice(0, 3).map((one) => el("li", {}, el("time", { datetime: one.starts_at }, london(date(one.starts_at))), el("span", {}, `${what(one)}${one.run ? `: ${whole(one.run.came)} came` : ", over"}`))),
  ];
  place.replaceChildren(
    rows.length ? el("ol", { class: "timeline" }, ...rows) : el("p", { class: "hint" }, "You have announced none."),
    el("p", { class: "hint" }, el("a", { href: "/campaigns" }, "Announce one, or find a quieter time")));
}
