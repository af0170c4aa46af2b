"""A profile over the wire: what is taken, in which form it is kept, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.operations.account import documents
from sluicegate.operations.site.allowance import REMEMBERED, Allowance

TOML = (
    b'[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 6\n[[team]]\nname = "bulk"\nsrvs = ["4.*"]\npart = 0.5\n'
)
AS_JSON = {
    "class": [{"name": "top-ups", "srvs": ["2.*"], "reserve": 6}],
    "team": [{"part": 0.5, "name": "bulk", "srvs": ["4.*"]}],
}


def test_the_same_profile_is_kept_as_the_same_text_whichever_way_it_came():
    of_toml = documents.kept(documents.read(TOML, documents.TOML))
    of_json = documents.kept(documents.read(json.dumps(AS_JSON).encode(), documents.JSON))
    assert of_toml == of_json
    profile = documents.of_kept(of_toml)
    assert (profile.classes[0].reserve, profile.teams[0].part) == (6, 0.5)


def test_what_is_kept_is_told_again_as_it_may_be_sent():
    kept = documents.kept(documents.read(TOML, documents.TOML))
    assert documents.kept(documents.read(kept.encode(), documents.JSON)) == kept


@pytest.mark.parametrize(
    ("octets", "kind", "said"),
    [
        (b"\xff", documents.TOML, "is not UTF-8"),
        (b"", documents.TOML, "there is no class and no team in it"),
        (b"{}", documents.JSON, "there is no class and no team in it"),
        (b"[]", documents.JSON, "must be an object"),
        (b"{", documents.JSON, "is not JSON"),
        (b'{"class": [{"name": "a", "name": "b"}]}', documents.JSON, "a key is there twice"),
        (b'{"class": [{"name": "a", "srvs": ["2.*"], "reserve": NaN}]}', documents.JSON, "NaN is no number"),
        (b'{"class": [{"name": "a", "srvs": ["2.*"], "reserve": 1e999}]}', documents.JSON, "reserve"),
        (b'{"class": [{"name": "a", "srvs": ["2.*"], "reserve": -1}]}', documents.JSON, "at least 0"),
        (b"[" * 100_000 + b"]" * 100_000, documents.JSON, "nested too deeply"),
        (b'[[class]]\nname = "a"\nsrvs = ["2.*"]\nreserves = 3\n', documents.TOML, "line 4: "),
        (b'[[team]]\nname = "a"\npart = 0.9\n[[team]]\nname = "b"\npart = 0.2\n', documents.TOML, "more than 1"),
    ],
)
def test_what_is_no_profile_is_refused_with_what_is_wrong(octets, kind, said):
    with pytest.raises(documents.Unfit) as unfit:
        documents.read(octets, kind)
    assert said in " / ".join(unfit.value.problems)


@given(st.binary(max_size=200), st.sampled_from([documents.TOML, documents.JSON]))
def test_no_octets_end_in_anything_but_a_profile_or_problems(octets, kind):
    try:
        documents.of_kept(documents.kept(documents.read(octets, kind)))
    except documents.Unfit as unfit:
        told = unfit.problems
    else:
        return
    assert 0 < len(told) <= documents.MOST_PROBLEMS


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.floats(0.1, 3))
def test_nobody_takes_more_than_the_burst_and_the_rate(pauses, burst, every):
    allowance, now, taken = Allowance(burst, every), 100.0, 0
    for pause in pauses:
        now += pause
        if allowance.take("a", now) == 0.0:
            taken += 1
    assert taken <= burst + (now - 100.0) / every + 1e-6


@given(st.integers(1, 5), st.floats(0.1, 3))
def test_after_the_time_that_is_told_there_is_one_and_not_before(burst, every):
    allowance = Allowance(burst, every)
    assert all(allowance.take("a", 5.0) == 0.0 for _ in range(burst))
    wait = allowance.take("a", 5.0)
    assert wait == pytest.approx(every)
    assert allowance.take("a", 5.0 + wait * 0.9) > 0
    assert allowance.take("a", 5.0 + wait) == 0.0


def test_who_asked_least_recently_is_forgotten_first():
    allowance = Allowance(1, 100.0)
    for number in range(REMEMBERED + 1):
        assert allowance.take(str(number), 0.0) == 0.0
    assert allowance.take("1", 0.0) > 0
    assert allowance.take("0", 0.0) == 0.0
