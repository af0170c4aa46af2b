"""Campaigns: announced, seen over what is usual, offered quieter hours, and held against what came."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from sluicegate.operations.book import campaigns, slots
from sluicegate.operations.book.campaign_page import plan_page
from sluicegate.operations.book.campaigns import HOUR, Campaign, CampaignRefused
from sluicegate.operations.book.effective import LONDON, microseconds
from sluicegate.operations.book.planning import Planned, around, plan
from sluicegate.operations.store.book_tables import campaign
from sluicegate.operations.store.verify import verify

AT = 500_000 * HOUR
FIRST = 500_010


def announced(store, user="Large", srv="1.1.1", volume=3600, first=FIRST, hours=2, **rest):
    given = {"starts_at": first * HOUR, "ends_at": (first + hours) * HOUR, "who": "Ann", "at": AT, **rest}
    with store.changing() as connection:
        return campaigns.announce(connection, user=user, srv=srv, volume=volume, **given)


def asked(store, what, *args):
    with store.reading() as connection:
        return what(connection, *args)


def withdrawn(store, number, **rest):
    with store.changing() as connection:
        return campaigns.withdraw(connection, number, **{"who": "Ann", "at": AT, **rest})


def test_what_is_announced_is_seen_until_it_is_withdrawn(store):
    one = announced(store)
    assert one.rate == 0.5
    assert asked(store, campaigns.within, FIRST * HOUR, (FIRST + 1) * HOUR) == [one]
    assert asked(store, campaigns.within, (FIRST + 2) * HOUR, (FIRST + 3) * HOUR) == []
    assert asked(store, campaigns.within, 0, 10**18, "Small") == []
    withdrawn(store, one.id)
    assert asked(store, campaigns.within, 0, 10**18) == []
    with pytest.raises(CampaignRefused, match="withdrawn already"):
        withdrawn(store, one.id)
    assert not asked(store, verify).problems


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"srv": "top-up"}, "is not an SRV"),
        ({"volume": 0}, "volume"),
        ({"volume": 10**13}, "volume"),
        ({"hours": 0}, "end after it begins"),
        ({"hours": 93 * 24}, "92 days"),
        ({"first": 499_990}, "end in the future"),
        ({"first": 510_000}, "400 days"),
        ({"note": "x" * 201}, "200 printable"),
        ({"note": "a\nb"}, "printable"),
    ],
)
def test_an_announcement_that_cannot_be_is_refused_and_leaves_no_row(store, wrong, said):
    with pytest.raises(CampaignRefused, match=said):
        announced(store, **wrong)
    assert asked(store, verify).rows == 0


def test_nobody_announces_without_end_nor_withdraws_anothers(store, monkeypatch):
    monkeypatch.setattr(campaigns, "MOST_OPEN", 2)
    announced(store)
    announced(store)
    with pytest.raises(CampaignRefused, match="withdraw one first"):
        announced(store)
    announced(store, "Small")
    with pytest.raises(CampaignRefused, match="there is no campaign 1"):
        withdrawn(store, 1, user="Small")
    with pytest.raises(CampaignRefused, match="there is no campaign 9"):
        withdrawn(store, 9)
    with pytest.raises(CampaignRefused, match="is over"):
        withdrawn(store, 1, at=(FIRST + 2) * HOUR)


def test_an_announcement_that_was_tampered_with_is_found(store):
    announced(store)
    announced(store)
    with store.changing() as connection:
        connection.execute(update(campaign).where(campaign.c.id == 1).values(volume=1))
        connection.execute(delete(campaign).where(campaign.c.id == 2))
    assert asked(store, verify).problems == [
        "campaign 1: the audit trail says otherwise of its volume",
        "campaign 2: it was announced, and is not there",
    ]
    with store.changing() as connection:
        connection.execute(update(campaign).values(id=7))
    assert any("knows nothing" in said for said in asked(store, verify).problems)


def of(number=1, first=FIRST, hours=2.0, volume=36_000, srv="1.1.1"):
    start = int(first * HOUR)
    return Campaign(number, 1, "Large", srv, volume, start, start + int(hours * HOUR), "", AT, "Ann", None)


@given(st.floats(0, 48), st.floats(0.1, 100), st.integers(1, 10**9))
def test_laid_over_the_hours_a_campaign_is_as_large_as_it_was_announced(first, hours, volume):
    one = of(first=FIRST + first, hours=hours, volume=volume)
    laid = slots.laid_over([one], lambda _: 0.0, range(FIRST - 1, FIRST + 200), {})
    assert sum(hour.campaigns for hour in laid) * 3600 == pytest.approx(volume)


def test_a_heavy_kind_counts_by_its_weight():
    (hour,) = slots.laid_over([of(srv="11.1")], lambda _: 1.0, range(FIRST, FIRST + 1), {"11.1": 5.0})
    assert hour == (FIRST, 1.0, 25.0)
    assert hour.all == 26


def test_usual_is_the_mean_of_the_same_hour_of_the_week_by_londons_clocks():
    winter = microseconds(datetime(2026, 3, 23, 9, tzinfo=LONDON)) // HOUR
    summer = microseconds(datetime(2026, 3, 30, 9, tzinfo=LONDON)) // HOUR
    assert summer - winter == 7 * 24 - 1
    usual = slots.usual_of({winter: 3600.0, winter - 7 * 24: 10_800.0}, {winter, winter - 7 * 24, winter + 1}, 2.0)
    assert usual(summer) == 4.0
    assert usual(summer + 1) == 0.0
    assert usual(summer + 12) == 2.0  # nothing is known of that hour: the mean of all
    assert slots.usual_of({}, ())(5) == 0.0


loads = st.lists(st.integers(0, 50), min_size=72, max_size=72)


def peak(one, others, usual):
    """By hand, hour by hour."""
    return max(
        usual(hour) + sum(slots.rate_in(each, hour) for each in (one, *others))
        for hour in range(one.starts_at // HOUR, -(-one.ends_at // HOUR))
    )


@given(loads, st.integers(0, 60), st.integers(1, 10), st.sampled_from([0, HOUR // 4, HOUR // 2]))
def test_slots_that_are_offered_are_as_long_and_quieter_and_none_lies_over_another(load, first, hours, more):
    def usual(hour):
        return float(load[hour - FIRST]) if 0 <= hour - FIRST < len(load) else 0.0

    one, others = of(first=FIRST + first, hours=hours), [of(2, FIRST + 3)]
    one = one._replace(ends_at=one.ends_at + more)
    length = one.ends_at - one.starts_at
    ((_, now, offered),) = plan([one], [one, *others], usual, {}, lambda _: range(FIRST, FIRST + 72))
    assert now == pytest.approx(peak(one, others, usual))
    assert len(offered) <= slots.MOST_OFFERED
    for slot in offered:
        moved = one._replace(starts_at=slot.starts_at, ends_at=slot.ends_at)
        assert slot.ends_at - slot.starts_at == one.ends_at - one.starts_at
        assert peak(moved, others, usual) == pytest.approx(slot.peak)
        assert slot.peak < now
    peaks = [peak(one._replace(starts_at=(h * HOUR), ends_at=h * HOUR + length), others, usual)
             for h in range(FIRST, FIRST + 72)]  # fmt: skip
    if offered:
        assert offered[0].peak == pytest.approx(min(peaks))
    spans = sorted((slot.starts_at, slot.ends_at) for slot in offered)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_slots_are_offered_within_a_week_of_a_campaign_and_never_in_the_past():
    one = of(first=FIRST + 400)
    assert around(AT)(one) == range(FIRST + 400 - 168, FIRST + 400 + 169)
    assert around(AT)(of(first=FIRST)).start == AT // HOUR + 1
    assert list(around((FIRST + 500) * HOUR)(of(first=FIRST))) == []
    ((_, _, offered),) = plan([of(first=FIRST)], [], lambda _: 0.0, {}, around((FIRST + 500) * HOUR))
    assert offered == []


def test_a_run_is_held_against_its_announcement_as_far_as_the_record_goes():
    seen = {FIRST: 20_000, FIRST + 1: 25_000, FIRST - 1: 7, FIRST + 2: 8, FIRST + 100: 9}
    whole = slots.run_of(of(), seen, seen)
    assert (whole.inside, whole.outside, whole.part) == (45_000, 15, 1.0)
    assert whole.over == pytest.approx(0.25)
    half = slots.run_of(of(), {FIRST: 18_000}, {FIRST})
    assert (half.part, half.over) == (0.5, 0.0)
    assert slots.run_of(of(), {}, ()).over == 0.0


def test_the_page_says_which_hours_are_above_the_threshold(settings):
    one = of(volume=3_600_000)._replace(user="A <b>")
    hours = slots.laid_over([one], lambda _: 10.0, range(FIRST, FIRST + 24), {})
    page = plan_page(hours, [Planned(one, 510.0, [slots.Slot(AT, AT + HOUR, 9.0)])], settings.capacity, "Basis.")
    assert "2 of 24 hours are above the operating threshold" in page
    assert "A &lt;b&gt;" in page
    assert "▲ above the threshold" in page
    assert "peak 9.0" in page
