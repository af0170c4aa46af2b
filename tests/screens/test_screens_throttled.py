"""Why was this request throttled? What is kept of a throttled decision, and what is told of it."""

import hypothesis.strategies as st
from hypothesis import given, settings
from rig_screens import Standing, configuration

from sluicegate.operations.screens.explained import explained
from sluicegate.operations.screens.throttled import MOST_FOUND

TWO = configuration([("Alder", 10), ("Birch", 5)], 20, 15)


def pressed(user="Alder", now=1000.0, **kinds):
    """A gateway at which `user` has just been throttled, and the RequestID."""
    watched = Standing(TWO, now)
    while not watched.throttled.seen:
        request_id = watched.send(user, now, **kinds)
    return watched, request_id


def test_a_throttled_decision_keeps_what_the_banks_held_at_that_moment():
    watched, request_id = pressed()
    (one,) = watched.throttled.of(request_id)
    assert one.user == "Alder"
    assert one.allocation == 10
    assert one.level < 1 <= one.depth, "its own bank did not hold the request"
    assert one.offered < 0, "everybody together was above the threshold"
    assert one.active_since == 1000.0
    watched.send("Birch", 1005.0)
    assert watched.throttled.of(request_id) == [one], "what came later changes nothing"


def test_a_request_that_was_never_throttled_is_not_there():
    watched, _ = pressed()
    passed = watched.send("Alder", 2000.0)
    assert watched.throttled.of(passed) == []


def test_a_request_id_is_found_in_any_case_and_every_attempt_is_told_the_newest_first():
    watched, request_id = pressed()
    watched.counter -= 1
    assert watched.send("Alder", 1000.01) == request_id
    found = watched.throttled.of(f" {request_id.lower()} ")
    assert [one.at for one in found] == [1000.01, 1000.0]


def test_a_user_finds_its_own_and_nobody_elses():
    watched, request_id = pressed("Alder")
    assert watched.throttled.of(request_id, "Birch") == []
    assert watched.throttled.latest("Birch") == []
    assert len(watched.throttled.of(request_id, "Alder")) == 1


@settings(deadline=None)
@given(kept=st.integers(0, 300), sent=st.integers(0, 400))
def test_the_ring_never_holds_more_than_it_may_and_forgets_the_oldest(kept, sent):
    watched = Standing(TWO, kept=kept)
    ids = [watched.send("Alder", 1000.0, drill=True) for _ in range(sent)]
    found = [one.request_id for one in watched.throttled.latest()]
    assert found == ids[::-1][: min(kept, MOST_FOUND)]
    assert watched.throttled.seen == sent


def test_it_is_explained_step_by_step_with_the_advice_that_was_given():
    watched, request_id = pressed()
    (one,) = watched.throttled.of(request_id)
    told = explained(one, watched.settings, now=1060.0, wall=1_800_000_060.0)
    assert told["at"] == "2027-01-15T08:00:00.000Z", "a minute ago, by the clock on the wall"
    assert told["state"] == {"active": True, "since": "2027-01-15T08:00:00.000Z"}
    rules = [step["rule"] for step in told["steps"]]
    assert rules == ["within the allocation", "below the operating threshold", "a part of the spare"]
    assert "10 SR/s" in told["steps"][0]["said"]
    assert told["advice"]["status"] == 429
    assert told["advice"]["retry_after"] >= 1


def test_who_gets_503_is_told_from_which_version_on_it_would_have_been_429():
    watched, request_id = pressed(version="3.1")
    told = explained(watched.throttled.of(request_id)[0], watched.settings, 1000.0, 0.0)
    assert told["advice"]["status"] == 503
    assert "DUIS 3.1" in told["advice"]["why"]
    assert "4.1" in told["advice"]["why"]


def test_a_drill_is_said_to_be_one():
    watched = Standing(TWO)
    request_id = watched.send("Alder", 1000.0, drill=True)
    (step,) = explained(watched.throttled.of(request_id)[0], watched.settings, 1000.0, 0.0)["steps"]
    assert "drill" in step["said"]


def test_a_user_without_an_allocation_is_told_that_it_lives_on_the_spare():
    watched = Standing(configuration([("Alder", 0), ("Birch", 5)], 20, 1))
    while not watched.throttled.seen:
        watched.send("Alder", 1000.0)
    told = explained(watched.throttled.latest()[0], watched.settings, 1000.0, 0.0)
    assert "no allocation" in told["steps"][0]["said"]
