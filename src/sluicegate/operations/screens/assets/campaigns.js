import { announce, ask, byId, change, el, figure, london, londonInput, ofOperators, plural, role, say } from "./shared.js";
import { chart } from "./charts.js";
import { close, confirm, open } from "./confirm.js";
import { PATH, date, fullness, outcome, percent, span, what } from "./campaign_list.js";

const DAYS = 14;
const HOUR = 3600;
const mayChange = role === "operator" || role === "user";
const whose = (one) => (ofOperators ? `${one.user}: ` : "");
const names = ofOperators ? ["operating threshold", "maximum capacity"] : ["your allocation"];
const draw = chart(byId("hours"), {
  span: (24 * DAYS - 1) * HOUR,
  dated: true,
  layers: [["expected", "calm"], ["campaigns", "warm"]],
  levels: names.map((name, number) => [name, name, number || names.length === 1 ? "bottom" : "top"]),
  describe: (now) => {
    const sums = now.expected.map((rate, index) => rate + now.campaigns[index]);
    const highest = sums.indexOf(Math.max(...sums));
    return `Load hour by hour: the highest is ${figure(sums[highest])} SR/s at ${london(date(1000 * now.at[highest]))}, ${figure(now.expected[highest])} of it without campaigns; ${names.map((name) => `${name} ${figure(now[name][0])}`).join(", ")}. Arrow keys read the hours.`;
  },
});

function picture({ hours, lines }) {
  const first = Date.parse(hours.since) / 1000;
  const data = { at: hours.usual.map((_, index) => first + index * HOUR), expected: hours.usual, campaigns: hours.campaigns };
  for (const { name, rate } of lines) data[name] = hours.usual.map(() => rate);
  draw(data);
}

function claim(told) {
  const line = told.lines[0];
  const over = told.hours.usual.filter((rate, index) => rate + told.hours.campaigns[index] > line.rate).length;
  const many = told.to_come ? `${plural(told.to_come, "campaign")} ${told.to_come === 1 ? "is" : "are"} announced` : "No campaign is announced";
  const above = over ? `; ${plural(over, "hour")} of the next ${DAYS} days ${over === 1 ? "is" : "are"} above ${ofOperators ? "the " : ""}${line.name}.` : `; no hour of the next ${DAYS} days is above ${ofOperators ? "the " : ""}${line.name}.`;
  return many + above;
}

function quieter(one, take) {
  if (!one.quieter.length) return el("p", { class: "hint" }, "No time within a week is quieter.");
  return el("ul", { class: "slots" }, ...one.quieter.map((slot) => {
    const words = `${span(slot)} · ${percent(slot.level)}`;
    return el("li", {}, take ? button(words, () => take(slot), `Take ${words} of the threshold instead`) : words);
  }));
}
function button(words, act, label) {
  const made = el("button", { type: "button", class: "small", "aria-label": label }, words);
  made.addEventListener("click", act);
  return made;
}

function toCome(one) {
  const more = mayChange ? el("p", { class: "row" },
    button("Withdraw", () => withdraw(one), `Withdraw ${whose(one)}${what(one)}, ${span(one)}`)) : null;
  return el("li", {}, el("div", { class: "heading" }, el("strong", {}, `${whose(one)}${what(one)}`), el("span", { class: "hint" }, one.state)),
    el("p", {}, `${span(one)}, ${figure(one.rate)} SR/s${one.note ? ` · ${one.note}` : ""}`),
    fullness(one.level, "Highest hour"),
    one.quieter.length ? el("details", { open: one.level > 1 ? "" : null, "data-campaign": String(one.campaign) }, el("summary", {}, plural(one.quieter.length, "quieter time")), quieter(one, null)) : quieter(one, null), more);
}
const over = (one) => el("li", {}, el("strong", {}, `${whose(one)}${what(one)}`), el("p", {}, `${span(one)}${one.note ? ` · ${one.note}` : ""}`), el("p", { class: "hint" }, outcome(one.run)));

const none = (words) => [el("li", { class: "hint" }, words)];
async function look() {
  let told;
  try {
    told = await ask(`${PATH}?days=${DAYS}`);
  } catch (failure) {
    say(byId("claim"), `Campaigns cannot be read now: ${failure.message}`);
    return;
  }
  say(byId("claim"), claim(told));
  say(byId("basis"), `${ofOperators ? "Expected without campaigns" : "Your own load, without campaigns"}: ${told.basis.said} Means of an hour: within it, bursts go higher.`);
  picture(told);
  const opened = new Set([...document.querySelectorAll("#come details[open]")].map((one) => one.dataset.campaign));
  const left = told.to_come - told.campaigns.length;
  byId("come").replaceChildren(...(told.campaigns.length ? told.campaigns.map(toCome) : none("None.")), ...(left > 0 ? none(`${plural(left, "more")} further away.`) : []));
  for (const one of document.querySelectorAll("#come details")) if (opened.has(one.dataset.campaign)) one.open = true;
  byId("over").replaceChildren(...(told.over.length ? told.over.map(over) : none("None is over yet.")));
}

function withdraw(one) {
  confirm(`Withdraw: ${whose(one)}${what(one)}`, `It will not take place: ${span(one)}. Others see that time as free.`, null, async () => {
    await change(`${PATH}/${one.campaign}`, {}, "DELETE");
    return "It is withdrawn.";
  }, { after: look, verb: "Withdraw it" });
}

/* A slot is a time to the second; what somebody writes is a time of London's clocks. */
function put(slot) {
  for (const [name, text] of [["starts", slot.starts_at], ["ends", slot.ends_at]]) {
    byId(name).value = londonInput(date(text));
    byId(name).dataset.exact = text;
  }
}
for (const name of ["starts", "ends"]) byId(name).addEventListener("input", () => delete byId(name).dataset.exact);

function wanted() {
  const time = (name) => byId(name).dataset.exact || byId(name).value;
  const body = { srv: byId("srv").value.trim(), volume: Number(byId("volume").value), starts_at: time("starts"), ends_at: time("ends"), note: byId("note").value.trim(), confirmed: false };
  return ofOperators ? { ...body, user: byId("user").value } : body;
}

async function preview() {
  say(byId("problem"), "");
  const body = wanted();
  let told;
  try {
    told = await change(PATH, body);
  } catch (failure) {
    say(byId("problem"), failure.message);
    if (open()) close();
    return;
  }
  const one = told.campaign;
  confirm(`${whose(one)}${what(one)}`, `${span(one)}. ${told.meaning}`, null, async () => {
    await change(PATH, { ...body, confirmed: true });
    byId("announce-form").reset();
    return "It is announced.";
  }, {
    after: look,
    verb: "Announce it",
    grave: false,
    more: [fullness(one.level, "Highest hour"), el("h3", {}, "Quieter times"), quieter(one, (slot) => {
      put(slot);
      announce(`Looking at ${span(slot)}.`);
      preview();
    })],
  });
}
byId("announce-form").addEventListener("submit", (event) => {
  event.preventDefault();
  preview();
});

if (ofOperators && mayChange)
  ask("/api/v1/versions").then(({ users }) => byId("user").replaceChildren(...users.map((one) => one.user).sort().map((name) => el("option", { value: name }, name))), () => {});
look();
setInterval(() => document.hidden || open() || look(), 30000);
