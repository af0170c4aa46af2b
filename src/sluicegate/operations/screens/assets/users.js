/* The Users: who is above, all at a glance, and the table. */

import { byId, dress, el, figure, plural, say, size, whole } from "./shared.js";

const FIRST = 25;
const CAUSERS = 5;
const tone = (row) => (row.throttled > 0.05 ? "bad" : row.excess > 0.05 ? "warm" : row.offered > 0 ? "calm" : "");

/* A bar: within, excess and throttled against `most`. */
export function bar(place, row, most) {
  [["within", 0], ["excess", 1], ["throttled", 2]].forEach(([name, index]) => size(place.children[index], "width", row[name] / most));
}
export const emptyBar = () => el("span", { class: "bar", "aria-hidden": "true" }, el("i", { class: "calm" }), el("i", { class: "warm" }), el("i", { class: "bad" }), el("b", { hidden: "" }));

export function causers(above) {
  const place = byId("causers");
  const shown = above.slice(0, CAUSERS);
  const most = Math.max(1, ...shown.map((row) => row.offered));
  if (!shown.length) {
    if (!place.querySelector(".nobody")) place.replaceChildren(el("li", { class: "nobody" }, "Nobody is above its allocation."));
    return;
  }
  const nobody = place.querySelector(".nobody");
  if (nobody) nobody.remove();
  while (place.children.length > shown.length) place.lastElementChild.remove();
  shown.forEach((row, index) => {
    const item = place.children[index] || place.appendChild(el("li", {}, el("span", { class: "name" }), el("span", { class: "says" }), emptyBar()));
    say(item.children[0], row.name);
    say(item.children[1], `${figure(row.offered)} of ${figure(row.allocation)}` + (row.throttled > 0.05 ? `, ${figure(row.throttled)} throttled` : ""));
    bar(item.children[2], row, most);
    const mark = item.children[2].lastElementChild;
    mark.hidden = false;
    size(mark, "left", row.allocation / most);
  });
}

export function mosaic(rows) {
  const place = byId("mosaic");
  while (place.children.length > rows.length) place.lastElementChild.remove();
  const counts = { bad: 0, warm: 0, calm: 0, "": 0 };
  rows.forEach((row, index) => {
    const cell = place.children[index] || place.appendChild(el("i"));
    const now = tone(row);
    counts[now] += 1;
    dress(cell, now);
    if (cell.title !== row.name) cell.title = row.name;
  });
  say(byId("mosaic-words"), `${plural(rows.length, "User")}: ${whole(counts.bad)} throttled, ${whole(counts.warm)} in excess, ${whole(counts.calm)} within, ${whole(counts[""])} silent`);
}

const COLUMNS = [
  ["name", "User", ""],
  ["allocation", "Allocation", "number wide"],
  ["offered", "Offered", "number"],
  ["within", "Within", "number wide"],
  ["excess", "Excess", "number"],
  ["throttled", "Throttled", "number"],
  ["in_flight", "At the DSP", "number wide"],
];

/* Rows are kept and filled anew, so that focus stays; they change places only while nobody is among them. */
export function table() {
  const body = byId("users");
  const find = byId("find");
  const more = byId("all");
  let by = "cause";
  let down = true;
  let all = false;
  let latest = [];
  let order = [];
  const made = new Map();

  const heads = COLUMNS.map(([key, words, kind]) => {
    const head = el("th", { scope: "col", class: kind || null }, el("button", { type: "button" }, words));
    head.firstElementChild.addEventListener("click", () => {
      down = by === key ? !down : key !== "name";
      by = key;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      fill(true);
    });
    byId("sorts").append(head);
    return head;
  });
  const compare = (a, b) => {
    if (by === "cause") return b.excess + b.throttled - a.excess - a.throttled || b.offered - a.offered || (a.name < b.name ? -1 : 1);
    const less = a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0;
    return (down ? -less : less) || (a.name < b.name ? -1 : 1);
  };
  function line(row) {
    let found = made.get(row.name);
    if (!found) {
      const label = el("span", { class: "label" }, row.name, el("span", { class: "role" }, row.role), el("span", { class: "tag", hidden: "" }, "observed"));
      found = el("tr", {}, el("th", { scope: "row" }, label, emptyBar()), ...COLUMNS.slice(1).map(([, , kind]) => el("td", { class: kind })));
      made.set(row.name, found);
    }
    const head = found.firstElementChild;
    head.querySelector(".tag").hidden = row.enforce;
    const most = row.allocation > 0 ? Math.max(2 * row.allocation, row.offered) : Math.max(1, row.offered);
    bar(head.lastElementChild, row, most);
    const mark = head.lastElementChild.lastElementChild;
    mark.hidden = !(row.allocation > 0);
    size(mark, "left", row.allocation / most);
    COLUMNS.slice(1).forEach(([key, , kind], index) => {
      const cell = found.children[index + 1];
      say(cell, row[key] ? figure(row[key]) : "0");
      dress(cell, kind + (row[key] > 0.05 && key === "throttled" ? " bad" : row[key] > 0.05 && key === "excess" ? " warm" : ""));
    });
    return found;
  }
  function fill(anew) {
    const wanted = find.value.trim().toLowerCase();
    const hands = body.matches(":hover") || body.contains(document.activeElement);
    if (anew || !hands || order.length !== latest.length) {
      order = [...latest].sort(compare).map((row) => row.name);
      const there = new Set(order);
      for (const name of made.keys()) if (!there.has(name)) made.delete(name);
    }
    const rows = new Map(latest.map((row) => [row.name, row]));
    const fitting = order.filter((name) => rows.has(name) && name.toLowerCase().includes(wanted));
    const lines = fitting.slice(0, all ? fitting.length : FIRST).map((name) => line(rows.get(name)));
    lines.forEach((one, index) => body.children[index] !== one && body.insertBefore(one, body.children[index] || null));
    while (body.children.length > lines.length) body.lastElementChild.remove();
    more.hidden = fitting.length <= FIRST;
    say(more, all ? `Show ${FIRST} only` : `Show all ${whole(fitting.length)} Users`);
  }
  find.addEventListener("input", () => fill(true));
  more.addEventListener("click", () => {
    all = !all;
    fill(true);
  });
  return (rows) => {
    latest = rows;
    fill(false);
  };
}
