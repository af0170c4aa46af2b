"""The suggested profile: what a User may start from."""

import pytest

from sluicegate.allocation import Profile
from sluicegate.allocation.suggest import suggested
from sluicegate.duis import CATALOGUE
from sluicegate.settings import ROLES, parse_profile


@pytest.mark.parametrize("role", [None, *ROLES])
def test_it_is_right_as_it_is_and_knows_every_srv_of_its_role(role):
    profile = Profile.of_user(parse_profile(suggested(role)))
    for srv, known in CATALOGUE.items():
        if role is None or role in known.roles:
            assert profile.rank(srv, 1, "?") < len(profile.classes), srv


def test_supply_comes_first_and_firmware_last():
    profile = Profile.of_user(parse_profile(suggested()))
    assert {profile.rank(srv, 1, "?") for srv in ("2.2", "2.5", "7.1", "7.3")} == {0}
    assert profile.rank("6.23", 1, "?") == 1
    assert profile.rank("11.1", 1, "?") == len(profile.classes) - 1 > profile.rank("4.8.1", 1, "?")
    assert profile.classes[0].reserve == 6


def test_each_srv_is_explained_and_in_one_class_only():
    text = suggested()
    for srv, known in CATALOGUE.items():
        assert text.count(f'"{srv}",') == 1
        assert known.name in text


def test_every_class_but_the_last_reserves_something_or_it_would_be_served_like_the_next():
    profile = Profile.of_user(parse_profile(suggested()))
    assert all(one.reserve >= 1 for one in profile.classes[:-1])
    assert profile.classes[-1].reserve == 0
