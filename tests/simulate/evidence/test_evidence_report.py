import base64
import hashlib
import html.parser
import json
import re

import pytest
import samples

from sluicegate.simulate.evidence import report
from sluicegate.simulate.evidence.users import MOST_CHARTED

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<!--{}"


class Reader(html.parser.HTMLParser):
    """Elements, with the page in which each stands, and the texts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.pages = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self._element(name, dict(attributes))

    def handle_startendtag(self, name, attributes):
        self._element(name, dict(attributes))

    def _element(self, name, attributes):
        if name == "section":
            self.pages.append(attributes["id"])
        self.elements.append((name, attributes, self.pages[-1] if self.pages else None))

    def handle_data(self, data):
        if self.pages:
            self.texts[self.pages[-1]] = self.texts.get(self.pages[-1], "") + data

    def named(self, name):
        return [(attributes, place) for element, attributes, place in self.elements if element == name]


@pytest.fixture(scope="module")
def summary():
    return samples.summary(sweep=True)


@pytest.fixture(scope="module")
def text(summary):
    return report(summary)


@pytest.fixture(scope="module")
def page(text):
    return Reader(text)


def test_every_policy_and_every_user_has_its_page(summary, page):
    titles = {attributes["data-title"] for attributes, _ in page.named("section")}
    assert titles >= {one["title"] for one in summary["policies"]} | {one["name"] for one in summary["users"]}
    assert {"policy-none", "policy-allocation", "policy-capacity-1.5", "user-user-1", "user-user-60"} <= set(page.pages)
    assert {"overview", "users", "costs", "sweep", "assumptions"} <= set(page.pages)
    assert len(set(page.pages)) == len(page.pages)


def test_every_link_leads_to_a_page_of_the_file(page):
    links = [attributes["href"] for attributes, _ in page.named("a")]
    assert links
    assert {link[1:] for link in links} <= set(page.pages)
    assert all(link.startswith("#") for link in links)


def test_it_fetches_nothing_and_lets_only_its_own_parts_run(text, page):
    for name, attributes, _ in page.elements:
        assert not {"src", "srcset", "action", "data", "style", "onclick"} & set(attributes), name
        assert name not in {"link", "iframe", "object", "embed", "base", "form", "img"}
    policy = next(a["content"] for name, a, _ in page.elements if a.get("http-equiv"))
    inline = re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", text, re.S)
    hashes = {
        "sha256-" + base64.b64encode(hashlib.sha256((style or script).encode()).digest()).decode()
        for style, script in inline
    }
    assert len(inline) == 4
    assert set(re.findall(r"sha256-[^']+", policy)) == hashes
    assert "unsafe" not in policy
    outside = re.sub(r"<script>.*?</script>|<style>.*?</style>|<!--.*?-->", "", text, flags=re.S)
    assert "http://" not in outside
    assert "https://" not in outside


def test_the_first_page_says_what_happened_and_compares_all_policies(summary, page):
    first = page.texts["overview"]
    assert summary["scenario"]["title"] in first
    assert summary["scenario"]["description"] in first
    assert "Without traffic management the DSP failed" in first
    assert "1.72" in first
    for policy in summary["policies"]:
        assert policy["title"] in first


def test_a_run_that_was_stopped_says_so_first(page):
    assert "stopped before its end" not in page.texts["overview"]
    stopped = Reader(report(samples.summary(users=5, policies=1, complete=False)))
    assert stopped.texts["overview"].lstrip().startswith("The run was stopped before its end.")


def test_hostile_names_make_no_elements():
    hostile = samples.summary(users=5, policies=2, name=HOSTILE)
    for field in ("title", "description", "name", "date"):
        hostile["scenario"][field] = HOSTILE
    hostile["scenario"]["assumptions"] = [HOSTILE]
    for one in hostile["policies"]:
        one["title"] = one["explanation"] = HOSTILE
        one["kinds"] = {HOSTILE: one["kinds"]["top-up"]}
    page = Reader(report(hostile))
    names = [name for name, *_ in page.elements]
    assert "img" not in names
    assert sum(name == "script" and "type" not in attributes for name, attributes, _ in page.elements) == 3
    assert len([key for key in page.pages if key.startswith("user-")]) == 5


def test_names_that_look_alike_have_pages_of_their_own():
    alike = samples.summary(users=4, policies=1, name="a{}")
    for number, name in enumerate(("A b", "a-b", "a b ", "A\u00a0B")):
        old = alike["users"][number]["name"]
        alike["users"][number]["name"] = name
        for policy in alike["policies"]:
            for place in (
                policy["users"],
                policy["harm"]["users"],
                policy["series"]["users"],
                policy["costs"]["users"],
            ):
                place[name] = place.pop(old)
    keys = [key for key in Reader(report(alike)).pages if key.startswith("user-")]
    assert len(set(keys)) == 4


def test_what_is_not_there_has_no_page():
    bare = Reader(report(samples.summary(users=4, policies=2, costs=False)))
    assert not {"costs", "sweep"} & set(bare.pages)


def test_no_policy_finished_is_still_a_report():
    nothing = samples.summary(users=4, policies=0, complete=False)
    page = Reader(report(nothing))
    assert "stopped before its end" in page.texts["overview"]


def test_a_run_without_traffic_is_still_a_report():
    empty = samples.summary(users=4, policies=2)
    void = {"p50": None, "p95": None, "p99": None}
    for policy in empty["policies"]:
        for group in (policy["users"], policy["roles"], policy["kinds"]):
            for name, one in group.items():
                group[name] = dict.fromkeys(one, 0) | void
        policy["urgent"] = dict.fromkeys(policy["urgent"], 0) | void | {"share": None}
        policy["harm"] |= {"conforming": 0, "harmed": 0, "share": None}
        policy["total"] = dict.fromkeys(policy["total"], 0) | void
        policy |= {"jain": None, "amplification": None, "equivalent_capacity": None, "csps": {}}
        policy["series"] |= {"users": {}, "csps": {}}
        for name in ("t", "offered", "attempts", "admitted", "delivered", "throttled", "failed"):
            policy["series"][name] = []
    empty["csps"] = []
    assert "Nobody noticeably" in Reader(report(empty)).texts["overview"]


def test_the_assumptions_say_how_to_have_the_same_again(summary, page):
    told = page.texts["assumptions"]
    assert "sluicegate simulate cold-snap --seed 1" in told
    assert "--policy 'capacity:1.5'" in told or "--policy capacity:1.5" in told
    assert "Jain's fairness index" in told
    for one in summary["scenario"]["assumptions"]:
        assert one in told


def test_charts_over_a_parameter_carry_their_interval(text):
    charts = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text)]
    swept = [one for one in charts if one["axis"] == "number"]
    assert [one["name"] for one in swept] == [
        "Urgent requests delivered in time",
        "The DSP was down for",
        "Harmed within their allocation",
        "Fairness (1: all alike)",
    ]
    for one in swept:
        assert (one["since"], one["until"]) == (0.6, 1.0)
        for series in one["series"]:
            assert len(series["low"]) == len(series["high"]) == len(series["values"]) == 9


def test_two_parameters_are_a_table():
    two = samples.summary(users=4, policies=2, sweep=True)
    two["sweep"]["parameters"] = [{"path": "a.x", "values": [1, 2, 3]}, {"path": "b.y", "values": [0.5, 0.6, 0.7]}]
    page = Reader(report(two))
    assert not [1 for attributes, place in page.named("figure") if place == "sweep"]
    assert "a.x and b.y" in page.texts["sweep"]


def test_the_same_summary_gives_the_same_text(summary, text):
    assert report(json.loads(json.dumps(summary))) == text


def test_users_series_may_have_a_step_of_their_own():
    coarse = samples.summary(users=4, policies=1)
    series = coarse["policies"][0]["series"]
    series["users_step"] = 5 * samples.STEP
    for one in series["users"].values():
        for field, values in one.items():
            one[field] = values[::5]
    text = report(coarse)
    charts = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text)]
    assert {one["until"] for one in charts} == {samples.FIRST + samples.STEPS * samples.STEP}


def crowd(number, of=20):
    """So many Users: each of a few many times, with a charge that makes none the size of another."""
    many = samples.summary(users=of)
    few = many["users"]
    names = [f"User {place + 1}" for place in range(number)]
    many["users"] = [{**few[place % of], "name": name} for place, name in enumerate(names)]
    for policy in many["policies"]:
        for where in (policy, policy["harm"], policy["series"], policy["costs"]):
            old = list(where["users"].values())
            where["users"] = {name: old[place % of] for place, name in enumerate(names)}
        for place, name in enumerate(names):
            one = policy["users"][name]
            policy["users"][name] = {**one, "offered": one["offered"] + place}
    return many


@pytest.mark.parametrize("users", [150, pytest.param(1000, marks=pytest.mark.long)])
def test_a_thousand_users_stay_within_fifteen_megabytes_and_the_largest_keep_their_charts(users):
    many = crowd(users)
    text = report(many)
    assert len(text.encode()) < 15_000_000
    pages = re.findall(r'<section class="page" id="user-user-(\d+)"(.*?)</section>', text, re.S)
    assert len(pages) == users
    offered = {name: one["offered"] for name, one in many["policies"][0]["users"].items()}
    most = sorted(offered, key=offered.get, reverse=True)[:MOST_CHARTED]
    assert {f"User {number}" for number, body in pages if "<figure" in body} == set(most)
    assert f"Charts are kept for {MOST_CHARTED} Users, those who asked for most" in text
