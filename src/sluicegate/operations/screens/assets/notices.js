/* What was told, and where: the panels of a User, and what the operators' page has of them. */

import { announce, ask, byId, change, el, figure, plural, say, when } from "./shared.js";

const EVERY = 30000; // milliseconds
const WAYS = { webhook: "webhook", email: "e-mail", apprise: "Apprise" };
const time = (text) => when(new Date(text));

/* Looks now, each 30 s while somebody sees the page, and when it is seen again. */
export function regularly(look) {
  look();
  setInterval(() => document.hidden || look(), EVERY);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

/* Notices of one event belong together: it is told over many channels. */
export function events(notices) {
  const found = new Map();
  for (const one of notices) {
    const key = `${one.made_at} ${one.kind} ${one.title}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(one);
  }
  return [...found.values()];
}

/* Why one notice has not arrived, in a tone and in words. */
function became(one) {
  if (one.state === "given up") return ["bad", `given up: ${one.why || "not delivered"}`];
  if (one.attempts) return ["warm", `being tried, next at ${time(one.due_at)}: ${one.why}`];
  return ["warm", "being tried"];
}

/* One event for its User: what, and what became of it over each channel. */
export function ownEvent(notices) {
  const told = notices.filter((one) => one.channel).sort((a, b) => a.channel.localeCompare(b.channel)), [first] = notices;
  const arrived = told.filter((one) => one.state === "sent").map((one) => one.channel);
  const others = told.filter((one) => one.state !== "sent").map((one) => [one.channel, ...became(one)]);
  const tone = ["bad", "warm"].find((name) => others.some(([, found]) => found === name)) || "";
  return el("li", { class: tone }, el("time", { datetime: first.made_at }, time(first.made_at)),
    el("span", {}, el("strong", { title: first.text }, first.title),
      arrived.length ? el("small", {}, `Delivered to ${arrived.join(", ")}`) : null,
      ...others.map(([name, found, said]) => el("small", { class: found === "bad" ? "why" : null }, `${name}: ${said}`)),
      told.length ? null : el("small", {}, "Shown here only")));
}

const STATES = {
  failing: (one) => ["bad", `Fails since ${time(one.failing_since)}: ${one.why}`],
  working: (one) => ["", `Last delivered ${time(one.sent_at)}`],
  unused: () => ["idle", "Nothing was sent to it lately"],
};

/* A channel with its test button. It stays the same element, so that a keyboard keeps its place; `tell` renews it.
   What became of a test is said at the row; for operators above all, for a channel that is mended leaves its list. */
function row(name, of, after) {
  const title = el("strong"), about = el("span", { class: "hint" }), state = el("span", { class: "says" });
  const said = of ? byId("tested") : el("p", { class: "said", role: "status" }), label = `Test ${name}${of ? ` of ${of}` : ""}`;
  const button = el("button", { type: "button", class: "changers", "aria-label": label }, "Test");
  const item = el("li", {}, el("div", {}, title, about, state), button, of ? null : said);
  const result = (tone, words) => {
    said.className = "said " + tone;
    say(said, of ? `${of}, ${name}: ${words}` : words);
  };
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    result("", "Sending a test …");
    try {
      const { tested: [one] } = await change("/api/v1/channels/test", of ? { user: of, channel: name } : { channel: name });
      if (one.delivered) result("calm", `The test was taken, after ${figure(one.seconds)} s.`);
      else result("bad", `The test was not taken: ${one.why}.`);
    } catch (failure) {
      result("bad", failure.message);
    }
    button.removeAttribute("aria-disabled");
    await after();
    if (document.activeElement !== document.body) return;
    const there = [...document.querySelectorAll(".channels button")].find((other) => other.getAttribute("aria-label") === label);
    if (there) there.focus();
  });
  const tell = (one) => {
    const [tone, words] = STATES[one.state](one);
    say(title, of ? `${of}: ${name}` : name);
    say(about, `${WAYS[one.way]}${one.address ? ` to ${one.address}` : ", its address is kept secret"}${one.notices.length ? `, for ${one.notices.join(", ")}` : ""}`);
    say(state, words + (one.waiting ? `; ${plural(one.waiting, "notice")} ${one.waiting === 1 ? "waits" : "wait"}` : ""));
    if (item.className !== tone) item.className = tone;
  };
  return { item, tell };
}

/* A list of channels that is renewed in place. `named`: with the names of their Users. */
export function channelList(place, named, after) {
  const rows = new Map();
  return (channels) => {
    const wanted = new Map(channels.map((one) => [JSON.stringify([one.user, one.channel]), one]));
    for (const [key, { item }] of rows)
      if (!wanted.has(key)) {
        item.remove();
        rows.delete(key);
      }
    let before = null;
    for (const [key, one] of wanted) {
      if (!rows.has(key)) rows.set(key, row(one.channel, named ? one.user : null, after));
      const { item, tell } = rows.get(key);
      tell(one);
      const next = before ? before.nextElementSibling : place.firstElementChild;
      if (next !== item && !item.contains(document.activeElement)) place.insertBefore(item, next);
      before = item;
    }
  };
}

const problem = (failure) => el("li", { class: "none" }, `They cannot be read now: ${failure.message}`);

/* The two panels of a User's page. */
export function ownPanels() {
  const show = channelList(byId("channels"), false, look);
  let failing = null;
  async function look() {
    const [told, kept] = await Promise.all(["/api/v1/notices?limit=200", "/api/v1/channels?limit=1000"].map((path) => ask(path).catch((failure) => failure)));
    byId("notices").replaceChildren(...(told instanceof Error ? [problem(told)] : events(told.notices).slice(0, 8).map(ownEvent)));
    byId("no-notices").hidden = told instanceof Error || told.notices.length > 0;
    const lost = kept instanceof Error;
    say(byId("channels-problem"), lost ? `They cannot be read now: ${kept.message}` : "");
    if (lost) return;
    show(kept.channels);
    byId("no-channels").hidden = kept.count > 0;
    if (failing !== null && kept.failing > failing) announce(`${plural(kept.failing, "channel")} of yours ${kept.failing === 1 ? "fails" : "fail"}.`);
    failing = kept.failing;
  }
  regularly(look);
}
