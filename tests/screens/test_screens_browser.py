"""The screens in a real browser."""

import json
import re
from functools import partial
from time import monotonic, sleep
from urllib.parse import quote

import pytest
from rig_screens import PATIENCE, Standing, configuration, names

from sluicegate.operations.screens import api
from sluicegate.operations.screens.stream import Stream

PAGES = ("/", "/why", "/versions", "/controls", "/notices", "/campaigns", "/book")


def standing(count=2, pressed=True):
    """A gateway of so many Users; `pressed`: the first one has just been throttled."""
    who = names(count)
    watched = Standing(configuration([(name, 10.0) for name in who], 12.0 * count, 7.5 * count), monotonic())
    while pressed and not watched.throttled.seen:
        watched.send(who[0], monotonic(), 10, version="3.1")
    return watched, who


def text(page, selector):
    return page.locator(selector).inner_text()


def wait_for_text(page, selector, pattern):
    script = "([selector, pattern]) => new RegExp(pattern, 'i').test(document.querySelector(selector).innerText)"
    page.wait_for_function(script, arg=[selector, pattern])


def wait_for(what):
    until = monotonic() + PATIENCE
    while not what():
        assert monotonic() < until
        sleep(0.01)


def second(served):
    """The gateway looks at its counters, as it does once a second."""
    served.watched.look(monotonic())


# --- the operator's


def test_two_hundred_users_are_there_the_cause_first(serve, page):
    watched, who = standing(200, pressed=False)
    served = serve(watched)
    tab = page(served)
    wait_for_text(tab, "#state", "Normal")
    tab.locator("#users tr").nth(24).wait_for()
    assert tab.locator("#users tr").count() == 25
    assert tab.locator("#mosaic i").count() == 200
    while not watched.throttled.seen:
        watched.send(who[7], monotonic(), 100)
    second(served)
    wait_for_text(tab, "#state", "Active")
    wait_for_text(tab, "#cause", who[7])
    wait_for_text(tab, "#causers", who[7])
    assert tab.locator("#users tr").first.inner_text().startswith(who[7])
    wait_for_text(tab, "#events", "Traffic management is active")
    tab.get_by_role("button", name="Show all 200 Users").click()
    assert tab.locator("#users tr").count() == 200
    tab.get_by_label("Find").fill(who[150])
    assert who[150] in text(tab, "#users")
    assert tab.locator("#users tr").count() < 10


def test_a_user_s_row_keeps_its_place_under_somebodys_hands(serve, page):
    watched, who = standing(30, pressed=False)
    served = serve(watched)
    tab = page(served)
    tab.locator("#users tr").nth(20).wait_for()
    tab.locator("#users tr").nth(2).hover()
    before = tab.locator("#users tr").all_inner_texts()[0].split("\t")[0]
    watched.send(who[20], monotonic(), 500)
    second(served)
    wait_for_text(tab, "#causers", who[20])
    assert tab.locator("#users tr").all_inner_texts()[0].split("\t")[0] == before
    tab.mouse.move(1, 1)
    wait_for_text(tab, "#users tr", who[20])


def test_srvs_and_what_is_around_the_gateway_are_shown_where_there_is_any(serve, page):
    from sluicegate.operations.screens.pulse import Pulse

    watched, _ = standing()
    watched.breaker_state = "open"
    served = serve(watched, pulse_of=lambda w: Pulse(w, w.rates, w.throttled, mix=lambda: {"2.2": [4.0, 1.0, 2.0]}))
    tab = page(served)
    wait_for_text(tab, "#srvs", r"2\.2 Top Up Device\s+7 SR/s, 2 throttled")
    wait_for_text(tab, "#health", "cannot be reached")
    wait_for_text(tab, "#state", "DSP unreachable")
    assert tab.locator("#in-force").is_hidden()


@pytest.mark.parametrize("path", ["/", "/controls"])
def test_a_page_says_that_it_is_stale_and_since_when_once_the_gateway_is_gone(serve, page, path):
    served = serve()
    tab = page(served, "/static/mark.svg")
    tab.clock.install()
    tab.goto(served.url + path)
    wait_for_text(tab, "#link", "Live")
    assert tab.locator("#stale").is_hidden()
    served.stop()
    tab.clock.run_for(10_000)
    tab.locator("#stale").wait_for(state="visible")
    assert re.search(r"No news from the gateway since \d\d:\d\d:\d\d", text(tab, "#stale"))
    assert text(tab, "#link") == "Stale"
    assert "No news" in tab.locator("#announce").inner_text(), "a screen reader is told, too"


@pytest.mark.parametrize("path", ["/", "/controls"])
def test_a_page_says_that_it_is_signed_out_and_shows_the_way_in(serve, page, path, monkeypatch):
    monkeypatch.setattr(api, "Stream", partial(Stream, check=0.05))
    served = serve()
    tab = page(served, path)
    wait_for_text(tab, "#link", "Live")
    served.signed_in = False
    tab.locator("#stale a").wait_for()
    assert "You are not signed in any more" in text(tab, "#stale")
    assert text(tab, "#link") == "Signed out"
    assert tab.locator("#stale a").get_attribute("href") == "/sign-in?next=" + quote(path, safe="")
    assert "not signed in" in tab.locator("#announce").inner_text()
    wait_for(lambda: not served.pulse.listeners)


# --- by hand, by keyboard, by ear


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(serve, page):
    watched, _ = standing(30)
    tab = page(serve(watched))
    tab.locator("#users tr").nth(5).wait_for()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    reached, unseen = [], []
    for _ in range(60):
        tab.keyboard.press("Tab")
        said, outline = tab.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.id || e.className || e.innerText, s.outlineStyle]; })()"
        )
        if tab.evaluate("document.activeElement === document.body"):
            break  # once around
        reached.append(said)
        if outline == "none":
            unseen.append(said)
    for wanted in ("brand", "Why throttled?", "Controls", "plot", "find", "Throttled", "all"):
        assert any(wanted in one for one in reached), (wanted, reached)
    assert unseen == []


def test_a_control_is_put_by_keyboard_alone_after_it_said_what_it_will_do(serve, page):
    watched, who = standing()
    served = serve(watched)
    tab = page(served, "/controls")
    tab.wait_for_function("() => document.querySelectorAll('#user option').length === 2")
    tab.locator("#kinds input").first.focus()
    for _ in range(5):
        tab.keyboard.press("ArrowDown")  # temporary allocation
    tab.keyboard.press("Tab")
    tab.keyboard.type(who[1][:3])
    for typed in ("25", "2"):
        tab.keyboard.press("Tab")
        tab.keyboard.type(typed)
    tab.keyboard.press("Tab")
    tab.keyboard.type("h")
    tab.keyboard.press("Tab")
    tab.keyboard.type("a firmware run")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.locator("#confirm[open]").wait_for()
    assert "gets another life: 25" in text(tab, "#meaning")
    assert tab.evaluate("document.activeElement.id") == "no", "who presses Enter too often has done nothing"
    asked = {"do": "temporary-allocation", "user": who[1], "value": 25, "seconds": 7200, "reason": "a firmware run"}
    assert served.controls.asked == [asked | {"confirmed": False}]
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.locator("#confirm").wait_for(state="hidden")
    assert served.controls.asked[1:] == [asked | {"confirmed": True}]
    wait_for_text(tab, "#announce", "It is in force")
    wait_for_text(tab, "#force", f"Temporary allocation: {who[1]}, 25 SR/s")


def test_nothing_is_put_without_a_reason_or_against_a_refusal_and_leaving_it_does_nothing(serve, page):
    served = serve()
    tab = page(served, "/controls")
    tab.get_by_label("Emergency capacity").check()
    tab.get_by_label("Maximum capacity, SR/s").fill("666")
    tab.get_by_role("button", name="See what it will do").click()
    assert served.controls.asked == [], "the browser asks for the reason"
    tab.get_by_label("Reason, for the audit trail").first.fill("   ")
    tab.get_by_role("button", name="See what it will do").click()
    wait_for_text(tab, "#problem", "Say why")
    tab.get_by_label("Reason, for the audit trail").first.fill("storm")
    tab.get_by_role("button", name="See what it will do").click()
    wait_for_text(tab, "#problem", "666 is too much")
    tab.get_by_label("Maximum capacity, SR/s").fill("500")
    tab.get_by_role("button", name="See what it will do").click()
    tab.get_by_role("button", name="Leave it").click()
    assert [one["confirmed"] for one in served.controls.asked] == [False, False]
    assert "Nothing" in text(tab, "#force")


def test_a_control_is_ended_with_a_reason(serve, page):
    served = serve()
    served.controls.in_force = [
        {"control": 7, "do": "drill", "user": "Alder", "value": 0.25, "until": None, "by": "Olga", "reason": "practice"}
    ]
    tab = page(served, "/controls")
    tab.get_by_role("button", name="End Drill: Alder, 25%").click()
    tab.get_by_role("button", name="Do it").click()
    assert served.controls.asked == []
    tab.locator("#end-reason").fill("enough")
    tab.get_by_role("button", name="Do it").click()
    tab.locator("#confirm").wait_for(state="hidden")
    assert served.controls.asked == [{"reason": "enough"}]
    wait_for_text(tab, "#force", "Nothing")


def test_a_viewer_sees_what_is_set_and_can_set_nothing(serve, page):
    tab = page(serve(), "/controls", as_="viewer")
    wait_for_text(tab, "#force", "Nothing")
    assert tab.locator("#control").is_hidden()


CONTRAST = """() => {
  const seen = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] === undefined ? 1 : m[3]]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent || e.disabled) continue;
    if (e.classList.contains('unseen') || e.closest('.unseen')) continue;
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(seen(getComputedStyle(at).backgroundColor));
    const ground = layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    const ink = over(seen(getComputedStyle(e).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), size = parseFloat(getComputedStyle(e).fontSize);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (size >= 24 ? 3 : 4.5)) poor.push(e.className + ' ' + e.innerText.slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return poor;
}"""  # noqa: E501


def test_who_asked_for_no_motion_gets_none(serve, page):
    tab = page(serve(), reduced_motion="reduce")
    wait_for_text(tab, "#link", "Live")
    running = "document.getAnimations().filter((a) => a.playState === 'running').length"
    assert tab.evaluate(running) == 0


# --- every page, from 360 px to a wall, by day and by night

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
NAMELESS = """[...document.querySelectorAll('button, input:not([type=hidden]), select, textarea, a')]
  .filter((e) => !e.closest('[hidden]')
    && !(e.innerText || '').trim() && !(e.labels && e.labels.length) && !e.getAttribute('aria-label'))
  .map((e) => e.outerHTML)"""
FULL = {
    "/": "#users tr", "/why": "#answer h2", "/versions": "#rows tr", "/controls": "#user option",
    "/notices": "#problem", "/campaigns": "#announce-form", "/book": "#month", "user": "#totals div",
}  # fmt: skip


@pytest.mark.parametrize("users", [20, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("path", [*PAGES, "user"])
def test_a_page_has_landmarks_and_names_scrolls_down_only_and_its_words_stand_out(serve, page, path, users):
    watched, who = standing(users)
    served = serve(watched)
    as_ = f"user:{who[0]}" if path == "user" else ""
    query = f"?id={watched.throttled.latest()[0].request_id}" if path == "/why" else ""
    tab = page(served, "/static/mark.svg", as_, reduced_motion="reduce")  # colours change at once
    for width in (360, 1280, 3840):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(served.url + ("/" if path == "user" else path + query))
        second(served)
        tab.locator(FULL[path]).first.wait_for(state="attached")
        tab.wait_for_function("() => document.querySelector('main').innerText.length > 100")
        if path in {"/", "user"}:
            wait_for_text(tab, "#link", "Live")
        marks_and_names(tab)
        assert tab.evaluate(SIDEWAYS) <= 0, width
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert tab.evaluate(CONTRAST) == [], (width, scheme)


def marks_and_names(tab):
    """A page has its landmarks, one heading, and a name for every control."""
    for landmark in ("main", "navigation", "banner"):
        assert tab.get_by_role(landmark).count() == 1, landmark
    assert tab.locator("main h1").count() == tab.locator("h1").count() == 1
    assert tab.locator("[aria-current=page]").count() == 1
    assert tab.locator("html").get_attribute("lang") == "en-GB"
    assert tab.evaluate(NAMELESS) == []


# --- why, and who gets 503


def test_why_a_request_was_throttled_is_told_to_whom_it_concerns_only(serve, page):
    watched, who = standing()
    served, request_id = serve(watched), watched.throttled.latest()[0].request_id
    tab = page(served, "/why", as_=f"user:{who[0]}")
    tab.get_by_label("RequestID").fill(request_id.lower())
    tab.get_by_role("button", name="Why?").click()
    wait_for_text(tab, "#answer", "Not within the allocation")
    wait_for_text(tab, "#answer", "Told to come back in .* 503")
    assert tab.evaluate("document.activeElement.id") == "answer"
    assert request_id.lower() in tab.url.lower().replace("%3a", ":")
    other = page(served, f"/why?id={request_id}", as_=f"user:{who[1]}")
    wait_for_text(other, "#answer", "Nothing is known of it")
    assert who[0] not in other.content()


def test_who_still_gets_503_and_what_uplifting_would_change(serve, page):
    watched, who = standing()
    tab = page(serve(watched), "/versions")
    wait_for_text(tab, "#summary", "1 of 2 Users still sends messages below DUIS 4.1")
    wait_for_text(tab, "#rows", f"{who[0]}.*\\n?.*3.1")
    wait_for_text(tab, "#rows", "All its messages would get 429")


def test_a_user_sees_its_own_figures_and_nobody_elses(serve, page):
    watched, who = standing()
    served = serve(watched)
    heard = []
    tab = page(served, as_=f"user:{who[1]}")
    tab.on("response", lambda answer: heard.append(answer.url))
    wait_for_text(tab, "#since", who[1])
    wait_for_text(tab, "#totals", "Requests decided")
    assert who[0] not in tab.content()
    assert tab.locator("nav a", has_text="Controls").is_hidden()
    tab.goto(f"{served.url}/api/v1/screens/events")
    assert json.loads(tab.locator("body").inner_text())["title"] == "Not for you"


def test_who_is_signed_in_by_a_session_may_sign_out_of_every_page(serve, page):
    tab = page(serve(), "/why")
    tab.get_by_role("button", name="Sign out").wait_for()
    assert tab.locator("#sign-out").get_attribute("action") == "/sign-out"
    assert tab.locator("#csrf").input_value() == "a-token"
