/* A User's own usage: over a day and over a month, and of what it was. */

import { ask, byId, el, figure, lasting, plural, say, when, whole } from "./shared.js";
import { chart } from "./charts.js";
import { bar, emptyBar } from "./users.js";

const DAY = 86400;
const SPANS = [["day", "24 hours", DAY, "5m"], ["month", "30 days", 30 * DAY, "1h"]];
const SHOWN = 8; // SRVs

function asked(seconds, more) {
  const until = new Date(), since = new Date(until - 1000 * seconds);
  return "/api/v1/usage?" + new URLSearchParams({ since: since.toISOString(), until: until.toISOString(), ...more });
}

/* Rows of the server as columns of SR/s; from the first step in which there was anything. */
function columns({ rows, step_seconds: step }) {
  const begins = rows.findIndex((row) => row.slice(1).some((count) => count));
  const some = begins < 0 ? [] : rows.slice(begins);
  const column = (index) => some.map((row) => row[index] / step);
  return { at: some.map((row) => Date.parse(row[0]) / 1000), within: column(1), excess: column(2), throttled: column(3) };
}

export function usage(place) {
  const draws = {};
  const place_of = {};
  const words = el("p", { class: "hint" });
  const srvs = el("ol", { class: "bars" });
  const link = el("a", { download: "" }, "Download as CSV");
  const buttons = SPANS.map(([name, title]) => {
    const button = el("button", { type: "button", "aria-pressed": "false" }, title);
    button.addEventListener("click", () => show(name));
    return button;
  });
  const charts = SPANS.map(([name, title, span]) => {
    const figure_ = (place_of[name] = el("figure", { class: "chart", hidden: "" }, el("figcaption", {}, el("span", { class: "unseen" }, `Your usage over ${title}`))));
    draws[name] = chart(figure_, {
      span, levels: [], dated: name === "month",
      describe: (data) => `Your usage over ${title}, the mean of each step. The most was ${figure(Math.max(...data.at.map((_, index) => data.within[index] + data.excess[index] + data.throttled[index])))} SR/s. Arrow keys read the points.`,
    });
    return figure_;
  });
  place.append(
    el("div", { class: "heading" }, el("h2", { id: "usage-title" }, "What you have used"), el("div", { class: "choice", role: "group", "aria-label": "Over" }, ...buttons)),
    words, el("div", { class: "used" }, el("div", {}, ...charts), el("div", {}, el("h3", {}, "Of what"), srvs, el("p", { class: "download" }, link))));
  place.setAttribute("aria-labelledby", "usage-title");

  let shown = null;
  async function show(name) {
    shown = name;
    SPANS.forEach(([one], index) => {
      buttons[index].setAttribute("aria-pressed", String(one === name));
      place_of[one].hidden = one !== name;
    });
    const [, title, span, step] = SPANS.find(([one]) => one === name);
    link.href = asked(span, { step, format: "csv" });
    try {
      const [series, mix] = await Promise.all([ask(asked(span, { step })), ask(asked(span, { by: "srv" }))]);
      if (shown !== name) return;
      fill(name, title, columns(series), series, mix.rows);
    } catch (failure) {
      say(words, failure.status === 404 ? "This gateway keeps no history." : failure.message);
    }
  }
  function fill(name, title, data, series, rows) {
    const sums = series.rows.reduce((sum, row) => [sum[0] + row[1] + row[2] + row[3], sum[1] + row[3]], [0, 0]);
    const since = data.at.length ? ` It begins ${when(new Date(1000 * data.at[0]))}.` : "";
    say(words, sums[0] ? `${plural(sums[0], "request")} in ${title}, ${whole(sums[1])} of them throttled. Each point is the mean of ${lasting(series.step_seconds)}.${since}` : `Nothing was counted in ${title}: a minute is there when it is over.`);
    place_of[name].hidden = !data.at.length;
    draws[name](data);
    const most = Math.max(1, ...rows.map((row) => row[2] + row[3] + row[4]));
    srvs.replaceChildren(...rows.slice(0, SHOWN).map(([srv, title_, within, excess, throttled]) => {
      const made = emptyBar();
      bar(made, { within, excess, throttled }, most);
      return el("li", {}, el("span", { class: "name" }, `${srv} ${title_}`), el("span", { class: "says" }, whole(within + excess + throttled) + (throttled ? `, ${whole(throttled)} throttled` : "")), made);
    }));
    if (!rows.length) srvs.append(el("li", { class: "nobody" }, "Nothing yet."));
    else if (rows.length > SHOWN) srvs.append(el("li", { class: "nobody" }, `and ${plural(rows.length - SHOWN, "other SRV")}`));
  }
  show("day");
  setInterval(() => document.hidden || document.body.dataset.out || show(shown), 60000);
}

usage(byId("usage"));
