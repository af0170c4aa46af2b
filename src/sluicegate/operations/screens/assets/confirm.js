/* The one question before something is changed: what will happen, why, and do it or leave it. */

import { announce, byId, el, say } from "./shared.js";

const dialog = el("dialog", { id: "confirm", "aria-labelledby": "confirm-title" },
  el("form", { method: "dialog" },
    el("h2", { id: "confirm-title" }),
    el("p", { class: "claim", id: "meaning" }),
    el("div", { id: "confirm-more" }),
    el("p", { class: "hint", id: "confirm-reason" }),
    el("p", { class: "field", id: "end-field" }, el("label", { for: "end-reason" }, "Reason, for the audit trail"), el("textarea", { id: "end-reason", maxlength: "500", rows: "2" })),
    el("p", { class: "problem", id: "confirm-problem", role: "alert" }),
    el("p", { class: "row end" }, el("button", { type: "submit", value: "no", id: "no", formnovalidate: "" }, "Leave it"), el("button", { type: "submit", value: "yes", id: "yes" }, "Do it"))));
byId("main").append(dialog);

export const open = () => dialog.open;
export const close = () => dialog.close();

/* Shows what will happen; `act` does it once it is confirmed, with the reason, and says what to announce.
   `reason`: already given; empty: it is asked for here; null: none is needed. `more`: elements that say more.
   `after`: called when it was tried. `grave`: false where nothing is limited by it. */
export function confirm(title, meaning, reason, act, { more = [], after = () => {}, verb = "Do it", grave = true } = {}) {
  const asks = reason === "";
  say(byId("confirm-title"), title);
  say(byId("meaning"), meaning);
  byId("confirm-more").replaceChildren(...more);
  say(byId("confirm-reason"), reason ? `Reason: ${reason}` : "");
  byId("end-field").hidden = !asks;
  byId("end-reason").required = asks;
  byId("end-reason").value = "";
  say(byId("confirm-problem"), "");
  say(byId("yes"), verb);
  byId("yes").className = grave ? "grave" : "first";
  byId("yes").disabled = false;
  dialog.querySelector("form").onsubmit = async (event) => {
    if (event.submitter && event.submitter.value === "no") return;
    event.preventDefault();
    byId("yes").disabled = true;
    try {
      announce(await act(byId("end-reason").value.trim().replace(/\s+/g, " ")));
      dialog.close();
    } catch (failure) {
      say(byId("confirm-problem"), failure.message);
      byId("yes").disabled = false;
    }
    after();
  };
  if (!dialog.open) dialog.showModal();
  byId(asks ? "end-reason" : "no").focus();
}
