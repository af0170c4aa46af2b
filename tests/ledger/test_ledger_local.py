"""The ledger of one process: banks survive another book, and the book is held to the capacity."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sluicegate.allocation import Book, Profile, Team
from sluicegate.ledger import LocalLedger
from sluicegate.settings import parse
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

IDS = {name: f"90-B3-D5-1F-30-{number:02X}-00-00" for number, name in enumerate("abcdef")}


def settings(allocations: dict[str, float], maximum: float = 1000, threshold: float = 800, **capacity: float):
    more = "".join(f"{key} = {value}\n" for key, value in capacity.items())
    users = "".join(
        f'[[user]]\nname = "{name}"\nids = ["{IDS[name]}"]\nrole = "IS"\nallocation = {allocation}\n'
        for name, allocation in allocations.items()
    )
    return parse(
        f"[capacity]\nmaximum = {maximum}\noperating_threshold = {threshold}\n{more}"
        f'[gateway]\nupstream = "http://127.0.0.1:1"\nidentity = "originator"\n{users}'
    )


def ledger(allocations: dict[str, float], now: float = 0.0, **capacity: float) -> LocalLedger:
    made = settings(allocations, **capacity)
    return LocalLedger(made.capacity, Book.from_settings(made), now)


def test_every_user_of_the_book_has_an_account_with_a_full_bank() -> None:
    made = ledger({"a": 300, "b": 50, "c": 0})
    assert [made.account(name).allocation for name in "abc"] == [300, 50, 0]
    assert made.account("a").level == made.account("a").depth == 150
    assert made.account("c").depth == 0
    with pytest.raises(KeyError):
        made.account("d")


def test_its_methods_are_the_throttles_own() -> None:
    made = ledger({"a": 300})
    assert made.decide == made.throttle.decide
    assert made.decide_team == made.throttle.decide_team
    assert made.give_back == made.throttle.give_back
    assert made.retry_after == made.throttle.retry_after


def test_it_stays_the_same_throttle_across_another_book() -> None:
    made = ledger({"a": 300})
    decide = made.decide
    other = settings({"a": 200, "b": 100})
    made.reconfigure(other.capacity, Book.from_settings(other), 1.0)
    assert made.decide == decide, "who holds the method goes on deciding by the new book"
    assert made.account("b").allocation == 100


@given(st.integers(0, 150), st.floats(1, 999), st.floats(0, 0.4))
def test_what_a_bank_holds_is_kept_and_never_more_than_its_new_depth(spent, allocation, later) -> None:
    made = ledger({"a": 300})
    for _ in range(spent):
        assert made.decide(made.account("a"), 1.0, 0.0) == WITHIN
    other = settings({"a": allocation})
    made.reconfigure(other.capacity, Book.from_settings(other), later)
    account = made.account("a")
    expected = min(150.0, 150 - spent + 300 * later)
    assert account.level_at(later) == pytest.approx(min(expected, account.depth), abs=1e-6)


def test_a_user_that_left_and_comes_back_has_no_more_than_a_full_bank() -> None:
    made = ledger({"a": 300, "b": 50})
    only_b = settings({"b": 50})
    made.reconfigure(only_b.capacity, Book.from_settings(only_b), 1.0)
    with pytest.raises(KeyError):
        made.account("a")
    both = settings({"a": 300, "b": 50})
    made.reconfigure(both.capacity, Book.from_settings(both), 2.0)
    assert made.account("a").level_at(2.0) <= 150


def test_its_factor_is_1_where_the_capacity_bears_the_book() -> None:
    assert ledger({"a": 300, "b": 50}).factor == 1


def test_where_capacity_is_cut_below_the_book_all_are_scaled_alike() -> None:
    full = settings({"a": 600, "b": 300})
    made = LocalLedger(full.capacity, Book.from_settings(full), 0.0)
    cut = full.capacity.model_copy(update={"maximum": 450.0, "operating_threshold": 400.0})
    made.reconfigure(cut, Book.from_settings(full), 1.0)
    assert made.factor == pytest.approx(0.5)
    assert made.account("a").allocation == pytest.approx(300)
    assert made.account("b").allocation == pytest.approx(150)


def test_it_is_active_from_the_first_throttled_request_until_the_calm() -> None:
    made = ledger({"a": 0}, threshold=1, burst_seconds=1, calm_seconds=10)
    outcomes = [made.decide(made.account("a"), 1.0, 5.0) for _ in range(4)]
    assert outcomes == [EXCESS, EXCESS, THROTTLED, THROTTLED]
    assert made.state(5.0).active
    assert made.state(5.0).since == 5.0
    assert made.state(14.0).active
    assert not made.state(30.0).active


def test_what_is_given_back_of_a_team_is_that_teams_again() -> None:
    made = ledger({"a": 300})
    halves = Profile(teams=(Team("top-ups", ("2.*",), part=0.5), Team("reads", ("4.*",), part=0.5)))
    made.set_profile("a", halves, 0.0)
    account = made.account("a")
    before = account.teams.kept_for_others(1, 0.0)
    made.give_back(account, 1.0, made.decide_team(account, 1.0, 0.0, 0.0, 0), 0.0, 0)
    assert account.teams.kept_for_others(1, 0.0) == before > 0


def test_what_is_given_back_never_goes_beyond_the_depth() -> None:
    made = ledger({"a": 300})
    account = made.account("a")
    for outcome in (WITHIN, EXCESS, THROTTLED):
        for _ in range(5):
            made.give_back(account, 100.0, outcome, 0.0)
            assert account.level <= account.depth
