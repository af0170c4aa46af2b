"""A study: what it finds about the policies of one scenario, and what is left of it when it is stopped."""

import dataclasses
import json
import sys

import pytest

from sluicegate.simulate.evidence.files import as_json
from sluicegate.simulate.measures import COUNTS
from sluicegate.simulate.policy import parse
from sluicegate.simulate.study import SEARCHES, study

MODULE = sys.modules[study.__module__]
ENDS = ("delivered", "returned", "given_up", "quarantined", "pending")


class Stopping:
    """Ctrl-C, when `name` is done."""

    def __init__(self, name):
        self.name = name

    def reached(self, name, part):
        if name == self.name and part >= 1:
            raise KeyboardInterrupt


def test_under_every_policy_every_request_ends_in_one_state_and_sums_are_sums(entries):
    for one in entries.values():
        total = one["total"]
        assert total["offered"] == sum(total[name] for name in ENDS) > 0
        for parts in (one["users"], one["roles"], one["kinds"], one["csps"]):
            for name in COUNTS:
                assert sum(row[name] for row in parts.values()) == total[name]


def test_every_policy_meets_the_same_requests(entries):
    assert len({one["total"]["offered"] for one in entries.values()}) == 1
    assert len({json.dumps({n: row["offered"] for n, row in one["users"].items()}) for one in entries.values()}) == 1
    assert len({one["harm"]["conforming"] for one in entries.values()}) == 1


def test_events_and_requests_tell_the_same_story(entries):
    one = entries["allocation"]
    series, total = one["series"], one["total"]
    for name, expected in (("throttled", "answers"), ("failed", "failed"), ("delivered", "delivered")):
        assert round(sum(series[name]) * series["step"]) == pytest.approx(total[expected], abs=1)
    assert total["answers"] > 0
    assert entries["none"]["total"]["failed"] > 0


def test_what_allocations_deliver_is_compared_with_buying_and_what_only_buys_is_not(entries):
    assert entries["none"]["equivalent_capacity"] is None
    assert entries["capacity:2"]["equivalent_capacity"] is None
    bought = entries["allocation"]["equivalent_capacity"]
    assert bought["reached"]
    tried = dict(bought["tried"])
    assert tried[bought["k"]] >= entries["allocation"]["urgent"]["share"] - 0.02
    assert tried[1.0] == entries["none"]["urgent"]["share"] < entries["allocation"]["urgent"]["share"]


def test_equivalent_capacity_is_left_out_where_it_takes_long_unless_it_is_asked_for(tiny, monkeypatch):
    monkeypatch.setattr(MODULE, "MOST_REQUESTS", 10)
    policies = [parse("allocation")]
    left_out = study(tiny, policies, 1).summary["policies"][0]["equivalent_capacity"]
    assert left_out["k"] is None
    assert "--equivalent" in left_out["why"]
    assert study(tiny, policies, 1, equivalent=True).summary["policies"][0]["equivalent_capacity"]["reached"]
    refused = study(tiny, policies, 1, equivalent=False).summary["policies"][0]["equivalent_capacity"]
    assert "not asked for" in refused["why"]


def test_without_urgent_requests_there_is_no_equivalent_capacity(tiny):
    kinds = tuple(dataclasses.replace(kind, urgent=False) for kind in tiny.world.kinds)
    calm = dataclasses.replace(tiny, world=dataclasses.replace(tiny.world, kinds=kinds))
    one = study(calm, [parse("allocation")], 1).summary["policies"][0]
    assert one["urgent"]["share"] is None
    assert "no urgent requests" in one["equivalent_capacity"]["why"]


def test_a_study_that_is_stopped_keeps_the_policies_that_were_finished(tiny):
    policies = [parse(name) for name in ("none", "allocation", "adt")]
    stopped = study(tiny, policies, 1, watch=Stopping("none"))
    assert not stopped.complete
    assert [one["name"] for one in stopped.summary["policies"]] == ["none"]
    whole = study(tiny, policies[:1], 1)
    assert whole.complete
    assert stopped.summary["policies"] == whole.summary["policies"]


def test_a_study_that_is_stopped_in_its_searches_keeps_its_policies_and_says_that_they_were_stopped(tiny, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(MODULE, "_search_all", stop)
    stopped = study(tiny, [parse("none"), parse("allocation")], 1)
    assert not stopped.complete
    assert [one["name"] for one in stopped.summary["policies"]] == ["none", "allocation"]
    assert "stopped" in stopped.summary["policies"][1]["equivalent_capacity"]["why"]


def test_a_study_that_is_stopped_at_once_is_still_a_summary(tiny):
    class AtOnce:
        def reached(self, name, part):
            raise KeyboardInterrupt

    stopped = study(tiny, [parse("none")], 1, watch=AtOnce())
    assert stopped.summary["policies"] == []
    assert stopped.summary["scenario"]["requests"] > 0


def test_several_processes_find_what_one_finds(tiny):
    policies = [parse("none"), parse("allocation")]
    told = []

    class Watch:
        def reached(self, name, part):
            told.append((name, part))

    apart = study(tiny, policies, 1, jobs=2, watch=Watch(), equivalent=False)
    alone = study(tiny, policies, 1, jobs=1, equivalent=False)
    assert as_json(apart.summary) == as_json(alone.summary)
    assert apart.cells == alone.cells
    assert list(apart.cells) == list(alone.cells) == ["none", "allocation"]
    assert [told.count((name, 1.0)) for name in ("none", "allocation", SEARCHES)] == [1, 1, 0]


def test_the_same_policy_named_twice_is_run_once(tiny):
    twice = study(tiny, [parse("none"), parse("capacity:1")], 1)
    assert [one["name"] for one in twice.summary["policies"]] == ["none"]


def test_titles_and_explanations_are_sentences_for_readers(entries):
    assert entries["none"]["title"] == "No mechanism"
    assert entries["capacity:2"]["title"] == "2 times the capacity"
    assert all(one["explanation"].endswith(".") for one in entries.values())
    from sluicegate.simulate.study.titles import title

    assert title(parse("allocation+own-priority")) == "Traffic management + own priority"
