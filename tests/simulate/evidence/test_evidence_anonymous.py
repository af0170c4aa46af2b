"""The attacker knows everybody's size and name, and has the anonymous summary."""

import copy
import itertools
import json
import random

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.simulate.evidence import anonymous, anonymous_rows, report
from sluicegate.simulate.evidence.anonymous import COUNTS, PERCENTILES
from sluicegate.simulate.evidence.cover import FEWEST, OTHERS, Cover
from sluicegate.simulate.evidence.pseudonyms import pseudonyms

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def plain():
    return samples.summary(policies=3, sweep=True, name="Supplier {} Ltd")


@pytest.fixture(scope="module")
def hidden(plain):
    return anonymous(plain, KEY)


def leaves(value, path=()):
    """Each number, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


def of_user(summary, name):
    """All that a summary tells of one User."""
    user = next(one for one in summary["users"] if one["name"] == name)
    told = [user]
    for policy in summary["policies"]:
        costs = (policy["costs"] or {"users": {}})["users"]
        told.append(
            [
                policy["users"].get(name),
                policy["harm"]["users"].get(name),
                policy["series"]["users"].get(name),
                costs.get(name),
            ]
        )
    return told


def test_no_name_is_anywhere(plain, hidden):
    text = json.dumps(hidden) + report(hidden)
    for user in plain["users"]:
        assert user["name"] not in text


def test_the_shape_is_the_same(plain, hidden):
    assert set(hidden) == set(plain)
    assert set(hidden["scenario"]) == set(plain["scenario"])
    for one, other in zip(plain["policies"], hidden["policies"], strict=True):
        assert set(one) == set(other)
        assert set(one["series"]) == set(other["series"])
        assert set(other["users"]) == {user["name"] for user in hidden["users"]}
    assert (plain["anonymous"], hidden["anonymous"]) == (False, True)


def test_what_a_later_version_adds_does_not_get_out_by_itself(plain, hidden):
    more = copy.deepcopy(plain)
    secret = {"secret": 1}
    for place in (more, more["scenario"], more["users"][0], *more["policies"]):
        place.update(secret)
    for policy in more["policies"]:
        for place in (*policy["users"].values(), policy["dsp"], policy["series"], policy["costs"], policy["harm"]):
            place.update(secret)
    more["replay"] = {"per_user": [{"name": plain["users"][0]["name"], "recorded": 17}]}
    assert anonymous(more, KEY) == hidden


def test_no_exact_number_of_a_user_survives(plain, hidden):
    names = pseudonyms([user["name"] for user in plain["users"]], KEY)
    for name, pseudonym in names.items():
        exact = {value for _, value in leaves(of_user(plain, name)) if value > 100}
        told = {value for _, value in leaves(of_user(hidden, pseudonym))}
        edges = {300.0, 600.0, 1800.0, 3600.0}
        assert not (exact & told) - edges


def test_a_user_of_another_size_looks_the_same(plain, hidden):
    """The strongest thing that can be said: of what is told of a User, nothing but its band depends on its size."""
    names = pseudonyms([user["name"] for user in plain["users"]], KEY)
    grown = copy.deepcopy(plain)
    grow = {user["name"]: place % 4 + 1 for place, user in enumerate(grown["users"])}
    for user in grown["users"]:
        user["meters"] *= grow[user["name"]]
        user["share"] *= grow[user["name"]]
    for policy, (name, factor) in itertools.product(grown["policies"], grow.items()):
        for field in COUNTS:
            policy["users"][name][field] *= factor
        for field in ("conforming", "harmed"):
            policy["harm"]["users"][name][field] *= factor
        for curves in policy["series"]["users"][name].values():
            curves[:] = [value * factor for value in curves]
    other = anonymous(grown, KEY)
    both = {user["name"] for user in hidden["users"]} & {user["name"] for user in other["users"]}
    assert both == set(names.values())
    for pseudonym in both:
        assert of_user(hidden, pseudonym) == of_user(other, pseudonym)


def test_matching_by_rank_finds_no_more_than_guessing(plain, hidden):
    """Within Role and band, sort everybody by size, sort the pseudonyms by any number: who fits?"""
    calm = copy.deepcopy(plain)
    dice = random.Random(7)
    for policy in calm["policies"]:  # nobody's fate depends on its size here: what is found is the cover's fault
        for one in policy["users"].values():
            parts = {field: dice.random() for field in COUNTS if field != "offered"}
            one.update({field: int(one["offered"] * part) for field, part in parts.items()})
            one.update({field: dice.lognormvariate(1, 2) for field in PERCENTILES})
    covered = anonymous(calm, KEY)
    names = pseudonyms([user["name"] for user in calm["users"]], KEY)
    groups = {}
    for user in covered["users"]:
        groups.setdefault((user["role"], user["allocation"]), []).append(user["name"])
    sizes = {names[user["name"]]: user["allocation"] for user in calm["users"]}
    told = {name: dict(leaves(of_user(covered, name)[1:])) for name in sizes}
    paths = sorted({path for one in told.values() for path in one if path[1] < 2}, key=str)
    assert len(paths) >= 3 * len(COUNTS)
    best = 0
    for path, up in itertools.product(paths, (1, -1)):
        hits = 0
        for members in groups.values():
            found = sorted(members, key=lambda name: (up * told[name].get(path, 0), name))
            hits += sum(map(str.__eq__, sorted(members, key=sizes.get), found))
        best = max(best, hits)
    assert len(groups) == 15  # so guessing finds 15 of the 60 in the mean
    assert best <= 30  # and the luckiest of a hundred such numbers hardly twice as many


def test_every_band_of_a_role_has_three_users_and_every_role_too(hidden):
    groups = {}
    for user in hidden["users"]:
        groups[user["role"], user["allocation"]] = groups.get((user["role"], user["allocation"]), 0) + 1
    assert min(groups.values()) >= FEWEST
    assert {user["role"] for user in hidden["users"]} == set(hidden["roles"])
    assert OTHERS in hidden["roles"]
    assert "RSA" not in hidden["roles"]  # one User has it


def test_bands_are_in_order_of_size_within_a_role(plain, hidden):
    names = pseudonyms([user["name"] for user in plain["users"]], KEY)
    bands = {user["name"]: user["allocation"] for user in hidden["users"]}
    large = [user for user in plain["users"] if user["role"] == "IS"]
    assert [bands[names[user["name"]]] for user in large] == ["large"] * 6 + ["medium"] * 6 + ["small"] * 6


def test_no_list_follows_size(hidden):
    names = [user["name"] for user in hidden["users"]]
    assert names == sorted(names)
    for policy in hidden["policies"]:
        for where in (policy["users"], policy["harm"]["users"], policy["series"]["users"]):
            assert list(where) == sorted(where)
        assert list(policy["roles"]) == sorted(policy["roles"])


def test_merged_roles_add_up_and_have_no_percentiles(plain, hidden):
    for one, other in zip(plain["policies"], hidden["policies"], strict=True):
        gone = [role for role in one["roles"] if role not in other["roles"]]
        whole = sum(one["roles"][role]["offered"] for role in gone)
        assert other["roles"][OTHERS]["offered"] == pytest.approx(whole, rel=0.005)
        assert all(other["roles"][OTHERS][field] is None for field in PERCENTILES)


def few(roles, offered=None):
    """A summary of Users with these Roles, and what they offered."""
    summary = samples.summary(users=len(roles), policies=1)
    for number, (user, role) in enumerate(zip(summary["users"], roles, strict=True)):
        user["role"] = role
        summary["policies"][0]["users"][user["name"]]["offered"] = offered[number] if offered else 1000
    some = next(iter(summary["policies"][0]["roles"].values()))
    summary["policies"][0]["roles"] = {role: dict(some) for role in dict.fromkeys(roles)}
    return summary


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        ("IIIIGGG", {"I", "G"}),
        ("IIIIGG", {OTHERS}),  # two hide among none but themselves: the others join them
        ("IIIIIGGGED", {"I", OTHERS}),
        ("IIII" + "EDG", {"I", OTHERS}),
        ("IGE", {OTHERS}),
    ],
)
def test_roles_are_merged_until_three_share_each(roles, left):
    assert set(anonymous(few(list(roles)), KEY)["roles"]) == left


def test_a_role_that_is_nearly_one_user_is_merged():
    assert set(anonymous(few(list("IIIGGGG"), [9000, 10, 10, 900, 900, 900, 900]), KEY)["roles"]) == {OTHERS}


def test_fewer_than_three_users_cannot_hide():
    with pytest.raises(ValueError, match="2 Users are too few"):
        anonymous(few(["I", "I"]), KEY)


def test_text_that_names_a_user_does_so_no_more_and_tells_no_size(hidden):
    assert hidden["scenario"]["assumptions"] == [
        "Arrivals are Poisson, with shapes of a winter day.",
        "A tenth of the meters are prepayment meters.",
    ]
    mask = Cover({"Big Power": "User AAAA", "Big Power North": "User BBBB", "EDF": "User CCCC"}, {}, {})
    assert mask.text("The program of big power loops.") == "The program of a User loops."
    assert mask.text("Big Power North and EDF burst. All is well.") == "a User and a User burst. All is well."
    assert mask.text("Big Power has 4 million meters. All is well.") == "All is well."
    assert mask.text("Bigger Power, EDFs.") == "Bigger Power, EDFs."


@given(st.text(), st.sets(st.text(min_size=1), max_size=5))
def test_no_text_makes_the_cover_fail(text, names):
    Cover(dict.fromkeys(names, "User X"), {}, {}).text(text)


def test_a_sweep_of_a_users_own_setting_is_left_out(plain):
    own = {**plain, "sweep": copy.deepcopy(plain["sweep"])}
    own["sweep"]["parameters"][0]["path"] = "users.Supplier 3 Ltd.allocation"
    assert anonymous(own, KEY)["sweep"] is None
    assert anonymous(plain, KEY)["sweep"] == plain["sweep"]


def test_curves_are_in_tenths_and_the_curves_of_who_sent_a_handful_are_left_out(plain):
    tiny = copy.deepcopy(plain)
    name = tiny["users"][5]["name"]
    for policy in tiny["policies"]:
        policy["series"]["users"][name] = {
            field: [value / 1e6 for value in values] for field, values in policy["series"]["users"][name].items()
        }
    covered = anonymous(tiny, KEY)
    pseudonym = pseudonyms([user["name"] for user in tiny["users"]], KEY)[name]
    for policy in covered["policies"]:
        assert pseudonym not in policy["series"]["users"]
        for curves in policy["series"]["users"].values():
            assert {value for values in curves.values() for value in values} <= {n / 10 for n in range(11)}


def test_what_is_anonymous_stays_as_it_is(hidden):
    assert anonymous(hidden, KEY) == hidden


def test_the_same_key_gives_the_same_summary_and_the_report_can_be_made_of_it(plain, hidden):
    assert anonymous(plain, KEY) == hidden
    text = report(hidden)
    assert "Users have pseudonyms." in text
    assert "Of 100 requests." in text


def row(scope, policy, one, **what):
    return {"policy": policy, "scope": scope, "user": None, "role": None, "class": None, "csp": None, **what, **one}


def test_rows_of_cells_are_left_out_and_the_others_are_covered(plain):
    policy = plain["policies"][0]
    name, measures = next(iter(policy["users"].items()))
    role = plain["users"][0]["role"]
    rows = [
        row("all", "none", policy["total"]),
        row("cell", "none", measures, user=name, role=role, **{"class": "top-up"}, csp="North"),
        row("user", "none", measures, user=name, role=role),
        *(row("role", "none", one, role=each) for each, one in policy["roles"].items()),
        row("class", "none", policy["kinds"]["top-up"], **{"class": "top-up"}),
    ]
    covered = list(anonymous_rows(rows, plain, KEY))
    assert [one["scope"] for one in covered].count("cell") == 0
    pseudonym = pseudonyms([user["name"] for user in plain["users"]], KEY)[name]
    (user,) = (one for one in covered if one["scope"] == "user")
    hidden = anonymous(plain, KEY)
    assert user["user"] == pseudonym
    assert {field: user[field] for field in COUNTS} == {
        field: hidden["policies"][0]["users"][pseudonym][field] for field in COUNTS
    }
    roles = {one["role"]: one for one in covered if one["scope"] == "role"}
    assert set(roles) == set(hidden["roles"])
    assert roles[OTHERS]["offered"] == hidden["policies"][0]["roles"][OTHERS]["offered"]
    assert name not in json.dumps(covered)
