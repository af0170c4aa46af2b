import { ask, byId, change, el, figure, say, when } from "./shared.js";
import { confirm, open } from "./confirm.js";
import { live } from "./live.js";

const PATH = "/api/v1/controls";
const KINDS = [
  ["observe", "Observe only", "Refuse nothing, for all Users; go on counting.", {}],
  ["enforce", "Enforce", "Refuse throttled requests, whatever the file says.", {}],
  ["observe-user", "Observe one User", "Nothing of this User is refused.", { user: true }],
  ["emergency-capacity", "Emergency capacity", "The DSP can bear another load than planned.", { value: "Maximum capacity, SR/s" }],
  ["lowered-threshold", "Lowered threshold", "Traffic management begins earlier, for planned maintenance.", { value: "Operating threshold, SR/s", ends: true }],
  ["temporary-allocation", "Temporary allocation", "One User has another allocation for a time.", { user: true, value: "Allocation, SR/s", ends: true }],
  ["drill", "Drill", "Throttle a part of what one consenting User sends.", { user: true, value: "Part of its requests, %", ends: true }],
];
const named = (kind) => (KINDS.find(([name]) => name === kind) || [kind, kind.replaceAll("-", " ")])[1];
const kinds = byId("kinds");
for (const [name, words, meaning] of KINDS)
  kinds.append(el("label", { class: "kind" }, el("input", { type: "radio", name: "do", value: name, required: "" }), el("strong", {}, words), el("span", {}, meaning)));

const chosen = () => KINDS.find(([name]) => name === (kinds.querySelector(":checked") || {}).value);
function fit() {
  const needs = (chosen() || [, , , {}])[3];
  for (const [name, wanted] of [["user", needs.user], ["value", needs.value]]) {
    byId("field-" + name).hidden = !wanted;
    byId(name).required = Boolean(wanted);
  }
  byId("field-ends").hidden = !chosen();
  byId("length").required = Boolean(needs.ends);
  say(byId("ends-hint"), needs.ends ? "" : "Left empty: until it is ended.");
  if (needs.value) say(byId("value-label"), needs.value);
}
kinds.addEventListener("change", fit);
fit();

function wanted() {
  const [kind, , , needs] = chosen();
  const body = { do: kind, reason: byId("reason").value.trim(), confirmed: false };
  if (needs.user) body.user = byId("user").value;
  if (needs.value) body.value = Number(byId("value").value) / (kind === "drill" ? 100 : 1);
  if (byId("length").value) body.seconds = Number(byId("length").value) * Number(byId("unit").value);
  return body;
}

byId("control").addEventListener("submit", async (event) => {
  event.preventDefault();
  say(byId("problem"), "");
  const body = wanted();
  if (!body.reason) {
    say(byId("problem"), "Say why: the reason goes into the audit trail.");
    return byId("reason").focus();
  }
  try {
    const { meaning } = await change(PATH, body);
    confirm(`${named(body.do)}${body.user ? `: ${body.user}` : ""}`, meaning, body.reason, async () => {
      await change(PATH, { ...body, confirmed: true });
      byId("control").reset();
      fit();
      return `It is in force. ${meaning}`;
    }, { after: look });
  } catch (failure) {
    say(byId("problem"), failure.message);
  }
});

const value = (one) => (one.value == null ? "" : one.do === "drill" ? `, ${figure(100 * one.value)}%` : `, ${figure(one.value)} SR/s`);
const title = (one) => `${named(one.do)}${one.user ? `: ${one.user}` : ""}${value(one)}`;

function force(one) {
  const end = el("button", { type: "button", class: "changers", "aria-label": `End ${title(one)}` }, "End it");
  end.addEventListener("click", () => confirm(`End: ${title(one)}`, "What counted before counts again, at once.", "", async (reason) => {
    await change(`${PATH}/${one.control}/end`, { reason });
    return `${title(one)} has ended.`;
  }, { after: look }));
  return el("li", {}, el("div", {}, el("strong", {}, title(one)),
    el("span", { class: "hint" }, `${one.until ? "until " + when(new Date(one.until)) : "until it is ended"} · ${one.by}: ${one.reason}`)), end);
}

async function look() {
  try {
    const told = await ask(PATH);
    byId("force").replaceChildren(...(told.in_force.length ? told.in_force.map(force) : [el("li", { class: "hint" }, "Nothing: the gateway serves as its file says.")]));
    byId("last").replaceChildren(...(told.last.length ? told.last.slice(0, 15).map((one) => el("li", {}, el("time", {}, when(new Date(one.made_at))),
      el("span", {}, `${title(one)}. ${one.by}: ${one.reason}${one.ended_at ? ` Ended ${when(new Date(one.ended_at))}.` : ""}`))) : [el("li", { class: "none" }, "Nothing yet.")]));
  } catch (failure) {
    byId("force").replaceChildren(el("li", { class: "problem" }, failure.message));
  }
}

let names = "";
live((picture) => {
  const now = picture.users.map((row) => row[0]).sort();
  if (now.join("\n") === names) return;
  names = now.join("\n");
  const select = byId("user"), before = select.value;
  select.replaceChildren(...now.map((name) => el("option", { value: name }, name)));
  if (now.includes(before)) select.value = before;
});
look();
setInterval(() => document.hidden || open() || look(), 10000);
