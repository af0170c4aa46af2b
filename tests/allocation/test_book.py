"""The book: who holds what, and what is left of it where capacity is cut."""

import math
import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation import Book, Holder
from sluicegate.settings import parse, starter

RATES = st.lists(
    st.one_of(st.just(0.0), st.floats(0.001, 1e7), st.sampled_from([0.1, 0.3, 1.0, 300.0])), min_size=1, max_size=60
)


def book(*allocations, **more):
    return Book.of(
        Holder(f"U{n}", "IS", rate, ids=((f"00-00-00-00-00-00-{n // 256:02X}-{n % 256:02X}", "IS"),), **more)
        for n, rate in enumerate(allocations)
    )


def test_the_book_of_a_configuration_holds_its_users_in_order():
    settings = parse(starter())
    made = Book.from_settings(settings)
    assert [holder.name for holder in made.holders] == [user.name for user in settings.users]
    assert [holder.allocation for holder in made.holders] == [300, 150, 50]
    assert made.total == 500


def test_an_id_leads_to_its_holder_and_to_the_role_that_it_sends_under():
    made = Book.from_settings(parse(starter()))
    holder, role = made.by_id["90-B3-D5-1F-30-02-00-01"]
    assert (holder.name, holder.role, role) == ("Network Operator B", "ED", "GT")
    assert made.by_id["90-B3-D5-1F-30-02-00-00"] == (holder, "ED")
    assert "90-B3-D5-1F-30-09-00-00" not in made.by_id


def test_a_certificate_leads_to_all_its_holders():
    made = book(1, 2, certificates=("CN=shared", "CN=shared"))
    assert made.by_certificate == {"CN=shared": made.holders}


def test_a_name_or_an_id_in_common_is_refused():
    one = Holder("A", "IS", 1, ids=(("00-00-00-00-00-00-00-01", "IS"),))
    with pytest.raises(ValueError, match="two holders are called 'A'"):
        Book.of([one, Holder("A", "IS", 1, ids=())])
    with pytest.raises(ValueError, match="belongs to 'A' and to 'B'"):
        Book.of([one, Holder("B", "GS", 1, ids=one.ids)])


def test_a_book_cannot_be_changed():
    made = book(1)
    with pytest.raises(FrozenInstanceError):
        made.total = 2
    with pytest.raises(TypeError):
        made.by_id["x"] = None


def test_a_book_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(book(1, 2))) == book(1, 2)


def test_ten_tenths_are_one():
    assert book(*[0.1] * 10).total == 1
    assert book(*[0.1] * 10).effective(1).factor == 1


def test_allocations_that_the_maximum_bears_count_as_they_are():
    assert book(300, 0, 50).effective(350) == book(300, 0, 50).effective(1e7)
    assert book(300, 0, 50).effective(350).allocations == (300, 0, 50)


def test_a_cut_of_the_capacity_takes_the_same_part_from_everybody():
    cut = book(300, 0, 100).effective(200)
    assert cut.factor == 0.5
    assert cut.allocations == (150, 0, 50)


def test_without_any_capacity_nobody_has_any():
    assert book(300, 50).effective(0).allocations == (0, 0)


@pytest.mark.parametrize("maximum", [-1, math.nan, math.inf])
def test_what_is_no_maximum_is_refused(maximum):
    with pytest.raises(ValueError, match="a maximum capacity is 0 SR/s or more"):
        book(1).effective(maximum)


@given(RATES, st.floats(0.001, 1e7))
def test_effective_allocations_never_add_up_to_more_than_the_maximum(rates, maximum):
    made = book(*rates)
    cut = made.effective(maximum)
    if made.total > maximum:
        assert math.fsum(cut.allocations) <= maximum
        assert cut.factor < 1
    else:
        assert cut.allocations == tuple(rates)
        assert cut.factor == 1


@given(RATES, st.floats(0.001, 1e7))
def test_effective_allocations_keep_their_proportions_and_use_the_whole_maximum(rates, maximum):
    made = book(*rates)
    cut = made.effective(maximum)
    assert cut.allocations == tuple(rate * cut.factor for rate in rates)
    if made.total > maximum:
        assert math.isclose(math.fsum(cut.allocations), maximum, rel_tol=1e-12)
