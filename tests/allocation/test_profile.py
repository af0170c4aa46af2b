"""A User's own priorities: which class a request is in, and what is reserved above it."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.allocation import NO_PROFILE, PriorityClass, Profile
from sluicegate.allocation.profile import LONGEST_SRV, MOST_CLASSES, MOST_KNOWN, SECOND_HALVES
from sluicegate.duis import CATALOGUE
from sluicegate.settings.patterns import patterns_of

DEVICE = "00-0D-6F-00-12-34-56-78"
OTHER = "90-B3-D5-00-12-34-56-78"
SRVS = ["1.1.1", "2.2", "2.2.1", "4.1", "4.12.2", "40.1", "4", "4.", "6.15.1", "", "x"]
PATTERNS = ["*", "2.2", "4.*", "4.12.*", "6.*", "1.1.1"]
CLASSES = st.lists(
    st.builds(
        PriorityClass,
        st.just(""),
        st.lists(st.sampled_from(PATTERNS), max_size=3).map(tuple),
        st.lists(st.integers(1, 8), max_size=4).map(tuple),
        st.lists(st.sampled_from(["00", "00-0D-6F", "90-B3", DEVICE, "90-b3-d5"]), max_size=3).map(tuple),
        st.floats(0, 50),
    ),
    max_size=6,
).map(
    lambda classes: tuple(
        PriorityClass(str(n), one.srvs, one.command_variants, one.targets, one.reserve) for n, one in enumerate(classes)
    )
)
REQUESTS = st.tuples(st.sampled_from(SRVS), st.integers(1, 8), st.sampled_from([DEVICE, OTHER, "00-00", ""]))


def plainly(classes: tuple[PriorityClass, ...], srv: str, command_variant: int, target: str) -> int:
    """The rule, word by word."""
    for rank, one in enumerate(classes):
        by_srv = not one.srvs or any(pattern in patterns_of(srv) for pattern in one.srvs)
        by_variant = not one.command_variants or command_variant in one.command_variants
        by_target = not one.targets or any(target.startswith(prefix) for prefix in one.targets)
        if by_srv and by_variant and by_target:
            return rank
    return len(classes)


def ranked(*srvs: str, **more) -> Profile:
    return Profile((PriorityClass("first", srvs, **more),))


@pytest.mark.parametrize("srv", ["4.1", "4.12.2", "4.1.1"])
def test_a_pattern_has_all_that_begin_like_it(srv):
    assert ranked("4.*").rank(srv, 1, DEVICE) == 0


@pytest.mark.parametrize("srv", ["40.1", "4", "4.", "14.1", "", "41"])
def test_a_pattern_has_nothing_else(srv):
    assert ranked("4.*").rank(srv, 1, DEVICE) == 1


def test_an_srv_is_itself_and_not_its_variants():
    assert ranked("2.2").rank("2.2", 1, DEVICE) == 0
    assert ranked("2.2").rank("2.2.1", 1, DEVICE) == 1
    assert ranked("2.2").rank("2.21", 1, DEVICE) == 1


@pytest.mark.parametrize("srv", [*SRVS, "9" * 100_000])
def test_a_star_has_everything(srv):
    assert ranked("*").rank(srv, 1, DEVICE) == 0


def test_a_class_matches_if_every_criterion_that_it_states_matches():
    profile = ranked("2.2", "4.*", command_variants=(1, 3), targets=("00-0D-6F", "90"))
    assert profile.rank("4.1", 3, OTHER) == 0
    assert profile.rank("4.1", 2, OTHER) == 1
    assert profile.rank("2.3", 3, OTHER) == 1
    assert profile.rank("4.1", 3, "11-0D-6F-00-12-34-56-78") == 1


def test_a_class_that_states_nothing_has_everything():
    assert Profile((PriorityClass("all"),)).rank("x", 99, "") == 0


def test_the_first_class_that_matches_counts():
    profile = Profile((PriorityClass("a", ("2.2",)), PriorityClass("b", ("2.*",)), PriorityClass("c", ("*",))))
    assert [profile.rank(srv, 1, DEVICE) for srv in ("2.2", "2.3", "3.1")] == [0, 1, 2]


def test_target_prefixes_are_of_any_case_and_of_any_length():
    profile = ranked(targets=("90-b3-d5", DEVICE))
    assert profile.rank("2.2", 1, OTHER) == 0
    assert profile.rank("2.2", 1, DEVICE) == 0
    assert profile.rank("2.2", 1, DEVICE[:-1] + "9") == 1


def test_without_a_profile_all_requests_are_alike():
    assert [NO_PROFILE.rank(srv, 4, DEVICE) for srv in SRVS] == [0] * len(SRVS)
    assert NO_PROFILE.reserve_above(0) == 0


@given(CLASSES, st.lists(REQUESTS, min_size=1, max_size=20))
def test_a_rank_is_what_the_rule_says_and_for_a_second_half_the_better_of_its_own_and_the_firsts(classes, requests):
    profile = Profile(classes)
    for srv, variant, target in requests * 2:  # the second time it is remembered
        expected = plainly(classes, srv, variant, target)
        if variant in SECOND_HALVES:
            expected = min(expected, plainly(classes, srv, 4, target))
        if srv != "4.":  # no SRV; patterns_of makes one of it
            assert profile.rank(srv, variant, target) == expected


@given(CLASSES, REQUESTS)
def test_the_second_half_of_a_critical_request_is_never_below_its_first(classes, request):
    srv, _, target = request
    profile = Profile(classes)
    first = profile.rank(srv, 4, target)
    for variant in SECOND_HALVES:
        second = profile.rank(srv, variant, target)
        assert second <= first
        assert profile.reserve_above(second) <= profile.reserve_above(first)


def test_a_second_half_may_be_above_its_first():
    profile = Profile((PriorityClass("signed", ("*",), (5, 6, 7)), PriorityClass("to be signed", ("*",), (4,))))
    assert [profile.rank("2.1", variant, DEVICE) for variant in (4, 5, 6, 7, 1)] == [1, 0, 0, 0, 2]


@given(CLASSES)
def test_what_is_reserved_above_a_class_is_the_sum_of_the_classes_before_it(classes):
    profile = Profile(classes)
    for rank in range(len(classes) + 1):
        assert profile.reserve_above(rank) == pytest.approx(sum(one.reserve for one in classes[:rank]))
    assert profile.reserve_above(-1) == 0
    assert profile.reserve_above(10**9) == profile.reserve_above(len(classes))


def test_what_is_remembered_is_bounded_whatever_srvs_come():
    profile = Profile((PriorityClass("a", ("2.2",)), PriorityClass("b", ("4.*",))))
    for number in range(3 * MOST_KNOWN):
        profile.rank(f"4.{number}", 1 + number % 8, DEVICE)
        profile.rank(f"4.{number}" * 5, 1, DEVICE)
        profile.rank("2.2", number, DEVICE)
        assert profile.rank("2.2", 1, DEVICE) == 0
    assert 0 < len(profile._by_class._known) <= MOST_KNOWN
    assert all(len(srv) <= LONGEST_SRV and 1 <= variant <= 8 for srv, variant in profile._by_class._known)


def test_the_whole_catalogue_is_remembered_at_once():
    assert len(CATALOGUE) * 8 <= MOST_KNOWN
    assert max(map(len, CATALOGUE)) <= LONGEST_SRV


def test_profiles_with_the_same_classes_are_the_same_and_travel_between_processes():
    profile = ranked("2.2", targets=("00",), reserve=5.0)
    profile.rank("2.2", 1, DEVICE)
    copy = pickle.loads(pickle.dumps(profile))
    assert copy == profile
    assert hash(copy) == hash(profile)
    assert repr(copy) == repr(profile)
    assert copy.rank("2.2", 1, DEVICE) == 0
    assert profile != ranked("2.3")
    assert profile != "profile"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"srvs": ("4.",)}, r"class 'top-ups': .*4\.. is not an SRV"),
        ({"srvs": ("2.2", "*.1")}, r"class 'top-ups': .*\*\.1"),
        ({"targets": ("0D6F",)}, "class 'top-ups': .*EUI-64"),
        ({"command_variants": (0,)}, "class 'top-ups': 0 is not a Command Variant, 1 to 8"),
        ({"command_variants": (9,)}, "9 is not"),
        ({"reserve": -1.0}, "a reserve is 0 requests or more, and this is -1"),
        ({"reserve": math.nan}, "a reserve"),
        ({"reserve": math.inf}, "a reserve"),
    ],
)
def test_a_class_that_cannot_be_is_refused_by_its_name(wrong, says):
    with pytest.raises(ValueError, match=says):
        PriorityClass("top-ups", **wrong)


def test_a_profile_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="two classes are called 'a'"):
        Profile((PriorityClass("a"), PriorityClass("a")))
    with pytest.raises(ValueError, match=f"at most {MOST_CLASSES} classes, and this has {MOST_CLASSES + 1}"):
        Profile(tuple(PriorityClass(str(n)) for n in range(MOST_CLASSES + 1)))


@given(CLASSES, REQUESTS)
def test_the_quick_way_says_what_the_rule_says_where_no_device_matters(classes, request):
    srv, variant, target = request
    profile = Profile(classes)
    for _ in range(2):
        found = profile.known[srv, variant]
        assert (found is None) is any(one.targets for one in classes)
        rank = profile.rank(srv, variant, target)
        assert profile.place(srv, variant, target) == (rank, profile.reserve_above(rank))
        assert found is None or found == profile.place(srv, variant, target)


def test_what_the_quick_way_remembers_is_bounded_whatever_srvs_come():
    profile = Profile((PriorityClass("a", ("2.2",), reserve=2.0),))
    for number in range(2 * MOST_KNOWN):
        assert profile.known[f"4.{number}", 1] == (1, 2.0)
        assert profile.known[f"4.{number}" * 5, number] == (1, 2.0)
    assert len(profile.known) <= MOST_KNOWN
