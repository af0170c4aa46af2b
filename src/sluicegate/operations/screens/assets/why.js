import { announce, ask, byId, el, figure, ofOperators, plural, size, whole, when } from "./shared.js";

const exact = (at) => {
  const date = new Date(at);
  return `${when(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
};
const link = (id) => el("a", { href: "/why?id=" + encodeURIComponent(id) }, id);
const got = (advice) => (advice.status ? `${advice.status}, ${advice.retry_after} s` : "let through");

function bank(name, level, depth, tone) {
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("i", { class: tone }));
  size(bar.firstElementChild, "width", depth > 0 ? level / depth : 0);
  return el("div", { class: "bank" }, el("p", {}, el("span", {}, name), el("span", {}, `${level.toFixed(2)} of ${figure(depth)} SR`)), bar);
}

function reason(one) {
  const { advice, state, allocation_bank: own, all_requests_bank: all, spare } = one;
  const facts = [
    ...(ofOperators ? [["User", one.user]] : []),
    ["SRV", one.srv],
    ["DUIS version", one.duis_version],
    ["Weight", figure(one.weight)],
    ["State", state.active ? `active since ${when(new Date(state.since))}` : "normal"],
    ["Part of the spare", `${figure(spare.part)} SR/s`],
  ];
  return el("article", { class: "panel reason" },
    el("p", { class: "eyebrow" }, one.request_id),
    el("h2", {}, `${advice.status ? "Throttled" : "Would have been throttled"} at ${exact(one.at)}`),
    el("div", { class: "split" },
      el("ol", { class: "steps" }, ...one.steps.map((step) => el("li", {}, el("strong", {}, `Not ${step.rule}`), el("span", {}, step.said)))),
      el("div", {},
        bank("Allocation bank", own.level, own.depth, "calm"),
        el("div", { class: "bank" }, el("p", {}, el("span", {}, "All Users' requests"), el("span", {}, all.level < 0 ? `in debt by ${figure(-all.level)} SR` : `${figure(all.level)} SR left`))),
        el("dl", { class: "facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))))),
    el("p", { class: "verdict" }, el("strong", {}, advice.status ? `Told to come back in ${plural(advice.retry_after, "second")}. ` : ""), advice.why));
}

async function answer(id) {
  const place = byId("answer");
  try {
    const { decisions } = await ask("/api/v1/throttled/" + encodeURIComponent(id));
    const [newest, ...older] = decisions;
    if (newest.drill) newest.steps[0].rule = "served, for practice";
    place.replaceChildren(reason(newest), ...(older.length ? [el("details", {}, el("summary", {}, `It was throttled ${plural(older.length, "time")} before`), ...older.map(reason))] : []));
    announce(`Throttled ${decisions.length === 1 ? "once" : whole(decisions.length) + " times"}.`);
  } catch (failure) {
    place.replaceChildren(el("div", { class: "panel" }, el("h2", {}, failure.status === 404 ? "Nothing is known of it" : "This cannot be told now"), el("p", { class: "hint" }, failure.message)));
    announce(failure.message);
  }
  place.focus();
}

async function latest() {
  try {
    const { decisions, kept } = await ask("/api/v1/throttled");
    byId("kept").textContent = decisions.length ? `The newest of the last ${whole(kept)} that are remembered.` : "None was throttled, as far as is remembered.";
    byId("latest").replaceChildren(...decisions.slice(0, 30).map((one) => el("tr", {},
      el("td", {}, when(new Date(one.at))), el("td", { class: "operators wide" }, one.user), el("td", { class: "id" }, link(one.request_id)),
      el("td", { class: "wide" }, one.srv), el("td", { class: "number" }, got(one.advice)))));
  } catch (failure) {
    byId("kept").textContent = failure.message;
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = byId("id").value.trim();
  history.pushState(null, "", "/why?id=" + encodeURIComponent(id));
  answer(id);
});
const asked = () => {
  const id = new URLSearchParams(location.search).get("id");
  byId("id").value = id || "";
  if (id) answer(id);
  else byId("answer").replaceChildren();
};
window.addEventListener("popstate", asked);
byId("again").addEventListener("click", latest);
asked();
latest();
