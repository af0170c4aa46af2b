import { ask, byId, el, figure, ofOperators, plural, size, whole } from "./shared.js";

const FIRST = 25;
let told = null;
let all = false;

function change(row, least) {
  const sent = Object.values(row.versions).reduce((sum, count) => sum + count, 0);
  if (!sent) return "It has sent nothing yet.";
  if (row.takes_429_always) return "It has said that it takes 429: nothing.";
  if (least == null) return "No version has 429 here yet.";
  if (!row.below) return "Nothing: all its messages get 429 already.";
  const share = row.below === sent ? "All its messages" : `${figure((100 * row.below) / sent)}% of its messages`;
  const had = row.answered["503"] ? ` ${plural(row.answered["503"], "answer")} so far would have been 429.` : " None was throttled so far.";
  return `${share} would get 429.${had}`;
}

function line(row, least) {
  const entries = Object.entries(row.versions).sort((a, b) => parseFloat(a[0]) - parseFloat(b[0]));
  const sent = entries.reduce((sum, [, count]) => sum + count, 0);
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("i", { class: "warm" }), el("i", { class: "calm" }));
  size(bar.children[0], "width", sent ? row.below / sent : 0);
  size(bar.children[1], "width", sent ? 1 - row.below / sent : 0);
  const words = entries.map(([version, count]) => `${version}: ${whole(count)}`).join(" · ") || "nothing sent yet";
  return el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "label" }, row.user, el("span", { class: "role" }, row.role))),
    el("td", {}, el("div", { class: "versions" }, bar, el("span", {}, words))),
    el("td", { class: "number" + (row.answered["503"] ? " warm" : "") }, whole(row.answered["503"])),
    el("td", { class: "number" }, whole(row.answered["429"])),
    el("td", { class: "wide" }, change(row, least)));
}

function show() {
  const least = told.from;
  const wanted = byId("find").value.trim().toLowerCase();
  const rows = [...told.users].sort((a, b) => b.answered["503"] - a.answered["503"] || b.below - a.below);
  const fitting = rows.filter((row) => row.user.toLowerCase().includes(wanted));
  byId("rows").replaceChildren(...fitting.slice(0, all ? fitting.length : FIRST).map((row) => line(row, least)));
  byId("all").hidden = fitting.length <= FIRST;
  byId("all").textContent = all ? `Show ${FIRST} only` : `Show all ${whole(fitting.length)} Users`;
  const old = rows.filter((row) => row.below > 0), answers = rows.reduce((sum, row) => sum + row.answered["503"], 0);
  if (!ofOperators && rows.length) byId("summary").textContent = change(rows[0], least).replace("its messages", "your messages").replace("It has", "You have");
  else if (least == null) byId("summary").textContent = `Everybody: no DUIS version has 429 here yet. ${plural(answers, "answer")} so far ${answers === 1 ? "was" : "were"} 503.`;
  else byId("summary").textContent = old.length
    ? `${old.length} of ${plural(rows.length, "User")} still ${old.length === 1 ? "sends" : "send"} messages below DUIS ${least}: their throttled requests get 503. ${plural(answers, "answer")} so far ${answers === 1 ? "was" : "were"} 503.`
    : `Nobody sends messages below DUIS ${least}.`;
}

async function look() {
  if (document.hidden) return;
  try {
    told = await ask("/api/v1/versions");
    show();
  } catch (failure) {
    byId("summary").textContent = failure.message;
  }
}

byId("all").addEventListener("click", () => {
  all = !all;
  show();
});
byId("find").addEventListener("input", () => told && show());
setInterval(look, 10000);
look();
