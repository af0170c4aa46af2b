import { announce, ask, byId, el, figure, lasting, plural, say, when, whole } from "./shared.js";
import { chart, extend } from "./charts.js";
import { figures, gauge } from "./gauge.js";
import { live } from "./live.js";
import { bar, causers, emptyBar, mosaic, table } from "./users.js";

const MINUTES = 600;
const BLINK = 2; // seconds
const LEVELS = [["threshold", "operating threshold", "top"], ["maximum", "maximum capacity", "bottom"]];
const last = (data, name) => figure(data[name][data.at.length - 1]);
const ago = (seconds) => `${seconds < 90 ? whole(Math.round(seconds)) + " s" : lasting(seconds)} ago`;
const percent = (part) => `${(100 * part).toFixed(1)}%`;
const sentence = (words) => (data) =>
  `${words}: now ${last(data, "within")} SR/s within, ${last(data, "excess")} excess, ${last(data, "throttled")} throttled; ` +
  `operating threshold ${last(data, "threshold")}, maximum capacity ${last(data, "maximum")}. Arrow keys read the points.`;
const drawMinutes = chart(byId("minutes"), { span: MINUTES, levels: LEVELS, describe: sentence("The last ten minutes") });
const drawDay = chart(byId("day"), { span: 86400, levels: LEVELS, describe: sentence("The last 24 hours") });

let minutes = null;
let event = -1;
let state = null;

const users = table();

/* For how long this worker has been without the ledger; 0 where it has it, or misses it since so lately that it may be nothing. */
function away({ ledger }) {
  return ledger && ledger.worker.state !== "together" && ledger.worker.alone_seconds >= BLINK ? ledger.worker.alone_seconds : 0;
}

function decided({ worker, books }) {
  const how = { alone: `This worker decides alone, by ${percent(worker.share)} of everything.`, closed: "Nothing passes: the lease of this worker's share has ended." };
  return (how[worker.state] || "Nothing passes until the ledger has answered.") + (books ? "" : " All figures here are this worker's, and no other's.");
}

function claim(picture, above) {
  const { rates } = picture;
  if (picture.draining) return "This gateway is stopping: it finishes what it has, and takes nothing new.";
  if (away(picture)) return decided(picture.ledger);
  if (!above.length) {
    if (!rates.offered) return "Nothing comes in.";
    return "Everybody is within its allocation.";
  }
  const [first] = above;
  const others = above.length > 1 ? ` ${plural(above.length - 1, "other is", "others are")} above, too.` : "";
  const told = `${first.name} sends ${figure(first.offered)} SR/s with an allocation of ${figure(first.allocation)}`;
  const refused = first.throttled > 0 ? `: ${figure(first.throttled)} of them are ${first.enforce ? "throttled" : "let through, though above"}.` : ": all of it passes.";
  return told + refused + others;
}

function words(picture) {
  if (picture.upstream.breaker !== "closed") return ["bad", "DSP unreachable"];
  if (away(picture)) return [picture.ledger.worker.state === "alone" ? "active" : "bad", "Ledger away"];
  if (picture.state === "active") return ["active", picture.enforce ? "Active" : "Active, observing"];
  return ["", "Normal"];
}

function show(picture) {
  const rows = picture.users.map((row) => Object.fromEntries(row.map((value, index) => [picture.columns[index], value])));
  for (const row of rows) row.offered = row.within + row.excess + row.throttled;
  const above = rows.filter((row) => row.excess + row.throttled > 0.05)
    .sort((a, b) => b.excess + b.throttled - a.excess - a.throttled);
  const [tone, word] = words(picture);
  byId("hero").className = "panel state " + tone;
  say(byId("state"), word);
  const age = picture.at - Date.parse(picture.since) / 1000;
  say(byId("since"), away(picture) ? `For ${lasting(away(picture))}` : `${picture.state === "active" ? "Traffic management has been active" : "Nobody has been limited"} for ${lasting(age)}, since ${when(new Date(picture.since))}`);
  const said = claim(picture, above);
  say(byId("cause"), said);
  if (state !== null && state !== word) announce(`${word}. ${said}`);
  state = word;
  document.title = `${word}: ${figure(picture.rates.offered)} SR/s · Sluicegate`;
  gauge(picture.rates, [["threshold", picture.operating_threshold, "operating threshold"], ["capacity", picture.maximum, "maximum capacity"]],
    `${figure(picture.rates.offered)} SR/s offered, of an operating threshold of ${figure(picture.operating_threshold)} and a maximum capacity of ${figure(picture.maximum)}`);
  figures({ ...picture.rates, in_flight: picture.in_flight });
  causers(above);
  mosaic(rows);
  users(rows);
  health(picture);
  fleet(picture.ledger);
  inForce(picture);
  mix(picture.mix);
  if (minutes) {
    const { within, excess, throttled } = picture.rates;
    extend(minutes, { at: Math.floor(picture.at), within, excess, throttled, threshold: picture.operating_threshold, maximum: picture.maximum }, MINUTES);
    drawMinutes(minutes);
  }
  if (picture.event !== event) {
    event = picture.event;
    events();
  }
}

function health(picture) {
  const rows = [["DSP", picture.upstream.breaker === "closed" ? `reached, ${plural(picture.upstream.connections, "connection")}` + (picture.ledger ? " of this worker" : "") : "cannot be reached", picture.upstream.breaker === "closed" ? "" : "bad"]];
  rows.push(["At the DSP at once", `${whole(picture.in_flight)} of ${whole(picture.max_in_flight)}`, picture.in_flight >= picture.max_in_flight ? "bad" : ""]);
  if (picture.allocations_scaled_by < 1) rows.push(["Allocations", `cut to ${percent(picture.allocations_scaled_by)}`, "bad"]);
  if (!picture.enforce) rows.push(["Enforcement", "observing only", "warm"]);
  const pressure = picture.backpressure;
  if (pressure) {
    const silent = pressure.heard_seconds_ago == null || pressure.heard_seconds_ago > 5;
    rows.push(["Dispatcher", pressure.heard_seconds_ago == null ? "not heard yet" : `heard ${lasting(pressure.heard_seconds_ago)} ago`, silent ? "bad" : ""]);
    const csps = new Set([...Object.keys(pressure.csps), ...Object.keys(pressure.waiting), ...Object.keys(picture.refused_by_csp)]);
    for (const name of [...csps].sort()) {
      const full = pressure.csps[name];
      const who = full && (full.others ? "everybody" : plural(full.users, "User"));
      const refused = picture.refused_by_csp[name], waiting = pressure.waiting[name];
      rows.push([`CSP ${name}`, (full ? `full for ${who}` : "takes requests") + (waiting ? `, ${whole(waiting)} SRs waiting` : "") + (refused ? `, ${whole(refused)} refused` : ""), full ? "warm" : ""]);
    }
    if (!csps.size) rows.push(["CSPs", "all take requests, nothing waits", ""]);
  }
  if (picture.ledger) rows.push(ledger(picture.ledger));
  if (picture.operations) rows.push(["Operations database", picture.operations.database === "working" ? "works" : picture.operations.why || "fails", picture.operations.database === "working" ? "" : "bad"]);
  if (picture.record) rows.push(["Traffic record", picture.record.state === "writing" ? `${whole(picture.record.rows.written)} rows` + (picture.record.rows.lost ? `, ${whole(picture.record.rows.lost)} lost` : "") : picture.record.why || "stopped", picture.record.state === "writing" && !picture.record.rows.lost ? "" : "bad"]);
  if (picture.last_reload_error) rows.push(["Last reload", picture.last_reload_error, "warm"]);
  const place = byId("health");
  while (place.children.length > rows.length) place.lastElementChild.remove();
  rows.forEach(([name, value, tone], index) => {
    const row = place.children[index] || place.appendChild(el("div", {}, el("dt"), el("dd")));
    say(row.children[0], name);
    say(row.children[1], value);
    if (row.children[1].className !== tone) row.children[1].className = tone;
  });
}

function ledger({ worker, count, silent, parts, parts_away: gone }) {
  if (worker.state === "together") return ["Ledger", (silent ? `answers ${count - silent} of ${plural(count, "worker")}` : `answers ${plural(count, "worker")}`) + (gone ? `; ${gone} of its ${parts} parts ${gone === 1 ? "is" : "are"} away` : ""), silent || gone ? "warm" : ""];
  if (worker.state === "alone") return ["Ledger", `away: alone for ${lasting(worker.alone_seconds)}, by ${percent(worker.share)} of everything`, "bad"];
  return ["Ledger", worker.state === "closed" ? "away for longer than the lease: nothing passes" : "has not answered yet", "bad"];
}

function fleet(told) {
  byId("fleet").hidden = !told;
  if (!told) return;
  say(byId("fleet-words"), told.books ? `${plural(told.count, "worker")}, one capacity` + (told.silent ? `: ${plural(told.silent, "draws", "draw")} nothing, alone or gone` : "") + (told.count > told.workers.length ? `; ${told.workers.length} are shown` : "")
    : "Of the others nothing is known until the ledger answers");
  const place = byId("workers");
  while (place.children.length > told.workers.length) place.lastElementChild.remove();
  told.workers.forEach((one, index) => {
    const row = place.children[index] || place.appendChild(el("tr", {}, el("th", { scope: "row" }, el("span", { class: "label" }), " ", el("span", { class: "role" })), el("td"), el("td"), el("td"), el("td")));
    const known = one.drew_seconds_ago != null, full = one.max_in_flight != null && one.in_flight >= one.max_in_flight;
    const late = known && (one.silent || one.drew_seconds_ago > 3);
    const cells = [[known ? (late ? ago(one.drew_seconds_ago) : "just now") : "–", late ? "bad" : ""],
      [known ? percent(one.share) : "–", ""], [known ? figure(one.in_hand) : "–", "wide"],
      [one.in_flight == null ? "–" : `${whole(one.in_flight)} of ${whole(one.max_in_flight)}`, full ? "bad" : ""]];
    say(row.children[0].children[0], one.name);
    say(row.children[0].children[1], one.this ? "this one" : "");
    cells.forEach(([value, tone], at) => {
      const cell = row.children[at + 1];
      say(cell, value);
      if (cell.className !== `number ${tone}`) cell.className = `number ${tone}`;
    });
  });
}

function inForce(picture) {
  const controls = picture.controls ? picture.controls.in_force : [];
  byId("in-force").hidden = !controls.length;
  const told = JSON.stringify(controls);
  const place = byId("controls-now");
  if (place.dataset.told === told) return;
  place.dataset.told = told;
  place.replaceChildren(...controls.map((one) => el("li", {},
    el("strong", {}, one.do.replaceAll("-", " ") + (one.user ? `: ${one.user}` : "")),
    ` ${one.until ? "until " + when(new Date(one.until)) : "until it is ended"}. ${one.by}: ${one.reason}`)));
}

function mix(rows) {
  byId("mix").hidden = !rows || !rows.length;
  if (!rows) return;
  const most = Math.max(1, ...rows.map((row) => row[2] + row[3] + row[4]));
  const place = byId("srvs");
  while (place.children.length > rows.length) place.lastElementChild.remove();
  rows.forEach(([srv, name, within, excess, throttled], index) => {
    const item = place.children[index] || place.appendChild(el("li", {}, el("span", { class: "name" }), el("span", { class: "says" }), emptyBar()));
    say(item.children[0], `${srv} ${name}`);
    say(item.children[1], `${figure(within + excess + throttled)} SR/s` + (throttled > 0 ? `, ${figure(throttled)} throttled` : ""));
    bar(item.children[2], { within, excess, throttled }, most);
  });
}

async function events() {
  const told = await ask("/api/v1/screens/events").catch(() => null);
  if (told) byId("events").replaceChildren(...told.events.slice(0, 12).map((one) =>
    el("li", { class: one.tone }, el("time", { datetime: new Date(1000 * one.at).toISOString() }, when(new Date(1000 * one.at))), el("span", {}, one.said))));
}

async function series() {
  const told = await ask("/api/v1/screens/series").catch(() => null);
  if (!told) return;
  minutes = told.minutes;
  drawMinutes(minutes);
  drawDay(told.day);
}

live(show);
series();
setInterval(() => document.hidden || series(), 60000);
