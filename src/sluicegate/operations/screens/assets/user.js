import { announce, ask, byId, el, figure, lasting, plural, say, when, whole } from "./shared.js";
import { chart, extend } from "./charts.js";
import { figures, gauge } from "./gauge.js";
import { live } from "./live.js";
import { ownCampaigns } from "./campaign_list.js";
import { ownPanels } from "./notices.js";
import "./usage.js";
import "./profile.js";

const SPAN = 600;
const data = { at: [], within: [], excess: [], throttled: [], allocation: [] };
const draw = chart(byId("minutes"), {
  span: SPAN,
  grows: true,
  levels: [["allocation", "your allocation", "bottom"]],
  describe: (now) => `Your traffic: now ${figure(now.within[now.at.length - 1])} SR/s within, ${figure(now.excess[now.at.length - 1])} excess, ${figure(now.throttled[now.at.length - 1])} throttled. Arrow keys read the points.`,
});
let state = null;
let seen = -1;

function claim(user, active) {
  const { offered, excess, throttled } = user.rates;
  if (!offered) return "You send nothing now.";
  if (throttled > 0) return `You send more than your allocation of ${figure(user.allocation)} SR/s: ${figure(throttled)} SR/s of it ${user.enforce ? "are throttled" : "would be throttled, and are let through"}.`;
  if (excess > 0) return `You send ${figure(offered)} SR/s, more than your allocation of ${figure(user.allocation)}; there is room, and all of it passes.`;
  return active ? "You are within your allocation, and nothing of yours is throttled." : "You are within your allocation.";
}

function show({ at, state: now, since, user, allocations_scaled_by: cut }) {
  const active = now === "active", word = user.rates.throttled > 0 ? "Throttled" : active ? "Active" : "Normal";
  byId("hero").className = "panel state " + (user.rates.throttled > 0 ? "bad" : active ? "active" : "");
  say(byId("state"), word);
  say(byId("since"), `${user.name} · ${active ? "traffic management has been active" : "nobody has been limited"} for ${lasting(at - Date.parse(since) / 1000)}`);
  const said = claim(user, active) + (cut < 1 ? ` Every allocation is cut to ${(100 * cut).toFixed(1)}% of what it is, for capacity is short.` : "");
  say(byId("cause"), said);
  if (state !== null && state !== word) announce(`${word}. ${said}`);
  state = word;
  document.title = `${word}: ${figure(user.rates.offered)} SR/s · Sluicegate`;
  gauge(user.rates, [["threshold", user.allocation, "your allocation"]], `${figure(user.rates.offered)} SR/s sent, with an allocation of ${figure(user.allocation)}`);
  figures({ ...user.rates, in_flight: user.in_flight });
  const { within, excess, throttled } = user.rates;
  extend(data, { at: Math.floor(at), within, excess, throttled, allocation: user.allocation }, SPAN);
  draw(data);
  totals(user);
  profile(user);
  if (user.totals.throttled !== seen) {
    seen = user.totals.throttled;
    latest();
  }
}

function facts(place, rows) {
  while (place.children.length > rows.length) place.lastElementChild.remove();
  rows.forEach(([name, value], index) => {
    const row = place.children[index] || place.appendChild(el("div", {}, el("dt"), el("dd")));
    say(row.children[0], name);
    say(row.children[1], value);
  });
}

function totals(user) {
  facts(byId("totals"), [
    ["Requests decided", whole(user.totals.offered)],
    ["Within your allocation", whole(user.totals.within)],
    ["In excess of it", whole(user.totals.excess)],
    ["Throttled", whole(user.totals.throttled)],
    ["answered with 429", whole(user.answered["429"])],
    ["answered with 503", whole(user.answered["503"])],
    ...(user.totals["csp-backlog"] ? [["Refused, for a CSP was full", whole(user.totals["csp-backlog"])]] : []),
    ["DUIS versions", Object.keys(user.duis_versions).join(", ") || "none yet"],
  ]);
}

function profile(user) {
  const place = byId("profile");
  const told = JSON.stringify(user.classes);
  if (place.dataset.told === told) return;
  place.dataset.told = told;
  if (!user.classes) {
    place.replaceChildren(el("p", { class: "hint" }, "You have set none: your requests are served as they come. ", el("code", {}, "sluicegate profile suggest"), " proposes some."));
    return;
  }
  const rows = user.classes.map((one) => el("tr", {},
    el("th", { scope: "row" }, one.name || "everything else"),
    ...[one.reserve, one.totals.within + one.totals.excess, one.totals.throttled].map((value) => el("td", { class: "number" }, figure(value)))));
  place.replaceChildren(el("table", {}, el("caption", { class: "unseen" }, "Your classes, the most urgent first"),
    el("thead", {}, el("tr", {}, ...["Class", "Reserve", "Passed", "Throttled"].map((name, index) => el("th", { scope: "col", class: index ? "number" : null }, name)))),
    el("tbody", {}, ...rows)));
}

let looking = false;
async function latest() {
  if (looking) return;
  looking = true;
  const told = await ask("/api/v1/throttled").catch(() => null);
  setTimeout(() => (looking = false), 3000);
  if (!told) return;
  byId("throttled").replaceChildren(...(told.decisions.length ? told.decisions.slice(0, 8).map((one) =>
    el("li", { class: "bad" }, el("time", { datetime: one.at }, when(new Date(one.at))),
      el("span", {}, el("a", { href: "/why?id=" + encodeURIComponent(one.request_id) }, `SRV ${one.srv}`), one.advice.status ? `, ${one.advice.status}, told to wait ${plural(one.advice.retry_after, "second")}` : ", let through"))) :
    [el("li", { class: "none" }, "Nothing of yours was throttled lately.")]));
}

live(show);
latest();
ownPanels();
ownCampaigns(byId("own-campaigns"));
