import { ask, byId, change, el, figure, london, londonDay, plural, role, say, size, whole } from "./shared.js";
import { confirm, open } from "./confirm.js";
import { forecast } from "./book_forecast.js";

const PATH = "/api/v1/book";
const FIRST = 15;
const called = (version) => (version ? `version ${version}` : "the configuration file");
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const rate = (value) => (value == null ? "–" : value.toLocaleString("en-GB", { maximumFractionDigits: 3 }));
const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + rate(Math.abs(value));
const month = (text) => new Date(`${text}-15T12:00Z`).toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
let shown = null; // the version whose changes are looked at
let chosen = false;
let force = null;
let pending = null;

/* The first rows of a table, and a button for all. */
export function rows(name, list, line) {
  const all = byId(`${name}-all`), whole = all.dataset.whole === "yes";
  byId(`${name}-rows`).replaceChildren(...list.slice(0, whole ? list.length : FIRST).map(line));
  all.hidden = list.length <= FIRST;
  say(all, whole ? `Show ${FIRST} only` : `Show all ${list.length} Users`);
  all.onclick = () => {
    all.dataset.whole = whole ? "" : "yes";
    rows(name, list, line);
  };
}

/* Where last month's highest hour does not fit into an allocation, in words and not by colour alone. */
function highest(one) {
  const above = one.highest_hour != null && one.highest_hour > (one.to || 0);
  return el("td", { class: "number" + (above ? " warm" : "") }, one.highest_hour == null ? "–" : `${above ? "▲ " : ""}${figure(one.highest_hour)}`,
    above ? el("span", { class: "unseen" }, " above the allocation") : null);
}

function showForce() {
  const wanted = byId("find").value.trim().toLowerCase();
  const most = Math.max(...force.users.map((one) => one.to || 0), 1e-9);
  const list = force.users.filter((one) => one.user.toLowerCase().includes(wanted)).sort((a, b) => (b.to || 0) - (a.to || 0) || a.user.localeCompare(b.user));
  rows("force", list, (one) => {
    const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("i", { class: "plain" }));
    size(bar.firstElementChild, "width", (one.to || 0) / most);
    return el("tr", {}, el("th", { scope: "row" }, el("span", { class: "label" }, one.user), bar), el("td", { class: "number" }, rate(one.to)), highest(one), el("td", { class: "wide why" }, one.why || "–"));
  });
  say(byId("force-month"), `Highest hour, ${month(force.month)}`);
}
byId("find").addEventListener("input", () => force && showForce());

function showChange(one, diff) {
  const moved = diff.users.filter((user) => user.change);
  byId("change").hidden = false;
  say(byId("change-title"), `What changes with version ${one.version}`);
  const above = diff.users.filter((user) => user.highest_hour != null && user.highest_hour > (user.to || 0)).length;
  say(byId("change-summary"), `From ${called(diff.from)}: ${moved.length ? `${plural(moved.length, "allocation")} of ${whole(diff.users.length)} ${moved.length === 1 ? "changes" : "change"}` : "nothing changes"}. `
    + `Together ${rate(diff.sum.to)} SR/s (now ${rate(diff.sum.from)}) of a maximum of ${rate(diff.maximum)}. `
    + (diff.users.some((user) => user.highest_hour != null) ? `${above ? plural(above, "User") : "Nobody"} had an hour in ${month(diff.month)} above what ${above === 1 || !above ? "it" : "they"} would have: above it lies excess, which passes while there is room.` : `There is no history of ${month(diff.month)}.`));
  say(byId("change-month"), `Highest hour, ${month(diff.month)}`);
  rows("change", moved, (user) => el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "label" }, user.user)),
    el("td", { class: "number" }, rate(user.from)), el("td", { class: "number" }, rate(user.to)),
    el("td", { class: "number " + (user.change < 0 ? "bad" : "") }, signed(user.change)),
    ...[highest(user)].map((cell) => (cell.classList.add("wide"), cell)), el("td", { class: "wide why" }, user.why || "–")));
  byId("change-steps").replaceChildren(...steps(one, diff));
}

function button(words, label, act, kind = "small") {
  const made = el("button", { type: "button", class: kind, "aria-label": label }, words);
  made.addEventListener("click", act);
  return made;
}
const waits = (one) => one.state === "waits for approval";
const when = (text) => `${londonDay(new Date(text))} in London`;

function steps(one, diff) {
  const made = [];
  if (role === "viewer") return made;
  const sums = `${plural(diff.users.filter((user) => user.change).length, "User")} would have another allocation; together ${rate(diff.sum.to)} of ${rate(diff.maximum)} SR/s.`;
  if (waits(one)) made.push(button("Approve", `Approve version ${one.version}`, () => confirm(`Approve version ${one.version}`,
    `Put by ${one.by}, it comes into force on ${when(one.would_come_at)}, at every gateway, without a restart. ${sums}`, "", async (reason) => {
      const done = await change(`${PATH}/${one.version}/approve`, { reason });
      return `Version ${one.version} comes into force on ${when(done.effective_at)}.`;
    }, { after: look, verb: "Approve it", grave: false }), "first"));
  if (waits(one) || one.state === "approved") made.push(button("Withdraw", `Withdraw version ${one.version}`, () => confirm(`Withdraw version ${one.version}`,
    `It will not come into force${one.effective_at ? ` on ${when(one.effective_at)}` : ""}, and cannot be approved any more. What is in force stays.`, "", async (reason) => {
      await change(`${PATH}/${one.version}/withdraw`, { reason });
      return `Version ${one.version} is withdrawn.`;
    }, { after: look, verb: "Withdraw it" }), ""));
  return made;
}

function back(to, told) {
  const later = told.next_change ? ` The book that is approved for ${when(told.next_change)} still comes then: withdraw it if it must not.` : "";
  return button(`Roll back to ${called(to)}`, null, async () => {
    let sums = "";
    try {
      const diff = await ask(`${PATH}/diff?to=${to}`);
      sums = ` ${plural(diff.users.filter((user) => user.change).length, "allocation")} would change; together ${rate(diff.sum.to)} SR/s.`;
    } catch (failure) {
      return say(byId("problem"), failure.message);
    }
    confirm(`Roll back to ${called(to)}`, `${capital(called(to))} is in force again at once, at every gateway, as a new version. One account may do this, for it was in force before.${sums}${later}`, "", async (reason) => {
      const done = await change(`${PATH}/rollback`, { to, reason });
      return `${capital(called(to))} is in force, as version ${done.version}.`;
    }, { after: look, verb: "Roll back" });
  });
}

function version(one, told) {
  const facts = [`put by ${one.by}, ${london(new Date(one.made_at))}`];
  if (one.restores != null) facts[0] = `brought back by ${one.by}: ${called(one.restores)}`;
  if (one.approved_by) facts.push(`approved by ${one.approved_by}`);
  if (one.withdrawn_at) facts.push(`withdrawn ${london(new Date(one.withdrawn_at))}`);
  else if (one.effective_at) facts.push(`in force from ${london(new Date(one.effective_at))}`);
  else if (one.would_come_at) facts.push(`would come into force on ${london(new Date(one.would_come_at))}`);
  const made = one.version === told.in_force ? [] : [button("What changes", `What changes with version ${one.version}`, async () => {
    shown = one.version;
    chosen = true;
    await look();
    byId("change").scrollIntoView({ block: "start" });
  })];
  if (role === "operator" && one.state === "was in force" && one.version !== told.rollback_to && one.restores == null) made.push(back(one.version, told));
  return el("li", {}, el("div", { class: "heading" }, el("strong", {}, `Version ${one.version}`), el("span", { class: `state-word ${one.state === "in force" ? "calm" : waits(one) ? "warm" : ""}` }, one.state)),
    el("p", { class: "hint" }, facts.join(" · ")), one.note ? el("p", {}, one.note) : null, made.length ? el("p", { class: "row" }, ...made) : null);
}

async function look() {
  try {
    const told = await ask(PATH);
    const now = told.in_force || 0;
    force = await ask(`${PATH}/diff?from=${now}&to=${now}`);
    const found = told.versions.find((one) => one.version === now);
    const next = told.versions.filter((one) => waits(one) || one.state === "approved").pop();
    say(byId("claim"), `${capital(called(now))} is in force${found ? ` since ${when(found.effective_at)}` : ""}: ${rate(force.sum.to)} of ${rate(force.maximum)} SR/s for ${plural(force.users.length, "User")}.`
      + (told.next_change ? ` The next book comes into force on ${when(told.next_change)}.` : ""));
    say(byId("force-summary"), found ? [found.approved_by ? `Put by ${found.by}, approved by ${found.approved_by}.` : `Brought back by ${found.by}.`, found.note].filter(Boolean).join(" ") : "The allocations of the configuration file count until a book comes into force.");
    showForce();
    byId("versions").replaceChildren(...(told.versions.length ? told.versions.map((one) => version(one, told)) : [el("li", { class: "hint" }, "There is none yet: `sluicegate book put` makes one.")]));
    byId("back").replaceChildren(...(role === "operator" && told.rollback_to != null ? [back(told.rollback_to, told)] : []));
    if (!chosen) shown = next ? next.version : null;
    pending = told.versions.find((one) => one.version === shown);
    byId("change").hidden = !pending;
    if (pending) showChange(pending, await ask(`${PATH}/diff?from=${now}&to=${pending.version}`));
    say(byId("problem"), "");
  } catch (failure) {
    say(byId("problem"), `The book cannot be read now: ${failure.message}`);
  }
}

look();
forecast(rows);
setInterval(() => document.hidden || open() || look(), 15000);
