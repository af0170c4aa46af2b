"""A proposed book: it adds up exactly, keeps every floor, and rewards nobody for anything but its own figures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluicegate.allocation.apportion import Claim, TooLittle, apportion
from sluicegate.allocation.propose import Applicant, CannotPropose, Weights, plain, propose

counts = st.integers(0, 10**9).map(Decimal)
rates = st.decimals(0, 50, places=4)


@st.composite
def applicants(draw):
    names = draw(st.lists(st.sampled_from("ABCDEFGHIJKLMNOP"), min_size=1, unique=True))
    return [
        Applicant(
            name,
            draw(st.sampled_from(("IS", "GS", "ED"))),
            draw(st.dictionaries(st.sampled_from(("ESME", "GSME")), counts)),
            draw(st.dictionaries(st.sampled_from(("2.2", "4.8.1", "11.1")), counts)),
            draw(rates),
            draw(rates),
        )
        for name in names
    ]


weights = st.builds(
    Weights,
    st.dictionaries(st.sampled_from(("IS", "ED")), st.decimals(0, 5, places=2)),
    st.dictionaries(st.sampled_from(("4.*", "11.1")), st.decimals(0, 5, places=2)),
    st.dictionaries(st.sampled_from(("ESME", "GSME")), st.decimals(0, 5, places=2)),
)
maxima = st.integers(850, 10_000).map(Decimal)
CENT = Decimal("0.01")


def figures(rows, maximum, weigh=None, resolution=CENT):
    return {one.name: one.allocation for one in propose(rows, maximum, weigh, resolution)}


@given(applicants(), maxima, weights, st.sampled_from([Decimal("0.001"), CENT, Decimal("0.5"), Decimal(1)]))
def test_the_book_adds_up_to_the_maximum_exactly_in_whole_steps_and_nobody_is_below_its_floor(
    rows, maximum, weigh, resolution
):
    assume(sum(-int(-one.least / resolution // 1) for one in rows) * resolution <= maximum)
    found = figures(rows, maximum, weigh, resolution)
    assert sum(found.values()) == maximum
    assert sum(map(Fraction, map(str, map(float, found.values())))) == maximum  # as binary fractions print, too
    for one in rows:
        assert found[one.name] >= one.least
        assert found[one.name] % resolution == 0


@given(applicants(), maxima, weights, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, maximum, weigh, chance):
    mixed = list(rows)
    chance.shuffle(mixed)
    assert figures(rows, maximum, weigh) == figures(mixed, maximum, weigh)


@given(applicants(), maxima, weights, st.integers(0, 10**9).map(Decimal), st.sampled_from(["forecast", "devices"]))
def test_more_of_its_own_never_gives_a_user_less_nor_another_more_than_a_step(rows, maximum, weigh, more, what):
    first, key = rows[0], {"forecast": "2.2", "devices": "ESME"}[what]
    had = getattr(first, what)
    grown = replace(first, **{what: {**had, key: had.get(key, Decimal(0)) + more}})
    before, after = figures(rows, maximum, weigh), figures([grown, *rows[1:]], maximum, weigh)
    if sum(before.values()) and _has_points(rows, weigh):
        assert after[first.name] >= before[first.name]
        for one in rows[1:]:
            assert after[one.name] <= before[one.name] + CENT


def _has_points(rows, weigh):
    return any(
        weigh.roles.get(one.role, 1)
        and (
            any(count * weigh.of_kind(srv) for srv, count in one.forecast.items())
            or any(count * weigh.devices.get(kind, 1) for kind, count in one.devices.items())
        )
        for one in rows
    )


@given(applicants(), maxima, weights, st.integers(1, 1000).map(Decimal))
def test_a_larger_maximum_costs_nobody_more_than_one_step(rows, maximum, weigh, more):
    before, after = figures(rows, maximum, weigh), figures(rows, maximum + more, weigh)
    assert all(after[name] >= before[name] - CENT for name in before)


claims = st.dictionaries(
    st.sampled_from("ABCDEFG"),
    st.builds(Claim, st.fractions(0, 1000, max_denominator=1000), st.integers(0, 40)),
    min_size=1,
)


@given(claims, st.integers(280, 5000))
def test_nobody_is_a_whole_unit_away_from_the_greater_of_its_floor_and_its_part(held, units):
    assume(any(one.points for one in held.values()))
    found = apportion(units, held)
    low, high = Fraction(0), Fraction(units + 1) * 10**6 + 1
    for _ in range(120):  # the one rate per point at which all is given away, found by halving
        rate = (low + high) / 2
        if sum(max(one.least, rate * one.points) for one in held.values()) > units:
            high = rate
        else:
            low = rate
    for name, one in held.items():
        assert abs(found[name] - max(one.least, low * one.points)) < 1 + Fraction(1, 10**6)
    assert sum(found.values()) == units


def test_the_largest_remainders_get_what_is_left_and_of_equal_ones_the_first_by_name():
    thirds = {name: Claim(Fraction(1), 0) for name in "CBA"}
    assert apportion(100, thirds) == {"A": 34, "B": 33, "C": 33}
    assert apportion(10, {"A": Claim(Fraction(145), 0), "B": Claim(Fraction(855), 0)}) == {"A": 1, "B": 9}


def test_without_any_points_everybody_has_an_equal_part_above_the_floors():
    assert apportion(100, {"A": Claim(Fraction(0), 60), "B": Claim(Fraction(0), 0)}) == {"A": 60, "B": 40}


def test_floors_that_are_more_than_there_is_are_told_with_their_sum():
    with pytest.raises(TooLittle) as error:
        apportion(9, {"A": Claim(Fraction(1), 5), "B": Claim(Fraction(1), 5)})
    assert error.value.floors == 10
    with pytest.raises(CannotPropose, match="add up to 10 SR/s, and there are 9 SR/s"):
        propose([Applicant(name, "IS", floor=Decimal(5)) for name in "AB"], Decimal(9))


@pytest.mark.parametrize("units_and_claims", [(1, {}), (-1, {"A": Claim(Fraction(1), 0)})])
def test_what_cannot_be_given_out_is_an_error(units_and_claims):
    with pytest.raises(ValueError, match="somebody"):
        apportion(*units_and_claims)


@pytest.mark.parametrize(
    ("maximum", "resolution", "said"),
    [("100.005", "0.01", "no whole multiple"), ("100", "0.0001", "at least 0.001"), ("0", "1", "above 0")],
)
def test_a_maximum_that_does_not_divide_is_refused(maximum, resolution, said):
    with pytest.raises(CannotPropose, match=said):
        propose([Applicant("A", "IS")], Decimal(maximum), None, Decimal(resolution))


def test_two_users_of_one_name_and_a_book_of_nobody_are_refused():
    with pytest.raises(CannotPropose, match="the same name"):
        propose([Applicant("A", "IS")] * 2, Decimal(10))
    with pytest.raises(CannotPropose, match="at least one"):
        propose([], Decimal(10))


def test_every_figure_is_explained_in_one_line():
    weigh = Weights({"ED": Decimal("0.5")}, {"11.*": Decimal(5)}, {"ESME": Decimal(2)})
    rows = [
        Applicant("A", "IS", {"ESME": Decimal(1000)}, {"2.2": Decimal(5000), "11.1": Decimal(600)}),
        Applicant("B", "ED", forecast={"2.2": Decimal(2000)}, floor=Decimal(20), contract=Decimal(10)),
        Applicant("C", "IS"),
    ]
    first, second, third = propose(rows, Decimal(100), weigh)
    assert first.why == "8,000 SRs a month + 2,000 for devices = 10,000 points, at 8000 SR/s a million"
    assert second.why == (
        "0.5 (ED) * (2,000 SRs a month + 0 for devices) = 1,000 points, at 8000 SR/s a million: 8; "
        "held at its floor of 20"
    )
    assert third.why.endswith("lives on the spare")
    assert [plain(one.allocation) for one in (first, second, third)] == ["80", "20", "0"]


def test_of_kinds_the_srv_itself_counts_before_the_longest_pattern():
    weigh = Weights(kinds={"4.*": Decimal(2), "4.8.*": Decimal(3), "4.8.1": Decimal(4)})
    assert [weigh.of_kind(srv) for srv in ("4.8.1", "4.8.2", "4.1", "5.1")] == [4, 3, 2, 1]
