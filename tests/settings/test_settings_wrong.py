"""A wrong configuration: everything is said at once, each with its line and what to do."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.settings import Settings, SettingsError, load, parse, reading, starter
from thorough import examples


def only(problems):
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    ("old", "new", "line", "where", "message"),
    [
        ("maximum = 1000", "maximun = 1000\nmaximum = 1000", 2, "capacity.maximun", "did you mean `maximum`?"),
        ("[admin]", "[admn]\n[admin]", 7, "admn", "did you mean `admin`?"),
        ("[admin]", "[admin]\nmax_in_flight = 3", 8, "admin.max_in_flight", "it belongs in [capacity]"),
        ("[admin]", "[admin]\nxyz = 3", 8, "admin.xyz", "take it out. The keys are listen"),
        ("maximum = 1000\n", "", 1, "capacity.maximum", "is missing: add it, for example `maximum = 1000`"),
        ("maximum = 1000", 'maximum = "1000"', 2, "capacity.maximum", 'is "1000": take the quotes away'),
        ("maximum = 1000", "maximum = true", 2, "capacity.maximum", "must be a number, and is true"),
        ("maximum = 1000", "maximum = nan", 2, "capacity.maximum", "finite"),
        ("maximum = 1000", "maximum = inf", 2, "capacity.maximum", "finite"),
        ("maximum = 1000", "maximum = 10000001", 2, "capacity.maximum", "at most 10000000"),
        ("threshold = 800", "threshold = 0", 3, "capacity.operating_threshold", "at least 0.001"),
        ("[gateway]", "max_in_flight = 2.5\n[gateway]", 4, "capacity.max_in_flight", "a whole number"),
        ("[gateway]", "max_in_flight = 0\n[gateway]", 4, "capacity.max_in_flight", "at least 1"),
        ("[gateway]", "burst_seconds = 61\n[gateway]", 4, "capacity.burst_seconds", "at most 60"),
        ("[gateway]", 'enforce = "true"\n[gateway]', 4, "capacity.enforce", "take the quotes away"),
        ("[gateway]", 'sharing = "Fair"\n[gateway]', 4, "capacity.sharing", 'did you mean "fair"?'),
        ("[gateway]", 'weights = { "2.2" = 0 }\n[gateway]', 4, 'capacity.weights."2.2"', "at least 0.001"),
        ("[gateway]", "weights = { 2.2 = 3 }\n[gateway]", 4, "capacity.weights.2", "in quotes"),
        ("[gateway]", "weights = 3\n[gateway]", 4, "capacity.weights", "must be a table, [capacity.weights]"),
        ("[admin]", 'max_body_bytes = "1"\n[admin]', 7, "gateway.max_body_bytes", "a whole number"),
        ("[admin]", 'trusted_proxies = "10.0.0.1"\n[admin]', 7, "gateway.trusted_proxies", '["10.0.0.1"]'),
        ("[admin]", "tls = 3\n[admin]", 7, "gateway.tls", "must be a table, [gateway.tls]"),
        ("[admin]", "timeouts = { head = -1 }\n[admin]", 7, "gateway.timeouts.head", "at least 0.01, and is -1"),
        ("[admin]", "[gateway.limits]\nconnections = 0\n[admin]", 8, "gateway.limits.connections", "at least 1"),
        ('role = "GS"', 'role = "gs"', 17, 'user[1] "Small Supplier C".role', 'did you mean "GS"?'),
        ('role = "GS"', "role = 3", 17, 'user[1] "Small Supplier C".role', 'must be one of "IS"'),
        ("allocation = 50", "allocation = -5", 18, 'user[1] "Small Supplier C".allocation', "at least 0, and is -5"),
        ("allocation = 50", "allocation = 1e-9", 18, 'user[1] "Small Supplier C".allocation', "at least 0.001 SR/s"),
        ("30-03-00-00", "30-03-00", 16, 'user[1] "Small Supplier C".ids[0]', "is not a User ID"),
        ('["90-b3-d5-1f-30-03-00-00"]', "[]", 16, 'user[1] "Small Supplier C".ids', "must not be empty"),
        ('["90-b3-d5-1f-30-03-00-00"]', "[7]", 16, 'user[1] "Small Supplier C".ids[0]', "must be a text"),
        ('["90-b3-d5-1f-30-03-00-00"]', '[{role="GS"}]', 16, 'user[1] "Small Supplier C".ids[0].id', "is missing"),
        ('["90-b3-d5-1f-30-03-00-00"]', "[[3]]", 16, 'user[1] "Small Supplier C".ids[0]', "must be a text"),
        ("CN=c,", "CN=c, ", 19, 'user[1] "Small Supplier C".certificates[0]', "no spaces round the commas"),
        ("[[user]]", "[[user]]\nallocations = 3", 9, 'user[0] "Large Supplier A".allocations', "`allocation`"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_line_and_what_to_do(changed, problems_of, old, new, line, where, message):
    problem = only(problems_of(changed((old, new))))
    assert (problem.line, problem.where) == (line, where)
    assert message in problem.message


@pytest.mark.parametrize(
    ("pairs", "line", "where", "message"),
    [
        ([("threshold = 800", "threshold = 1001")], 3, "capacity.operating_threshold", "at most the maximum of 1000"),
        ([('"Small Supplier C"', '"Large Supplier A"')], 15, "name", "already the name of user[0]"),
        ([('"Small Supplier C"', '"LARGE supplier A"')], 15, "name", "by its look only"),
        ([("b3-d5-1f-30-03", "b3-d5-1f-30-01")], 16, "ids[0]", 'already belongs to user[0] "Large Supplier A"'),
        ([('00"]', '00", { id = "90-b3-d5-1f-30-01-00-00" }]')], 10, "ids[1]", "is here twice"),
        ([("[admin]", '[responses]\ntoo_many_requests_users = ["X"]\n[admin]')], 8, "requests_users[0]", 'no User "X"'),
        ([("127.0.0.1:8080", "127.0.0.1:8079")], 5, "gateway.upstream", "forward to itself"),
        ([("[admin]", '[admin]\nlisten = "127.0.0.1:8079"')], 8, "admin.listen", "choose another port"),
        ([("[admin]", '[admin]\nlisten = "0.0.0.0:8090"')], 8, "admin.listen", "open to others"),
        ([("[gateway]", '[gateway]\nlisten = "0.0.0.0:8079"')], 7, "gateway.identity", "open to others"),
        ([('"originator"', '"certificate"')], 6, "gateway.identity", "needs the table [gateway.tls]"),
        ([('"originator"', '"certificate"\ntls = {certificate="a", key="b"}')], 7, "gateway.tls.client_ca", "missing"),
        ([('"originator"', '"forwarded-certificate"')], 6, "gateway.identity", "needs `trusted_proxies`"),
        ([('"originator"', '"forwarded-certificate"\ntrusted_proxies = ["0.0.0.0/0"]')], 7,
         "gateway.trusted_proxies[0]", "is everybody"),
        ([('"originator"', '"forwarded-certificate"\ntrusted_proxies = ["10.0.0.1"]'), ('["CN=a,O=Example"]', "[]")],
         14, "certificates", "must not be empty"),
        ([("[admin]", "upstream_tls = {}\n[admin]")], 7, "gateway.upstream_tls", "is for an https upstream"),
        ([("http://", "https://"), ("[admin]", 'upstream_tls = { key = "k" }\n[admin]')], 7,
         "gateway.upstream_tls", "only one of `certificate` and `key`"),
        ([("[admin]", 'tls = {certificate="a", key="b", client_crl="c"}\n[admin]')], 7,
         "gateway.tls.client_crl", "without `client_ca`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named_with_its_line(changed, problems_of, pairs, line, where, message):
    problem = only(problems_of(changed(*pairs)))
    assert problem.line == line
    assert problem.where.endswith(where)
    assert message in problem.message


def test_allocations_above_the_maximum_are_named_with_the_numbers(changed, problems_of):
    problem = only(problems_of(changed(("maximum = 1000", "maximum = 300"), ("= 800", "= 200"))))
    assert (problem.line, problem.where) == (2, "capacity.maximum")
    for part in ("350 SR/s", "maximum is 300", "50 SR/s too many", '"Large Supplier A" 300, "Small Supplier C" 50'):
        assert part in problem.message


def test_a_gateway_that_listens_everywhere_is_itself_on_loopback_only(changed, problems_of):
    everywhere = ("[admin]", 'listen = "0.0.0.0:8079"\n[admin]')
    problem = only(problems_of(changed(everywhere, ("127.0.0.1:8080", "localhost:8079")), insecure=True))
    assert "forward to itself" in problem.message
    assert problems_of(changed(everywhere, ("127.0.0.1:8080", "dsp.example:8079")), insecure=True) == ()


@pytest.mark.parametrize(
    "pair",
    [
        ("[admin]", '[admin]\nlisten = "0.0.0.0:8090"'),
        ("[gateway]", '[gateway]\nlisten = "0.0.0.0:8079"'),
        ('"originator"', '"forwarded-certificate"\ntrusted_proxies = ["::/0"]'),
    ],
)
def test_only_insecure_opens_the_gateway_to_strangers(changed, problems_of, pair):
    assert problems_of(changed(pair))
    assert problems_of(changed(pair), insecure=True) == ()


def test_all_problems_come_at_once_and_in_line_order(changed, problems_of):
    problems = problems_of(
        changed(
            ("maximum = 1000", 'maximum = "1000"'),
            ("[gateway]", "burst = 1\n[gateway]"),
            ('"originator"', '"certificate"'),
            ('role = "IS"', 'role = "XX"'),
            ("b3-d5-1f-30-03", "b3-d5-1f-30-01"),
            ('"Small Supplier C"', '"Large Supplier A"'),
        )
    )
    assert [problem.line for problem in problems] == [2, 4, 7, 12, 16, 17]


def test_a_list_that_stays_wrong_when_mended_hides_no_other_problem(changed, problems_of):
    wrong = "[" + "3, " * 1001 + "]"
    problems = problems_of(changed(('["CN=c,O=Example"]', wrong), ("b3-d5-1f-30-03", "b3-d5-1f-30-01")))
    assert [problem.line for problem in problems] == [16] + [19] * 1001


def test_a_table_that_should_not_be_there_is_reported_beside_what_is_wrong_in_it(changed, problems_of):
    problems = problems_of(changed(("[admin]", "upstream_tls = { ca = 3 }\n[admin]")))
    assert [problem.where for problem in problems] == ["gateway.upstream_tls.ca", "gateway.upstream_tls"]


def test_what_only_follows_from_another_problem_is_not_reported(changed, problems_of):
    # The threshold cannot be held against a maximum that is no number, nor a certificate asked of a bad list.
    problems = problems_of(changed(("maximum = 1000", "maximum = -1"), ("threshold = 800", "threshold = 900")))
    assert [problem.where for problem in problems] == ["capacity.maximum"]
    text = changed(('"originator"', '"forwarded-certificate"\ntrusted_proxies = ["no"]'))
    assert [problem.where for problem in problems_of(text)] == ["gateway.trusted_proxies[0]"]


def test_a_wrong_entry_does_not_make_its_list_empty(changed, problems_of):
    assert "is not a User ID" in only(problems_of(changed(("30-01-00-00", "30-01")))).message


def test_an_empty_file_is_told_what_is_missing(problems_of):
    assert [problem.where for problem in problems_of("")] == ["capacity", "gateway", "user"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[user]\nname = 'A'\n", "two brackets"),
        ("user = 3\n", "two brackets"),
        ("user = []\n", "at least one [[user]]"),
    ],
)
def test_users_that_are_no_list_of_tables_are_told_how_to_be_written(right, problems_of, text, message):
    head = right.split("[[user]]")[0]
    problem = only(problems_of(text + head if "=" in text[:6] else head + text))
    assert message in problem.message


def test_an_entry_that_is_no_table_is_told_how_to_be_written(right, problems_of):
    problem = only(problems_of("user = [3]\n" + right.split("[[user]]")[0]))
    assert (problem.line, problem.where) == (1, "user[0]")
    assert "must be a table, [[user]], and is 3" in problem.message


def test_a_list_that_is_too_long_is_refused(changed, problems_of):
    many = ", ".join(f'"CN=c{n}"' for n in range(1001))
    problem = only(problems_of(changed(('"CN=c,O=Example"', many))))
    assert problem.message == "must have at most 1,000 entries, and has 1001"
    assert Settings.model_fields["users"].metadata[-1].max_length == 100_000


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[capacity]\nmaximum = \n", 2, "is not TOML: invalid value (column 11)"),
        ("[capacity]\nmaximum = 1\nmaximum = 2\n", 3, "is there twice in this table"),
        ("[a]\n\n[a]\n", 3, "is not TOML"),
        ("a = [\n1,\n", 2, "is not TOML"),
        ("a = " + "1" * 5000, None, "is not TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, None, "nested too deeply"),
        ("a = '\x00'", 1, "is not TOML"),
    ],
)
def test_what_is_not_toml_is_said_with_its_line(problems_of, text, line, message):
    problem = only(problems_of(text))
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize("depth", [50, 150, 250, 300, 350, 400, 450, 480])
def test_deep_nesting_is_a_problem_and_never_a_stack_trace(problems_of, depth):
    assert problems_of("x = " + "[" * depth + "]" * depth)
    assert problems_of("x = " + "{a=" * depth + "1" + "}" * depth)


def test_what_is_unprintable_or_long_is_shown_harmless(changed, problems_of):
    problem = only(problems_of(changed(('"Small Supplier C"', '"\\u001b[31m\\u202e' + "x" * 500 + '"'))))
    assert str(problem).isprintable()
    assert len(str(problem)) < 200


def test_a_key_of_absurd_length_or_form_is_shown_harmless(right, problems_of):
    for key in ("x" * 5000, '"\\u001b[31m\\n"', "'é ]'"):
        problem = only(problems_of(f"{key} = 1\n{right}"))
        assert str(problem).isprintable()
        assert len(str(problem)) < 200


def test_an_error_reads_as_file_line_where_and_message(changed):
    with pytest.raises(SettingsError) as caught:
        parse(changed(("maximum = 1000", "maximum = 0")), source="a.toml")
    assert str(caught.value) == "a.toml:2: capacity.maximum: must be at least 0.001, and is 0"
    assert caught.value.source == "a.toml"


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path, monkeypatch):
    def message(path):
        with pytest.raises(SettingsError) as caught:
            load(path)
        return str(caught.value)

    assert "there is no such file: `sluicegate init`" in message(tmp_path / "none.toml")
    assert "is a directory" in message(tmp_path)
    assert "cannot be read" in message(tmp_path / ("x" * 300))
    assert "not the name of a file" in message("a\0b")
    (tmp_path / "latin.toml").write_bytes(b'# one\nname = "\xe9"\n')
    assert ":2: is not UTF-8 (octet 0xe9)" in message(tmp_path / "latin.toml")
    (tmp_path / "file").touch()
    assert "cannot be read" in message(tmp_path / "file" / "x.toml")
    monkeypatch.setattr(reading, "MOST_OCTETS", 10)
    (tmp_path / "long.toml").write_bytes(b"#" * 11)
    assert "is larger than 10 octets" in message(tmp_path / "long.toml")


def test_a_file_without_permission_is_said_so(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(SettingsError, match="must not be read by this account"):
        load(tmp_path / "a.toml")


@settings(max_examples=examples(200))
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_no_damage_to_a_file_ends_in_anything_but_settings_or_problems(seed, cuts):
    """Lines of the starter file are dropped, doubled, cut or given other values."""
    chance = random.Random(seed)
    rows = starter().split("\n")
    values = ["3", "-1", "nan", '"x"', "[]", "[[3]]", "{}", "{a=1}", "true", "1979-05-27", '["x", 3]', "1e999", "[{}]"]
    for _ in range(cuts):
        at = chance.randrange(len(rows))
        key, equals, _ = rows[at].partition("=")
        rows[at] = chance.choice(["", f"{rows[at]}\n{rows[at]}", rows[at][:9], f"{key}{equals}{chance.choice(values)}"])
    try:
        parse("\n".join(rows))
    except SettingsError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.message for problem in problems)
