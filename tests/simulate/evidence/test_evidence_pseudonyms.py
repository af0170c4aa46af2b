import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.evidence import pseudonyms as module
from sluicegate.simulate.evidence.pseudonyms import pseudonyms

KEY = b"0123456789abcdef"


@given(st.sets(st.text(), max_size=30), st.binary(min_size=16, max_size=40))
def test_different_names_have_different_pseudonyms_whatever_their_order(names, key):
    found = pseudonyms(sorted(names), key)
    assert found == pseudonyms(sorted(names, reverse=True), key)
    assert set(found) == names
    assert len(set(found.values())) == len(names)


def test_the_same_key_gives_the_same_name_in_another_study_and_another_key_does_not():
    one = pseudonyms(["A", "B"], KEY)
    assert pseudonyms(["A", "C"], KEY)["A"] == one["A"]
    assert pseudonyms(["A", "B"], KEY[::-1])["A"] != one["A"]


def test_a_pseudonym_says_nothing_but_letters_that_cannot_be_mistaken():
    name = pseudonyms(["Large Supplier"], KEY)["Large Supplier"]
    assert name.startswith("User ")
    assert len(name) == 9
    assert not set("01OI") & set(name.removeprefix("User "))


def test_two_that_would_be_alike_are_made_longer(monkeypatch):
    digests = {"A": "AAAAB", "B": "AAAAC", "C": "CCCCC"}
    monkeypatch.setattr(module, "_letters", lambda name, key: digests[name])
    assert pseudonyms("ABC", KEY) == {"A": "User AAAAB", "B": "User AAAAC", "C": "User CCCC"}


def test_a_key_that_can_be_guessed_is_refused():
    with pytest.raises(ValueError, match="15 octets: it needs 16"):
        pseudonyms(["A"], KEY[:15])
