/* A picture a second from the gateway. A page that hears nothing says so, and since when. */

import { announce, ask, byId, clock, say, signedOut } from "./shared.js";

const SILENT = 5000; // milliseconds
const AGAIN = 3000;

export function live(show) {
  const pill = byId("link");
  const banner = byId("stale");
  const main = byId("main");
  let source = null;
  let heard = null;
  let opened = Date.now();
  let stale = false;
  let pace = 1000;

  function tell(state, words) {
    pill.hidden = false;
    if (pill.className !== "pill " + state) pill.className = "pill " + state;
    say(pill, words);
  }
  function look() {
    if (document.hidden || document.body.dataset.out) return;
    const since = heard || opened;
    const old = Date.now() - since > Math.max(SILENT, 4 * pace);
    if (old === stale) return;
    stale = old;
    main.classList.toggle("stale", stale);
    banner.hidden = !stale;
    if (stale) {
      const words = heard
        ? `No news from the gateway since ${clock(new Date(heard))}: what you see is from then.`
        : `No news from the gateway since this page was opened at ${clock(new Date(opened))}.`;
      say(banner, words);
      tell("stale", "Stale");
      announce(words);
    } else announce("Figures are live again.");
  }
  function open() {
    close();
    if (document.body.dataset.out) return;
    opened = Date.now();
    source = new EventSource("/api/v1/live");
    source.onmessage = (event) => {
      const picture = JSON.parse(event.data);
      const now = Date.now();
      if (heard) pace = 0.7 * pace + 0.3 * Math.min(60000, now - heard);
      heard = now;
      look();
      tell("live", "Live");
      if (picture) show(picture);
    };
    source.addEventListener("signed-out", signedOut);
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        ask("/api/v1/session").catch(() => {}); // is it signed in?
        setTimeout(() => source || document.hidden || open(), AGAIN);
      }
    };
  }
  function close() {
    if (source) source.close();
    source = null;
  }
  document.addEventListener("signed-out", close);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else {
      heard = null;
      open();
    }
  });
  tell("waiting", "Waiting");
  setInterval(look, 500);
  open();
}
