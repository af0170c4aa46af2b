/* A User's own priorities: what is in force, changing it, and what the last hour would have been, before it is set. */

import { announce, ask, byId, change, el, figure, plural, say, when, whole } from "./shared.js";

const PATH = "/api/v1/account/profile";
const LEFT = "targets command_variants".split(" "); // of a class, where the form has no place for them
const list = (text) => text.split(/[\s,]+/).filter(Boolean);

let now = null; // as the server told it
let wanted = { class: [] };

const place = byId("priorities");
const state = el("p", { class: "hint" });
const rows = el("ol", { class: "classes" });
const more = el("p", { class: "hint" });
const text = el("textarea", { rows: "12", spellcheck: "false", "aria-label": "The profile as a document, JSON or TOML" });
const asText = el("div", { hidden: "" }, el("p", { class: "hint" }, "The whole profile, as JSON or as TOML: classes, teams, targets, command variants."), text);
const problem = el("div", { class: "problem", role: "alert" });
const outcome = el("section", { class: "outcome", tabindex: "-1", hidden: "", "aria-label": "What the last hour would have been" });
const versions = el("ol", { class: "timeline" });
const button = (words, act, kind) => {
  const made = el("button", { type: "button", class: kind || null }, words);
  made.addEventListener("click", act);
  return made;
};
const add = button("Add a class", () => {
  collect();
  wanted.class.push({ name: "", srvs: [], reserve: 0 });
  fill();
  rows.lastElementChild.querySelector("input").focus();
});
const swap = button("Edit as text", toggle, "quiet");
const look = button("What would have happened?", () => attempt(), "first");
const back = button("Leave it as it was", () => load(), "quiet");
const gone = button("Go back to the configuration's", () => set(null), "quiet");

place.setAttribute("aria-labelledby", "priorities-title");
place.append(
  el("div", { class: "heading" }, el("h2", { id: "priorities-title" }, "Set your priorities"), swap), state,
  el("div", { class: "editor" }, el("p", { class: "hint" }, "The most urgent class first. A reserve is how many requests of your allocation bank are kept for that class and those above it. What fits no class comes last."), rows, add, more),
  asText, problem, el("p", { class: "row" }, look, back, gone), outcome,
  el("details", {}, el("summary", {}, "Versions"), versions));

const editing = () => !asText.hidden;

function row(one, index, all) {
  const field = (title, value, more) => {
    const input = el("input", { value, "aria-label": `${title} of class ${index + 1}`, ...more });
    return [el("label", {}, el("span", {}, title), input), input];
  };
  const [name, nameInput] = field("Name", one.name, { maxlength: "100", autocomplete: "off" });
  const [srvs, srvsInput] = field("SRVs", (one.srvs || []).join(", "), { placeholder: "2.*, 4.8.1", autocomplete: "off", spellcheck: "false" });
  const [reserve, reserveInput] = field("Reserve", one.reserve || 0, { type: "number", min: "0", step: "any", inputmode: "decimal" });
  const move = (by, words) => {
    const made = button(by < 0 ? "↑" : "↓", () => {
      collect();
      [wanted.class[index], wanted.class[index + by]] = [wanted.class[index + by], wanted.class[index]];
      fill();
      rows.children[index + by].querySelector(by < 0 ? ".up" : ".down").focus();
    }, by < 0 ? "up" : "down");
    made.setAttribute("aria-label", `Make class ${index + 1} ${words} urgent`);
    made.disabled = index + by < 0 || index + by >= all.length;
    return made;
  };
  const remove = button("Remove", () => {
    collect();
    wanted.class.splice(index, 1);
    fill();
    add.focus();
  }, "quiet");
  remove.setAttribute("aria-label", `Remove class ${index + 1}`);
  const item = el("li", {}, name, srvs, reserve, el("span", { class: "row" }, move(-1, "more"), move(1, "less"), remove));
  const kept = LEFT.filter((key) => (one[key] || []).length);
  if (kept.length) item.append(el("p", { class: "hint" }, `It also has ${kept.map((key) => key.replace("_", " ")).join(" and ")}: edit as text.`));
  item.read = () => {
    const { name: _name, srvs: _srvs, reserve: _reserve, ...rest } = one;
    const read = { name: nameInput.value.trim(), ...rest };
    if (list(srvsInput.value).length) read.srvs = list(srvsInput.value);
    if (Number(reserveInput.value)) read.reserve = Number(reserveInput.value);
    return read;
  };
  return item;
}
function collect() {
  wanted.class = [...rows.children].map((item) => item.read());
}
function fill() {
  const classes = wanted.class || (wanted.class = []);
  rows.replaceChildren(...classes.map(row));
  say(more, (wanted.team || []).length ? `And ${plural(wanted.team.length, "team")}: edit as text.` : "");
  place.querySelector(".editor").hidden = editing();
}
const document_ = () => {
  const { class: classes, ...rest } = wanted;
  return classes.length ? { class: classes, ...rest } : rest;
};
function toggle() {
  say(problem, "");
  if (!editing()) {
    collect();
    text.value = JSON.stringify(document_(), null, 2);
    asText.hidden = false;
  } else {
    try {
      wanted = JSON.parse(text.value);
      asText.hidden = true;
    } catch {
      return say(problem, "This is not JSON, so the form cannot show it. You can set it as it is.");
    }
  }
  say(swap, editing() ? "Edit in the form" : "Edit as text");
  fill();
  if (editing()) text.focus();
}

/* What is sent, and as what: text that does not begin as JSON is TOML. */
function sent() {
  if (!editing()) collect();
  const body = editing() ? text.value : JSON.stringify(document_());
  return [body, { "Content-Type": body.trimStart().startsWith("{") ? "application/json" : "application/toml" }];
}
function refused(failure) {
  const told = failure.told && failure.told.problems;
  problem.replaceChildren(...(told && told.length ? [el("ul", {}, ...told.map((one) => el("li", {}, one)))] : [failure.message]));
}

async function attempt() {
  say(problem, "");
  outcome.hidden = true;
  look.disabled = true;
  say(look, "The last hour is replayed…");
  const [body, kind] = sent();
  try {
    outcome.replaceChildren(...said(await change(PATH + "/try", body, "POST", kind)), setting(body, kind));
  } catch (failure) {
    if ([0, 401, 403, 413, 415, 422].includes(failure.status)) return refused(failure);
    outcome.replaceChildren(el("p", {}, `What would have happened cannot be told: ${failure.message}.`.replace("..", ".")), setting(body, kind));
  } finally {
    look.disabled = false;
    say(look, "What would have happened?");
  }
  outcome.hidden = false;
  outcome.focus();
}
function said(told) {
  if (!told.since) return [el("p", {}, "Nothing was recorded in the last hour: there is nothing to compare.")];
  const cells = (values) => values.map((value) => el("td", { class: "number" }, whole(value)));
  return [
    el("h3", {}, "What the last hour would have been"),
    el("p", {}, `Of your requests from ${when(new Date(told.since))} to ${when(new Date(told.until))}, ${whole(told.would_have_passed)} that were throttled would have passed, and ${whole(told.would_have_been_throttled)} that passed would have been throttled.`),
    ...(told.classes.length ? [el("table", {}, el("thead", {}, el("tr", {}, ...["Class", "Throttled", "With this profile"].map((name, index) => el("th", { scope: "col", class: index ? "number" : null }, name)))),
      el("tbody", {}, ...told.classes.map((one) => el("tr", {}, el("th", { scope: "row" }, one.class || "everything else"), ...cells([one.throttled, one.with_this_profile])))))] : []),
  ];
}
function setting(body, kind) {
  return el("p", { class: "row end" }, button("Set it", () => set(body, kind), "grave"));
}

async function set(body, kind = {}) {
  say(problem, "");
  try {
    took(await change(PATH, body ?? "", body === null ? "DELETE" : "PUT", { ...kind, "If-Match": `"${now.version}"` }));
    announce(body === null ? "The profile of the configuration counts again." : "Your profile is in force.");
  } catch (failure) {
    if (failure.status === 412) say(problem, "Somebody has changed it meanwhile. “Leave it as it was” shows what it is now.");
    else refused(failure);
  }
}
async function restore(number) {
  try {
    took(await change(`${PATH}/versions/${number}/restore`, "", "POST", { "If-Match": `"${now.version}"` }));
    announce(`Version ${number} is in force again.`);
  } catch (failure) {
    refused(failure);
  }
}

function took(told) {
  now = told;
  wanted = structuredClone(told.profile || {});
  outcome.hidden = asText.hidden = true;
  say(swap, "Edit as text");
  const from = told.from === "account" ? `Version ${told.version}, set ${when(new Date(told.made_at))} by ${told.by}.` : told.from ? "As the operator's configuration has it." : "You have set none: your requests are served as they come.";
  say(state, from + (told.in_force ? "" : ` It is not in force: ${told.why_not}.`));
  state.className = told.in_force ? "hint" : "problem";
  gone.hidden = told.from !== "account";
  say(problem, "");
  fill();
  history();
}
async function history() {
  const told = await ask(PATH + "/versions").catch(() => ({ versions: [] }));
  versions.replaceChildren(...(told.versions.length ? told.versions.slice(0, 20).map((one, index) => {
    const again = index ? button("Restore", () => restore(one.version), "quiet") : null;
    if (again) again.setAttribute("aria-label", `Restore version ${one.version}`);
    return el("li", {}, el("time", { datetime: one.made_at }, when(new Date(one.made_at))), el("span", {}, `${one.version}: ${one.what}, by ${one.by} `, again));
  }) : [el("li", { class: "none" }, "None yet.")]));
}
async function load() {
  try {
    took(await ask(PATH));
  } catch (failure) {
    if (failure.status === 404) place.hidden = true;
    else refused(failure);
  }
}
load();
