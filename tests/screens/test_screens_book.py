"""The book and the campaigns in a real browser, over their real API and a real database."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from time import monotonic

import pytest
from rig_book import Kept
from rig_screens import Standing, configuration, names
from test_screens_browser import CONTRAST, SIDEWAYS, wait_for_text

from sluicegate.operations.book import campaigns, versions
from sluicegate.operations.book.campaigns import HOUR
from sluicegate.operations.book.effective import LONDON, microseconds, month, month_before
from sluicegate.operations.store import trail
from sluicegate.operations.store.verify import verify

DAY = 24 * HOUR


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.close()


@pytest.fixture
def served(serve, kept):
    """The pages of a gateway of two Users, 20 SR/s at most, with a database."""
    return serve(Standing(configuration([("Alder", 10), ("Birch", 5)], 20, 15), monotonic()), kept=kept)


def put(kept, who="ann", **allocations):
    with kept.store.changing() as connection:
        why = dict.fromkeys(allocations, "1,000 SRs a month = 1,000 points")
        return versions.put(connection, allocations, who=who, at=trail.now(), reasons=why, note="a proposal").version


def in_force(kept, since, forecasts=None, **allocations):
    with kept.store.changing() as connection:
        made = versions.put(
            connection, allocations, who="ann", at=since - DAY, asked_at=since, forecasts=forecasts
        )  # fmt: skip
        versions.approve(connection, made.version, who="bob", at=since - DAY // 2)


def announced(kept, user, first=30, hours=2, volume=7200, srv="1.1.1", at=None):
    hour = trail.now() // HOUR
    with kept.store.changing() as connection:
        return campaigns.announce(
            connection, user=user, srv=srv, volume=volume, starts_at=(hour + first) * HOUR,
            ends_at=(hour + first + hours) * HOUR, who=f"User {user}", at=at or trail.now(),
        )  # fmt: skip


def trail_of(kept):
    with kept.store.reading() as connection:
        assert verify(connection).problems == []
        return [(row.who, row.did, trail.details_of(row).get("reason")) for row in trail.rows(connection)]


def confirmed(tab, verb, reason=None):
    if reason is not None:
        tab.get_by_label("Reason, for the audit trail").fill(reason)
    tab.locator("dialog").get_by_role("button", name=verb).click()


# --- the book


def test_what_one_account_puts_another_approves_on_the_screen(served, page, kept):
    number = put(kept, Alder=8, Birch=7)
    tab = page(served, "/book", as_="approver/bob")
    wait_for_text(tab, "#claim", "The configuration file is in force")
    wait_for_text(tab, "#change-title", f"with version {number}")
    assert tab.locator("#change-rows tr").all_inner_texts()[0].split("\t")[:4] == [
        "Alder",
        "10",
        "8",
        "\N{MINUS SIGN}2",
    ]
    assert "1,000 points" in tab.locator("#change-rows").inner_text()
    wait_for_text(tab, "#change-summary", "Together 15 SR/s .now 15. of a maximum of 20")
    tab.get_by_role("button", name=f"Approve version {number}").click()
    wait_for_text(tab, "#meaning", "Put by ann, it comes into force on Monday, .*00:00 in London, at every gateway")
    assert trail_of(kept)[1:] == []
    confirmed(tab, "Approve it", "checked with ann")
    wait_for_text(tab, "#versions", "approved by bob")
    assert tab.locator("#announce").inner_text().startswith("Version 1 comes into force on Monday")
    assert trail_of(kept)[1:] == [("bob", versions.APPROVED, "checked with ann")]


def test_who_has_put_a_book_is_told_why_it_cannot_approve_it(served, page, kept):
    put(kept, who="carol", Alder=8, Birch=7)
    tab = page(served, "/book", as_="operator/Carol")
    tab.get_by_role("button", name="Approve version 1").click()
    confirmed(tab, "Approve it", "mine")
    wait_for_text(tab, "#confirm-problem", "was put by carol, and a second account approves it")
    assert tab.locator("dialog").is_visible()
    assert len(trail_of(kept)) == 1
    confirmed(tab, "Leave it")
    wait_for_text(tab, "#versions", "waits for approval")


def test_a_book_is_withdrawn_and_rolled_back_with_a_reason(served, page, kept):
    in_force(kept, trail.now() - DAY, Alder=9, Birch=6)
    put(kept, Alder=8, Birch=7)
    tab = page(served, "/book", as_="operator/carol")
    tab.get_by_role("button", name="Withdraw version 2").click()
    wait_for_text(tab, "#meaning", "cannot be approved any more")
    confirmed(tab, "Withdraw it", "no need")
    wait_for_text(tab, "#versions", "withdrawn")
    tab.get_by_role("button", name="Roll back to the configuration file").click()
    wait_for_text(tab, "#meaning", "in force again at once.* 2 allocations would change; together 15 SR/s")
    confirmed(tab, "Roll back", "Alder starves")
    wait_for_text(tab, "#claim", "Version 3 is in force since")
    wait_for_text(tab, "#versions", "Alder starves")
    assert [did for _, did, _ in trail_of(kept)[-2:]] == [versions.WITHDRAWN, versions.ROLLED_BACK]


def test_a_viewer_sees_the_book_and_has_nothing_to_press(served, page, kept):
    in_force(kept, trail.now() - DAY, Alder=9, Birch=6)
    put(kept, Alder=8, Birch=7)
    tab = page(served, "/book", as_="viewer/eve")
    wait_for_text(tab, "#versions", "waits for approval")
    pressed = tab.get_by_role("button").all_inner_texts()
    assert not [words for words in pressed if words.startswith(("Approve", "Withdraw", "Roll"))]


def test_users_over_their_forecast_stand_out(served, page, kept):
    since, until = (microseconds(moment) for moment in month(month_before(trail.now())))
    hours = (until - since) // HOUR
    in_force(kept, since, {"Alder": {"2.2": hours}, "Birch": {"4.8.1": hours * 10}}, Alder=9, Birch=6)
    kept.counted([
        (since + hour * HOUR, user, srv, count)
        for hour in range(hours) for user, srv, count in (("Alder", "2.2", 2), ("Birch", "4.8.1", 10))
    ])  # fmt: skip
    tab = page(served, "/book", as_="approver/bob")
    wait_for_text(tab, "#forecast-claim", "1 of 2 Users was more than 10% above its forecast")
    first, second = tab.locator("#forecast-rows tr").all_inner_texts()
    assert "▲ over" in first
    assert "+100%" in first
    assert "▲" not in second
    tab.get_by_label("Month").fill("2001-02")
    wait_for_text(tab, "#forecast-claim", "No forecasts are kept")


def test_where_the_database_is_lost_an_approval_is_refused_and_the_page_says_so(served, page, kept, monkeypatch):
    monkeypatch.setattr("sluicegate.operations.store.worker.REST", 0.0)  # it is tried again at once
    put(kept, Alder=8, Birch=7)
    tab = page(served, "/book", as_="approver/bob")
    tab.get_by_role("button", name="Approve version 1").click()
    os.rename(kept.where, kept.where + ".away")
    confirmed(tab, "Approve it", "checked")
    wait_for_text(tab, "#confirm-problem", "try again")
    wait_for_text(tab, "#problem", "cannot be read now")
    os.rename(kept.where + ".away", kept.where)
    confirmed(tab, "Approve it", "checked")
    wait_for_text(tab, "#versions", "approved by bob")
    assert len(trail_of(kept)) == 2


# --- campaigns


def test_a_user_sees_how_a_campaign_lies_takes_a_quieter_time_and_announces_it(served, page, kept):
    announced(kept, "Birch", first=72, volume=7200 * 12)  # 12 of 15 SR/s
    tab = page(served, "/campaigns", as_="user:Alder")
    wait_for_text(tab, "#claim", "No campaign is announced")
    start = datetime.fromtimestamp((trail.now() // HOUR + 72) * 3600, LONDON)
    tab.get_by_label("SRV").fill("1.1.1")
    tab.get_by_label("Requests in all").fill(str(7200 * 6))
    tab.get_by_label("From (London)").fill(start.strftime("%Y-%m-%dT%H:%M"))
    tab.get_by_label("To (London)").fill((start + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"))
    tab.get_by_label("What it is").fill("winter tariff")
    tab.get_by_role("button", name="See how it lies").click()
    wait_for_text(tab, "#meaning", "about 120% of the operating threshold: that is too full")
    assert len(trail_of(kept)) == 1
    tab.get_by_role("button", name="of the threshold instead").first.click()
    wait_for_text(tab, "#meaning", "about 40% of the operating threshold\\.")
    confirmed(tab, "Announce it")
    wait_for_text(tab, "#come", "winter tariff")
    assert "Birch" not in tab.locator("body").inner_text()
    assert trail_of(kept)[-1][:2] == ("User Alder", campaigns.ANNOUNCED)
    tab.get_by_role("button", name="Withdraw SRV 1.1.1").click()
    confirmed(tab, "Withdraw it")
    wait_for_text(tab, "#claim", "No campaign is announced")
    assert trail_of(kept)[-1][:2] == ("User Alder", campaigns.WITHDRAWN)


def test_a_user_cannot_see_another_s_and_an_operator_sees_all(served, page, kept):
    announced(kept, "Birch")
    announced(kept, "Alder", volume=1_000_000)
    tab = page(served, "/campaigns", as_="user:Birch")
    wait_for_text(tab, "#claim", "1 campaign is announced; no hour .* is above your allocation")
    assert "1,000,000" not in tab.locator("body").inner_text()
    tab = page(served, "/campaigns", as_="operator/carol")
    wait_for_text(tab, "#come", "Alder: SRV 1.1.1, 1,000,000 requests")
    wait_for_text(tab, "#come", "Birch: SRV 1.1.1")
    wait_for_text(tab, "#claim", "2 hours of the next 14 days are above the operating threshold")
    wait_for_text(tab, "#basis", "there is no history yet")
    assert "Load hour by hour" in tab.locator("#hours .plot").get_attribute("aria-label")
    tab.locator("#hours .plot").focus()
    tab.keyboard.press("ArrowRight")
    wait_for_text(tab, "#hours .moment", "\\d\\d:00")


def test_a_run_that_is_over_stands_beside_its_announcement_and_on_the_user_s_page(served, page, kept):
    announced(kept, "Alder", first=-10, volume=1000, at=trail.now() - 2 * DAY)
    hour = trail.now() // HOUR
    kept.counted([((hour - 10 + n) * HOUR, "Alder", "1.1.1", 600) for n in range(2)])
    tab = page(served, "/campaigns", as_="viewer/eve")
    wait_for_text(tab, "#over", "1,200 came in the window, 20% more than announced")
    assert tab.locator("#announce-form").is_hidden()
    announced(kept, "Alder", srv="2.2")
    tab = page(served, "/", as_="user:Alder")
    wait_for_text(tab, "#own-campaigns", "SRV 2.2, 7,200 requests")
    wait_for_text(tab, "#own-campaigns", "1,200 came")


def test_what_cannot_be_announced_is_told_beside_the_form(served, page):
    tab = page(served, "/campaigns", as_="operator/carol")
    tab.locator("#user option").first.wait_for(state="attached")
    for label, value in (("SRV", "top-up"), ("Requests in all", "5"), ("From (London)", "2020-01-01T00:00"),
                         ("To (London)", "2020-01-01T01:00")):  # fmt: skip
        tab.get_by_label(label).fill(value)
    tab.get_by_role("button", name="See how it lies").click()
    wait_for_text(tab, "#problem", "is not an SRV")


# --- for everybody


@pytest.fixture
def many(serve, kept):
    """Forty Users, with books and campaigns."""
    who = names(40)
    in_force(kept, trail.now() - DAY, **dict.fromkeys(who, 9.5))
    put(kept, **{name: 5.0 + n / 5 for n, name in enumerate(who)})
    for n, name in enumerate(who[:8]):
        announced(kept, name, first=20 + 9 * n, volume=10**6)
    return serve(Standing(configuration([(name, 10.0) for name in who], 480, 300), monotonic()), kept=kept)


@pytest.mark.parametrize(("path", "seen"), [("/book", "#change-rows tr"), ("/campaigns", "#come li")])
def test_nothing_scrolls_sideways_and_words_stand_out(many, page, path, seen):
    tab = page(many, "/static/mark.svg", as_="operator/carol", reduced_motion="reduce")
    for width in (360, 3840):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(many.url + path)
        tab.locator(seen).nth(5).wait_for()
        assert tab.evaluate(SIDEWAYS) <= 0
        both_schemes(tab)
        tab.get_by_role("button", name="Withdraw").first.click()
        both_schemes(tab)


def both_schemes(tab):
    """The page's words stand out by day and by night."""
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate(CONTRAST) == [], scheme
