import { ask, byId, el, plural, say, when, whole } from "./shared.js";
import { channelList, events, regularly } from "./notices.js";

const FIRST = 12;
const EVENTS = 40;
const failing = channelList(byId("failing"), true, look);
const working = channelList(byId("channels"), true, look);
let kept = null;
let told = null;
let all = false;

const wanted = () => byId("find").value.trim().toLowerCase();
const fits = (one) => `${one.user || "everybody"} ${one.channel || ""}`.toLowerCase().includes(wanted());

function glance() {
  const { count, failing: bad, users_without: without } = kept;
  byId("hero").className = "panel state" + (bad ? " bad" : "");
  say(byId("state"), !count ? "No channels" : bad ? `${plural(bad, "channel")} ${bad === 1 ? "fails" : "fail"}` : "All channels work");
  const reach = without ? `${plural(without, "User has", "Users have")} no channel: they see notices on their page only.` : "Every User has a channel.";
  say(byId("cause"), !count ? "Nobody is told anything but on its page. A [[user.channel]] in the configuration says where a User is told." : `${plural(count, "channel")}, ${bad ? `${whole(bad)} of them failing` : "none of them failing"}. ${reach}`);
  byId("failing-panel").hidden = !bad;
  document.title = `${byId("state").textContent} · Sluicegate`;
}

function channels() {
  failing(kept.channels.filter((one) => one.state === "failing"));
  const others = kept.channels.filter((one) => one.state !== "failing" && fits(one));
  working(others.slice(0, all ? others.length : FIRST));
  byId("all").hidden = others.length <= FIRST;
  byId("all").textContent = all ? `Show ${FIRST} only` : `Show all ${whole(others.length)}`;
  byId("none").hidden = others.length > 0;
}

/* To whom: everybody, one User, or so many. */
function whom(notices) {
  if (notices.some((one) => !one.user)) return "everybody";
  const names = [...new Set(notices.map((one) => one.user))];
  return names.length < 3 ? names.join(" and ") : plural(names.length, "User");
}

function event(notices) {
  const count = (state) => notices.filter((one) => one.channel && one.state === state).length;
  const [sent, waits, lost] = ["sent", "waiting", "given up"].map(count), [first] = notices;
  const words = [[sent, "delivered"], [waits, "being tried"], [lost, "given up"]].filter(([number]) => number).map(([number, name]) => `${whole(number)} ${name}`);
  const why = notices.filter((one) => one.channel && one.state !== "sent" && one.why);
  const reasons = [...new Set(why.map((one) => `${one.user}, ${one.channel}: ${one.why}`))];
  const more = reasons.length > 2 ? ` and ${whole(reasons.length - 2)} more` : "";
  return el("li", { class: lost ? "bad" : waits ? "warm" : "" }, el("time", { datetime: first.made_at }, when(new Date(first.made_at))),
    el("span", {}, el("strong", { title: first.text }, first.title), el("small", {}, `To ${whom(notices)}: ${words.join(", ") || "shown on the page only"}`),
      reasons.length ? el("small", { class: "why" }, reasons.slice(0, 2).join("; ") + more) : null));
}

function list() {
  const found = events(told.notices.filter(fits)).slice(0, EVENTS);
  byId("told").replaceChildren(...(found.length ? found.map(event) : [el("li", { class: "none" }, wanted() ? "Nothing was told to it lately." : "Nothing has been told yet. Users are told at 80%, 90% and 100% of their allocation, when traffic management goes active and normal, and of every control.")]));
}

async function look() {
  const [first, second] = await Promise.all(["/api/v1/channels?limit=1000", "/api/v1/notices?limit=1000"].map((path) => ask(path).catch((failure) => failure)));
  const failure = [first, second].find((one) => one instanceof Error);
  say(byId("problem"), failure ? `This cannot be read now, and what you see is from before: ${failure.message}` : "");
  if (!(first instanceof Error)) {
    kept = first;
    glance();
    channels();
  }
  if (!(second instanceof Error)) {
    told = second;
    list();
  }
}

byId("find").addEventListener("input", () => {
  if (kept) channels();
  if (told) list();
});
byId("all").addEventListener("click", () => {
  all = !all;
  channels();
});
regularly(look);
