"""A wrong scenario: everything is said at once, each with file, line, key and what to do."""
# ruff: noqa: E501 - a case a line

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.simulate.scenario import Scenario, ScenarioError, load, reading
from sluicegate.simulate.scenario.layers import MOST_OCTETS
from thorough import examples


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("maximum = 100", "maximun = 1\nmaximum = 100", "6: capacity.maximun", "did you mean `maximum`?"),
        ("maximum = 100\n", "", "5: capacity.maximum", "is missing: add it, for example `maximum = 2200`"),
        ("maximum = 100", "maximum = 1e9", "6: capacity.maximum", "at most 1000000"),
        ("maximum = 100", "maximum = nan", "6: capacity.maximum", "finite"),
        ("maximum = 100", "maximum = 100\noperating_threshold = 80", "7: capacity.operating_threshold", "at most 1"),
        ('starts = "17:00"', 'starts = "25:00"', "3: window.starts", 'a time of day in quotes such as "17:30"'),
        ('starts = "17:00"', "starts = 17:00:00", "3: window.starts", "a time of day in quotes"),
        ("hours = 2", "hours = 25", "4: window.hours", "at most 24, and is 25"),
        ("hours = 2", 'hours = 2\ndate = ""', "5: window.date", "must have 1 to 2,000 characters"),
        ("capacity = 120", "capacity = 120\nrestart = -1", "10: dsp.restart", "at least 0"),
        ("share = 0.25", "share = 0.5", '17: csp[1] "South".share', "must add up to 1, and come to 1.25"),
        ("servers = 20", "servers = 0", '14: csp[0] "North".servers', "at least 1"),
        ('habit = "honour"', 'habit = "honor"', '21: retry[0] "patient".habit', 'did you mean "honour"?'),
        ('srv = "2.2"', 'srv = "2.7"', '24: kind[0] "Top up".srv', "2.7 is not in the catalogue"),
        ('srv = "2.2"', "srv = 2.2", '24: kind[0] "Top up".srv', "in quotes"),
        ('srv = "2.2"', 'srv = "2.2"\nroles = ["ED"]', '25: kind[0] "Top up".roles', "ED may not send 2.2"),
        ('srv = "2.2"', 'srv = "2.2"\ninternal = true', '25: kind[0] "Top up".internal', "it is never internal"),
        ('srv = "2.2"', 'srv = "2.2"\nshape = "eve"', '25: kind[0] "Top up".shape', 'no [[shape]] "eve": there are "flat"'),
        ('srv = "2.2"', 'srv = "2.2"\nin_time = 9000', '25: kind[0] "Top up".in_time', "at most the deadline of 3600 s"),
        ('per = "prepayment"', 'per = "meters"', '25: kind[0] "Top up".per', 'did you mean "meter"?'),
        ('name = "Read inventory"', 'name = "Top up"', '28: kind[1] "Top up".name', "already the name of kind[0]"),
        ('role = "IS"', 'role = "XX"', '33: user[0] "Alpha".role', 'must be one of "IS"'),
        ('role = "IS"', 'role = "IS"\ncsps = ["Nord"]', '34: user[0] "Alpha".csps', 'did you mean "North"?'),
        ('role = "IS"', 'role = "IS"\nallocation = 99', "5: capacity.allocated", "102 SR/s at least, and 85 SR/s are"),
        ('retry = "patient"', 'retry = "patent"', '36: user[0] "Alpha".retry', 'did you mean "patient"?'),
        ("count = 3", "count = 3000000", '40: group[0] "Small".count', "at most 5000"),
        ('name = "Alpha"', 'name = "Small B"', '38: group[0] "Small".name', 'would be called "Small B"'),
        ('until = "18:30"', 'until = "17:30"', '46: surge[0] "Evening".until', "must come after `from`"),
        ('from = "17:30"', 'from = "19:30"', '45: surge[0] "Evening".from', "is not within the 2 hours of the run"),
        ('from = "17:30"\n', "", '43: surge[0] "Evening".from', "is missing: add it, for example `from ="),
        ("factor = 3", "factor = 3\nrate = 1", '43: surge[0] "Evening"', "exactly one of factor, per_meter and rate, and"),
        ("factor = 3\n", "", '43: surge[0] "Evening"', "and has none"),
        ('kinds = ["Top up"]', 'kinds = ["Topup"]', '47: surge[0] "Evening".kinds', 'did you mean "Top up"?'),
        ('kinds = ["Top up"]', 'groups = ["Big"]', '47: surge[0] "Evening".groups', 'there are "Small"'),
        ('kinds = ["Top up"]', 'users = ["Small D"]', '47: surge[0] "Evening".users', "did you mean"),
        ('kinds = ["Top up"]', 'roles = ["GT"]', '43: surge[0] "Evening"', "is about no flow"),
        ('kinds = ["Top up"]', 'users = ["Small A"]\nkinds = ["Top up"]', '49: surge[0] "Evening".factor', "usual rate is 0"),
        ('title = "A try"', 'title = "A try"\npolicies = ["alocation"]', "2: policies[0]", "is not a policy"),
        ('title = "A try"', 'title = "A try"\nseed = -1', "2: seed", "at least 0"),
        ('title = "A try"', 'title = "A try"\nscale = 1e5', "2: scale", "at most 100"),
        ('title = "A try"', 'title = "A try"\n[[shape]]\nname = "s"\nhours = [1]', '4: shape[0] "s".hours', "24 numbers"),
        ('title = "A try"', f'title = "A try"\n[[shape]]\nname = "s"\nhours = {[0] * 24}', '4: shape[0] "s".hours', "0 all"),
        ('title = "A try"', 'title = "A try"\n[user', "2", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_to_do(changed, problems_of, old, new, where, message):
    (problem,) = problems_of(changed((old, new)))
    assert problem.startswith(f"try.toml:{where}: ")
    assert message in problem
    assert problem.isprintable()
    assert len(problem) < 300


def test_everything_is_said_at_once_and_in_the_order_of_the_lines(changed, problems_of):
    found = problems_of(
        changed(
            ("hours = 2", "hours = 0"),
            ("capacity = 120", 'capacity = "120"'),
            ('retry = "patient"', 'retry = "nobody"'),
            ("count = 3", "count = 0"),
        ),
        overrides={"dsp.restat": 3},
    )
    assert [problem.split(": ")[0:2] for problem in found] == [
        ["override dsp.restat", 'there is no key "restat" in dsp. Did you mean restart? There are'],
        ["try.toml:4", "window.hours"],
        ["try.toml:9", "dsp.capacity"],
        ["try.toml:36", 'user[0] "Alpha".retry'],
        ["try.toml:40", 'group[0] "Small".count'],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "title: is missing"),
        ('title = "x"\n[capacity]\nmaximum = 1\n[dsp]\ncapacity = 1\n', "there is no User: add a [[user]] or a [[group]]"),
        ('title = "x"\n[capacity]\nmaximum = 1\n[dsp]\ncapacity = 1\n', "there is no CSP: add a [[csp]]"),
        ('title = "x"\n[capacity]\nmaximum = 1\n[dsp]\ncapacity = 1\n', "there is no kind of Service Request"),
        ("a = " + "[" * 2000, "nested too deeply"),
    ],
)  # fmt: skip
def test_an_empty_scenario_says_what_belongs_in_it(problems_of, text, message):
    assert any(message in problem for problem in problems_of(text))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dsq.restart": 1}, 'override dsq.restart: there is no key "dsq". Did you mean dsp? There are: extends, title'),
        ({"dsp.restart.x": 1}, 'there is no key "x" in dsp.restart'),
        ({"csp.West.share": 1}, 'there is no entry "West". There are: North, South'),
        ({"csp.9.share": 1}, 'there is no entry "9". There are: North, South'),
        ({"shape.evening.hours": 1}, 'there is no entry "evening": nothing can be set there'),
        ({"user.Alpha.alocation": 1}, "Did you mean allocation?"),
        ({"": 1}, 'there is no key ""'),
        ({"dsp.restart": "soon"}, 'override dsp.restart: dsp.restart: must be a number, and is "soon"'),
        ({"capacity.operating_threshold": 1.5}, "must be at most 1, and is 1.5"),
        ({"dsp.restart": float("nan")}, "finite"),
        ({"capacity": 3}, "override capacity: capacity: must be a table, [capacity], and is 3"),
    ],
)  # fmt: skip
def test_a_wrong_override_says_what_is_there(right, problems_of, overrides, message):
    (problem,) = problems_of(right, overrides=overrides)
    assert message in problem


def test_a_wrong_scale_is_said_as_such(right, problems_of):
    assert problems_of(right, scale=0.0) == ["override scale: scale: must be at least 1e-06, and is 0"]


def test_an_unknown_name_lists_what_is_shipped_and_what_may_be_meant():
    with pytest.raises(
        ScenarioError, match=r'no scenario "cold-snp". Did you mean cold-snap\? Shipped are: ordinary-day'
    ):
        load("cold-snp")
    with pytest.raises(ScenarioError, match="or name a TOML file"):
        load("x" * 5000 + "\0")


def test_a_file_that_cannot_be_read_is_a_sentence_too(tmp_path):
    def message(path):
        with pytest.raises(ScenarioError) as caught:
            load(str(path))
        return str(caught.value)

    assert "there is no such file" in message(tmp_path / "none.toml")
    assert "is a directory" in message(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'# one\ntitle = "\xe9"\n')
    assert ":2: is not UTF-8" in message(tmp_path / "latin.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (MOST_OCTETS + 1))
    assert "is larger than 1,048,576 octets" in message(tmp_path / "long.toml")


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ('"nobody"', 'there is no scenario "nobody"'),
        ('"mine.toml"', "extend each other, perhaps in a circle"),
        ("7", "must be a scenario's name or file, and is 7"),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path, extends, message):
    (tmp_path / "mine.toml").write_text(f"extends = {extends}\n")
    with pytest.raises(ScenarioError, match=message):
        load(str(tmp_path / "mine.toml"))


def test_too_much_traffic_is_refused_before_it_is_made(right, problems_of):
    (problem,) = problems_of(right, scale=100.0, overrides={"kind.Read inventory.daily": 1e9})
    assert "SRs would arrive, and 1000000000 are the most: lower `scale`" in problem


def test_too_many_flows_are_refused(right, problems_of, monkeypatch):
    monkeypatch.setattr("sluicegate.simulate.scenario.flows.MOST_FLOWS", 5)
    (problem,) = problems_of(right)
    assert "5 flows (User, kind, CSP) are the most" in problem


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip
PATHS = [
    *("window", "window.hours", "window.starts", "capacity.maximum", "capacity.allocated", "dsp", "dsp.change"),
    *("dsp.retry", "csp", "csp.North", "csp.North.outage", "csp.South.share", "retry.patient.habit", "kind"),
    *("kind.Top up", "kind.Top up.srv", "kind.Top up.roles", "kind.Top up.daily", "user.Alpha", "user.Alpha.csps"),
    *("group.Small.count", "group.Small.zipf", "group", "surge", "surge.Evening.from", "surge.Evening.kinds"),
    *("surge.Evening.ramp", "bursts", "bursts.minutes", "prices", "adt", "policies", "scale", "seed", "title"),
]


@given(overrides=st.dictionaries(st.sampled_from(PATHS), values, max_size=3))
@settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_put_in_is_a_scenario_or_a_list_of_sentences(scenario_of, right, overrides):
    problems = None
    try:
        scenario = scenario_of(right, overrides=overrides)
    except ScenarioError as error:
        problems = error.problems
    if problems is None:
        assert isinstance(scenario, Scenario)
        assert scenario.source(1).expected <= reading.MOST_REQUESTS
    else:
        assert problems
        assert all(problem.isprintable() and len(problem) < 2000 for problem in problems)
