"""Forecast against actual: who is more than 10% over stands out, and a User's page has nothing of another's."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation.propose import Applicant
from sluicegate.operations.book.forecast import Against, against, as_csv, as_dict
from sluicegate.operations.book.forecast_page import files_of


def users(**forecasts):
    return [Applicant(name, "IS", forecast={"2.2": Decimal(count)}) for name, count in forecasts.items()]


@pytest.mark.parametrize(
    ("forecast", "actual", "said", "out"),
    [
        (1000, 1100, "+10.0%", False),
        (1000, 1101, "+10.1%", True),
        (1000, 0, "-100.0%", False),
        (0, 1, "not forecast", True),
        (0, 0, "nothing", False),
        (3, 3.3, "+10.0%", False),
    ],
)
def test_more_than_a_tenth_over_stands_out_and_so_does_what_was_not_forecast(forecast, actual, said, out):
    one = Against("A", forecast, actual)
    assert (one.said, one.stands_out) == (said, out)


def test_those_who_stand_out_come_first_the_most_over_before_the_others():
    month = against(
        "2026-10",
        users(Under=1000, Over=100, More=100, Large=9000),
        {"Under": {"2.2": 900}, "Over": {"2.2": 120}, "More": {"2.2": 200}, "Large": {"2.2": 9000}, "New": {"2.2": 1}},
    )
    assert [one.whole.name for one in month.users] == ["New", "More", "Over", "Large", "Under"]
    assert [one.whole.name for one in month.standing_out] == ["New", "More", "Over"]


def test_a_record_of_half_a_month_is_held_against_half_the_forecast():
    (one,) = against("2026-10", users(A=1000), {"A": {"2.2": 520, "4.8.1": 5}}, 0.5).users
    assert (one.whole.forecast, one.whole.actual, one.whole.stands_out) == (500, 525, False)
    assert [(kind.name, kind.stands_out) for kind in one.kinds] == [("2.2", False), ("4.8.1", True)]
    assert as_csv(one).splitlines()[1:] == ["2.2,500,520,0.0400,no", "4.8.1,0,5,,yes", "all,500,525,0.0500,no"]


counts = st.dictionaries(st.sampled_from(("2.2", "4.8.1", "x")), st.integers(0, 10**9))


@given(st.dictionaries(st.sampled_from("ABCD"), counts), st.dictionaries(st.sampled_from("CDEF"), counts))
def test_nothing_that_was_wanted_or_forecast_is_lost(forecasts, actual):
    rows = [
        Applicant(name, "IS", forecast={s: Decimal(c) for s, c in kinds.items()}) for name, kinds in forecasts.items()
    ]
    told = as_dict(against("2026-10", rows, actual))
    assert sum(one["actual"] for one in told["users"]) == sum(sum(one.values()) for one in actual.values())
    assert sum(one["forecast"] for one in told["users"]) == sum(sum(one.values()) for one in forecasts.values())
    assert {one["user"] for one in told["users"]} == forecasts.keys() | actual.keys()
    json.dumps(told, allow_nan=False)


def test_a_users_page_and_file_have_nothing_of_anybody_else():
    month = against(
        "2026-10",
        users(**{"Zeta <b>": 100, "Beta": 100}),
        {"Zeta <b>": {"2.2": 7777}, "Beta": {"2.2": 8888}},
    )
    files = files_of(month)
    assert set(files) == {
        "forecast.html", "user-zeta-b.html", "user-zeta-b.csv", "user-beta.html", "user-beta.csv",
    }  # fmt: skip
    for name in ("user-beta.html", "user-beta.csv"):
        assert "Zeta" not in files[name]
        assert "7,777" not in files[name]
    assert "Zeta &lt;b&gt;" in files["forecast.html"]
    assert "Zeta <b>" not in files["forecast.html"]
    assert ">▲ over<" in files["forecast.html"]
    assert "2 of 2 Users wanted more than 10% above their forecast" in files["forecast.html"]
