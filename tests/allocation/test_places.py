"""Places: every sequence of takings, leavings and reloads, against a model that counts anew each time."""

from math import floor

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.allocation.places import KEPT, Places, Seats

ALLOCATIONS = st.dictionaries(
    st.sampled_from("abcde"), st.one_of(st.just(0.0), st.floats(0.001, 1000)), min_size=1, max_size=5
)
MOST = st.integers(1, 60)


def taken(places: Places, seat: Seats) -> bool:
    """Take a place, if there is room for it."""
    room = places.room_for(seat)
    if room:
        places.take(seat)
    return room


def kept(most: int, allocations: dict[str, float], name: str) -> int:
    """One for each User that has an allocation, if that can be; then their parts of what is left of a half."""
    holders = [held for held in allocations.values() if held > 0]
    if not allocations[name]:
        return 0
    least = 1 if len(holders) <= most else 0
    return least + floor(max(0.0, KEPT * most - least * len(holders)) * allocations[name] / sum(allocations.values()))


class Sharing(RuleBasedStateMachine):
    """The model: who holds how many. A place is given if it is one's own, or neither taken nor kept for others."""

    @initialize(most=MOST, allocations=ALLOCATIONS)
    def start(self, most: int, allocations: dict[str, float]) -> None:
        self.places = Places(most)
        self.seats: dict[str, Seats] = {}
        self.taken: dict[str, int] = {}
        self.gone: list[Seats] = []
        self.excused = 0  # a smaller number of places, or other shares, cannot take back what is held
        self._share(most, allocations)

    def _share(self, most: int, allocations: dict[str, float]) -> None:
        for name in set(self.seats) - set(allocations):
            seat = self.seats.pop(name)
            seat.kept = 0
            self.gone += [seat] * self.taken.pop(name)
        for name in allocations:
            self.seats.setdefault(name, Seats())
            self.taken.setdefault(name, 0)
        self.most, self.allocations = most, allocations
        self.places.share_out(most, self.seats, allocations)

    def _kept_free(self, but: str = "") -> int:
        return sum(
            max(0, kept(self.most, self.allocations, name) - self.taken[name]) for name in self.seats if name != but
        )

    def _all(self) -> int:
        return sum(self.taken.values()) + len(self.gone)

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.seats)))
        own = self.taken[name] < kept(self.most, self.allocations, name)
        free = self._all() + self._kept_free(name) < self.most
        assert taken(self.places, self.seats[name]) == (own or free)
        self.taken[name] += own or free

    @precondition(lambda self: any(self.taken.values()))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, held in self.taken.items() if held)))
        self.places.leave(self.seats[name])
        self.taken[name] -= 1

    @precondition(lambda self: self.gone)
    @rule()
    def leave_after_its_user_has_gone(self) -> None:
        self.places.leave(self.gone.pop())

    @rule(most=MOST, allocations=ALLOCATIONS)
    def reload(self, most: int, allocations: dict[str, float]) -> None:
        self._share(most, allocations)

    @invariant()
    def it_counts_what_is_held(self) -> None:
        assert self.places.taken == self._all()
        assert {name: seat.taken for name, seat in self.seats.items()} == self.taken
        assert self.places._kept_free == self._kept_free()


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


@given(MOST, ALLOCATIONS, st.lists(st.sampled_from("abcde"), max_size=200))
def test_without_reloads_there_are_never_more_than_the_most(most, allocations, takers) -> None:
    places, seats = Places(most), {name: Seats() for name in allocations}
    places.share_out(most, seats, allocations)
    for name in takers:
        if name in seats:
            taken(places, seats[name])
    assert places.taken <= most


@given(MOST, ALLOCATIONS)
def test_a_user_finds_its_kept_places_whatever_the_others_hold(most, allocations) -> None:
    places, seats = Places(most), {name: Seats() for name in allocations}
    places.share_out(most, seats, allocations)
    first, *others = sorted(seats)
    for name in others:
        while taken(places, seats[name]):
            pass
    assert sum(taken(places, seats[first]) for _ in range(most)) >= kept(most, allocations, first)


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_one_user_alone_may_have_them_all(most) -> None:
    places, seats = Places(most), {"a": Seats()}
    places.share_out(most, seats, {"a": 1.0})
    assert sum(taken(places, seats["a"]) for _ in range(most + 5)) == most


@given(ALLOCATIONS, st.integers(0, 40))
def test_every_user_with_an_allocation_finds_a_place_whatever_the_others_hold(allocations, more) -> None:
    holders = [name for name, held in sorted(allocations.items()) if held > 0]
    most = max(1, len(holders) + more)
    for last in holders:
        places, seats = Places(most), {name: Seats() for name in allocations}
        places.share_out(most, seats, allocations)
        for name in allocations:
            while name != last and taken(places, seats[name]):
                pass
        assert taken(places, seats[last])
        assert places.taken <= most
