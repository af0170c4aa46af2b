import samples

from sluicegate.simulate.evidence.findings import changes, claim, pair, verdict


def both(**options):
    return pair(samples.summary(users=12, policies=2, charts=False, **options))


def swapped():
    """The same figures the other way round: the mechanism as what fails."""
    one = both()
    return one._replace(before={**one.after, "name": "none"}, after={**one.before, "name": "allocation"})


def test_the_mechanism_is_set_beside_nothing_done_wherever_they_stand():
    summary = samples.summary(users=12, charts=False)
    summary["policies"].reverse()
    assert [one["name"] for one in pair(summary)] == ["none", "allocation"]


def test_without_the_mechanism_what_is_nearest_to_it_is_taken():
    summary = samples.summary(users=12, charts=False)
    by_name = {one["name"]: one for one in summary["policies"]}
    summary["policies"] = [by_name[name] for name in ("adt", "none", "capacity:1.5", "allocation+own-priority")]
    assert [one["name"] for one in pair(summary)] == ["none", "allocation+own-priority"]
    summary["policies"] = [by_name["adt"], by_name["capacity:1.5"]]
    assert [one["name"] for one in pair(summary)] == ["adt", "capacity:1.5"]


def test_one_policy_is_not_compared():
    assert pair(samples.summary(users=12, policies=1, charts=False)) is None


def test_the_claim_is_made_of_the_figures():
    text = claim(both())
    assert text.startswith("Without traffic management the DSP failed ")
    assert "With traffic management the DSP kept up, and " in text


def test_the_claim_does_not_flatter():
    text = claim(swapped())
    assert text.startswith("Without traffic management the DSP kept up")
    assert "With traffic management the DSP failed " in text


def test_the_verdict_names_who_pays_and_does_not_flatter():
    told = dict(verdict(both()))
    assert set(told) == {
        "Who is better off",
        "Who pays",
        "Those within their allocation",
        "What the CSPs see",
        "To buy the same",
        "In money",
    }
    lose = [one.name for one in changes(both()) if one.before - one.after >= 0.01]
    assert lose
    assert all(name in told["Who pays"] for name in lose[:3])
    assert "had fewer requests delivered in time" in told["Who pays"]
    assert "none was throttled, refused or lost with traffic management" in told["Those within their allocation"]
    turned = dict(verdict(swapped()))
    assert turned["Who is better off"].startswith(f"{len(lose)} of 12 Users")
    win = [one for one in changes(both()) if one.after - one.before >= 0.01]
    assert len(win) > 3
    assert f"and {len(win) - 3} more had fewer requests" in turned["Who pays"]


def test_where_nobody_loses_it_says_so():
    one = both()
    told = dict(verdict(one._replace(after={**one.after, "users": one.before["users"]})))
    assert told["Who is better off"].startswith("Nobody noticeably")
    assert told["Who pays"] == "Nobody had fewer requests delivered in time. Nobody was throttled."


def test_capacity_that_does_not_reach_it_is_said_with_the_reason():
    one = both()
    why = "The CSPs are what is too small."
    bought = {"k": None, "reached": False, "why": why, "tried": [[8.0, 0.4]]}
    told = dict(verdict(one._replace(after={**one.after, "equivalent_capacity": bought})))
    assert told["To buy the same"] == f"No capacity was found that does it. {why}"


def test_without_prices_there_is_no_money():
    assert "In money" not in dict(verdict(both(costs=False)))
