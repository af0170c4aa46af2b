/* What every page needs: elements, figures and times in words, and the server's answers. */

export const byId = (id) => document.getElementById(id);
export const role = document.body.dataset.role;
export const ofOperators = role !== "user";

/* An element with attributes, and children or text. What comes from outside is text, never markup. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children.filter((child) => child != null));
  return made;
}

/* Sets only what has changed: a screen reader, and the browser, are told of nothing else. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function dress(element, name) {
  if (element.className !== name) element.className = name;
}
export function size(element, property, part) {
  const value = (100 * Math.min(1, Math.max(0, part))).toFixed(2) + "%";
  if (element.dataset[property] !== value) {
    element.style.setProperty(property, value);
    element.dataset[property] = value;
  }
}

export const figure = (value) =>
  value.toLocaleString("en-GB", { maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 });
export const whole = (value) => value.toLocaleString("en-GB");
export const plural = (count, one, many) => `${whole(count)} ${count === 1 ? one : many || one + "s"}`;

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATED = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const clock = (date) => CLOCK.format(date);
export function when(date) {
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : DATED.format(date);
}
/* As London's clocks show it: books and campaigns go by them, wherever somebody looks. */
const zoned = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", ...options });
const LONDON = zoned({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const LONDON_DAY = zoned({ weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const LONDON_PARTS = zoned({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const parts = (date) => Object.fromEntries(LONDON_PARTS.formatToParts(date).map(({ type, value }) => [type, value]));
export const london = (date) => LONDON.format(date);
export const londonDay = (date) => LONDON_DAY.format(date).replace(" at ", ", ");
export const londonHour = (date) => Number(parts(date).hour);
export function londonInput(date) {
  const { year, month, day, hour, minute } = parts(date);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}
export function lasting(seconds) {
  if (seconds < 90) return plural(Math.max(0, Math.round(seconds)), "second");
  if (seconds < 5400) return plural(Math.round(seconds / 60), "minute");
  if (seconds < 129600) return plural(Math.round(seconds / 3600), "hour");
  return plural(Math.round(seconds / 86400), "day");
}

/* Said once to a screen reader, politely. */
export function announce(text) {
  say(byId("announce"), text);
}

export class Failure extends Error {
  constructor(status, message, told = {}) {
    super(message);
    this.status = status;
    this.told = told;
  }
}

/* Who is not signed in any more is told so, and shown the way in; what is on the page stays, and is from before. */
export function signedOut() {
  if (document.body.dataset.out) return;
  document.body.dataset.out = "yes";
  byId("main").classList.add("stale");
  const words = "You are not signed in any more: what you see is from before.";
  byId("stale").replaceChildren(words + " ", el("a", { href: "/sign-in?next=" + encodeURIComponent(location.pathname + location.search) }, "Sign in"));
  byId("stale").hidden = byId("link").hidden = false;
  dress(byId("link"), "pill stale");
  say(byId("link"), "Signed out");
  announce(words);
  document.dispatchEvent(new Event("signed-out"));
}

/* JSON of the server. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch {
    throw new Failure(0, "The gateway does not answer.");
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) signedOut();
  if (!answer.ok) throw new Failure(answer.status, told.detail || told.title || `The answer was ${answer.status}.`, told);
  return told;
}

/* Who is signed in by a session may sign out; the token of the session shows that a page of this site asks. */
const session = ask("/api/v1/session").catch(() => ({}));
session.then(({ csrf }) => {
  byId("sign-out").hidden = !csrf;
  byId("csrf").value = csrf || "";
});

/* Changes something. The token of the session shows that this page asks, and no other one (CSRF). */
export async function change(path, body = {}, method = "POST", fields = {}) {
  const headers = { "Content-Type": "application/json", ...fields };
  const { csrf } = await session;
  if (csrf) headers["X-CSRF-Token"] = csrf;
  return ask(path, { method, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
}

for (const link of document.querySelectorAll("nav [data-for]"))
  if (link.dataset.for.split(" ").includes(document.body.dataset.page)) link.setAttribute("aria-current", "page");
