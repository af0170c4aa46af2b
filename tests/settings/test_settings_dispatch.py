"""The dispatcher's tables, the CSPs and the Users' classes: what comes out of them, and what does not fit together."""

import pickle
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.settings import (
    Address,
    Circuit,
    Dispatch,
    Retry,
    SettingsError,
    Upstream,
    cautions,
    parse,
    starter,
)
from thorough import examples

TABLES = """\
[dispatch]
[[csp]]
name = "north"
url = "http://127.0.0.1:8201"
prefixes = ["00-db-12"]
[[csp]]
name = "south"
url = "http://127.0.0.1:8202"
prefixes = ["00-DB"]
"""


@pytest.fixture
def with_dispatch(changed):
    """The right configuration with a dispatcher and two CSPs, and some of its text replaced."""

    def change(*pairs: tuple[str, str]) -> str:
        text = changed(("[[user]]", TABLES + "[[user]]"))
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    return change


def only(problems):
    assert len(problems) == 1, problems
    return problems[0]


def test_without_the_new_tables_there_is_nothing_of_it(right):
    found = parse(right)
    assert found.dispatch is None
    assert found.csps == ()
    assert found.gateway.backpressure is None
    assert all(user.endpoint is None and user.classes == () for user in found.users)


def test_an_empty_table_has_every_default(with_dispatch, tmp_path):
    found = parse(with_dispatch(), base=tmp_path)
    dispatch = found.dispatch
    assert dispatch is not None
    assert (dispatch.listen, dispatch.admin) == (Address("127.0.0.1", 8100), Address("127.0.0.1", 8101))
    assert dispatch.store == str(tmp_path / "dispatch.db")
    assert (dispatch.lease_seconds, dispatch.drain_seconds, dispatch.connections) == (15, 30, 1000)
    assert (dispatch.max_body_bytes, dispatch.buffered_octets) == (16_777_216, 268_435_456)
    assert (dispatch.window, dispatch.window_octets) == (20_000, 67_108_864)
    assert dict(dispatch.deadlines) == {"*": 86_400}
    assert (dispatch.tls, dispatch.routes.table, dispatch.routes.non_device) == (None, None, None)
    assert (dispatch.retention.body_hours, dispatch.retention.remember_days) == (24, 30)
    assert (dispatch.codes.malformed, dispatch.codes.reused) == ("E12", "E12")
    assert (dispatch.users.concurrency, dispatch.users.timeout, dispatch.users.give_up_days) == (8, 10, 7)
    retry = dispatch.users.retry
    assert (retry.first, retry.factor, retry.jitter, retry.ceiling, retry.attempts) == (5, 2, 0.2, 600, 1000)
    north, south = found.csps
    assert (north.name, north.url, north.prefixes) == ("north", Upstream("http", "127.0.0.1", 8201), ("00-DB-12",))
    assert (south.concurrency, south.rate, south.slow_start_seconds) == (64, 500, 30)
    assert (south.timeout, south.connect_timeout, south.backlog, south.backlog_age) == (30, 2, 100_000, 3600)
    assert south.retry == Retry(first=2, factor=2, jitter=0.2, ceiling=300, attempts=10)
    assert south.circuit == Circuit(failures=10, pause=5, longest_pause=120, probes=1)


def test_every_key_arrives_under_its_own_name(with_dispatch):
    more = """\
[dispatch]
listen = "[::1]:9100"
store = "/var/lib/d.db"
[dispatch.tls]
certificate = "d.pem"
key = "d.key"
client_ca = "ca.pem"
[dispatch.routes]
table = "devices.csv"
database = "devices.db"
query = "select a, b from c;"
non_device = "south"
[dispatch.deadlines]
"2.2" = 60
[dispatch.users.retry]
first = 3
[gateway.backpressure]
url = "http://127.0.0.1:8101"
"""
    classes = """\
endpoint = "https://a.example/in/"
[[user.class]]
name = "top-ups"
srvs = ["2.2", "4.*"]
command_variants = [1, 8]
targets = ["00-db"]
reserve = 2.5
[[user.class]]
name = "rest"
[[user]]
name = "Small"""
    text = with_dispatch(("[dispatch]\n", more), ('[[user]]\nname = "Small', classes))
    found = parse(text, base=Path("/etc/sluicegate"), files=False)
    dispatch = found.dispatch
    assert dispatch is not None
    assert dispatch.store == "/var/lib/d.db"
    assert dispatch.tls is not None
    assert dispatch.tls.client_ca == Path("/etc/sluicegate/ca.pem")
    routes = dispatch.routes
    assert routes.table == Path("/etc/sluicegate/devices.csv")
    assert (routes.database, routes.query) == ("/etc/sluicegate/devices.db", "select a, b from c")
    assert routes.non_device == "south"
    assert (dispatch.users.retry.first, dispatch.users.retry.ceiling) == (3, 600)
    assert found.gateway.backpressure is not None
    assert found.gateway.backpressure.url == Upstream("http", "127.0.0.1", 8101)
    assert (found.gateway.backpressure.every, found.gateway.backpressure.forget_after) == (0.25, 5)
    first = found.users[0]
    assert first.endpoint == Upstream("https", "a.example", 443, "/in")
    one, rest = first.classes
    assert (one.name, one.srvs, one.command_variants) == ("top-ups", ("2.2", "4.*"), (1, 8))
    assert (one.targets, one.reserve) == (("00-DB",), 2.5)
    assert (rest.srvs, rest.command_variants, rest.targets, rest.reserve) == ((), (), (), 0)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("[dispatch]", "[dispatch]\nlease_seconds = 1", "dispatch.lease_seconds", "at least 2"),
        ("[dispatch]", "[dispatch]\nstroe = 1", "dispatch.stroe", "did you mean `store`?"),
        ("[dispatch]", "[dispatch]\nstore = 1", "dispatch.store", "the path of a file"),
        ("[dispatch]", '[dispatch.deadlines]\n"2" = 1', 'dispatch.deadlines.2', "write \"2.2\", \"4.*\" or \"*\""),
        ("[dispatch]", '[dispatch.deadlines]\n"*" = 0', 'dispatch.deadlines."*"', "at least 1"),
        ("[dispatch]", '[dispatch.deadlines]\n"2.*" = 2592001', 'dispatch.deadlines."2.*"', "at most 2592000"),
        ("[dispatch]", "[dispatch.retention]\nbody_hours = 8761", "dispatch.retention.body_hours", "at most 8760"),
        ("[dispatch]", '[dispatch.codes]\nreused = "I99"', "dispatch.codes.reused", "is not an error code"),
        ("[dispatch]", '[dispatch.codes]\nreused = "E1234567"', "dispatch.codes.reused", "is not an error code"),
        ("[dispatch]", '[dispatch.routes]\nquery = "DELETE FROM a"', "dispatch.routes.query", "must be one SELECT"),
        ("[dispatch]", '[dispatch.routes]\nquery = "SELECT 1; DROP TABLE a"', "dispatch.routes.query", "one SELECT"),
        ("[dispatch]", "[dispatch.users]\nretry = 3", "dispatch.users.retry", "a table, [dispatch.users.retry]"),
        ('"north"', '"the north"', 'csp[0] "the north".name', "is not the name of a CSP"),
        ("http://127.0.0.1:8201", "ftp://x", 'csp[0] "north".url', "is not a URL"),
        ('["00-db-12"]', '["0-db"]', 'csp[0] "north".prefixes[0]', "is not the beginning of an EUI-64"),
        ('["00-db-12"]', '"00-db"', 'csp[0] "north".prefixes', 'write `prefixes = ["00-db"]`'),
        ('["00-db-12"]', "[]\nretry = { first = 0 }", 'csp[0] "north".retry.first', "at least 0.01"),
        ('name = "north"\n', "", "csp[0].name", 'for example `name = "north"`'),
        ("[dispatch]", "[gateway.backpressure]\n[dispatch]", "gateway.backpressure.url", "is missing"),
        ("[admin]", "[admin]\n[[admin.x]]", "admin.x", "not a key"),
        ('role = "IS"', 'role = "IS"\nendpoint = "x"', 'user[0] "Large Supplier A".endpoint', "is not a URL"),
        ('role = "IS"', 'role = "IS"\nclass = 3', 'user[0] "Large Supplier A".class', "is written as [[user.class]]"),
        ('role = "IS"', 'role = "IS"\nclass = [3]', 'user[0] "Large Supplier A".class[0]', "a table, [[user.class]]"),
        ('role = "IS"', 'role = "IS"\nclass = [{ name = "a", command_variants = [9] }]',
         'user[0] "Large Supplier A".class[0] "a".command_variants[0]', "at most 8"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_and_nothing_else_is(with_dispatch, problems_of, old, new, where, message):
    problem = only(problems_of(with_dispatch((old, new))))
    assert problem.where == where
    assert message in problem.message
    assert problem.line is not None


@pytest.mark.parametrize("text", ["csp = 3", "csp = {}", 'csp = "north"'])
def test_csps_that_are_no_list_of_tables_are_told_how_to_be_written(right, problems_of, text):
    problem = only(problems_of(f"{text}\n{right}[dispatch]\n"))
    assert problem.message == "a CSP is written as [[csp]], with two brackets on each side"


def test_more_csps_than_there_are_numbers_for_are_refused(right, problems_of):
    csps = "".join(f'[[csp]]\nname = "c{n}"\nurl = "http://c{n}.example"\n' for n in range(251))
    assert "at most 250 entries" in only(problems_of(right + csps)).message


@pytest.mark.parametrize(
    ("pairs", "at", "where", "message"),
    [
        ([('"south"', '"North"')], '"North"', "name", '"North" is already the name of csp[0], upper and lower'),
        ([('["00-DB"]', '["90", "00-DB-12"]')], '"90"', "prefixes[1]", '00-DB-12 already belongs to csp[0] "north"'),
        ([('["00-DB"]', '["00-DB", "00-db"]')], '"00-db"', "prefixes[1]", "00-DB is here twice"),
        ([("[dispatch]", '[dispatch.routes]\nnon_device = "nort"')], "non_device", "non_device", 'no CSP "nort"'),
        ([("[dispatch]", '[dispatch.routes]\ndatabase = "x"')], "[dispatch.r", "routes", "only one of `database` and"),
        ([("[dispatch]", '[dispatch.routes]\nquery = "select 1"')], "[dispatch.r", "routes", "only one of"),
        ([('["00-DB"]', "[]\ntls = {}")], "tls", "csp[1] \"south\".tls", "is for an https URL"),
        ([('"http://127.0.0.1:8202"', '"https://x"'), ('["00-DB"]', '[]\ntls = { key = "k" }')], "tls", "tls",
         "only one of `certificate` and `key`"),
        ([("[dispatch]", '[dispatch.users.tls]\nkey = "k"')], "[dispatch.users.tls]", "users.tls", "only one of"),
        ([("[dispatch]", "[dispatch.users.retry]\nfirst = 601")], "first", "retry.first", "`ceiling`, which is 600"),
        ([('["00-DB"]', "[]\nretry = { ceiling = 1 }")], "retry", "retry.first", "at most `ceiling`, which is 1"),
        ([('["00-DB"]', "[]\ncircuit = { pause = 200 }")], "circuit", "circuit.pause", "which is 120, and is 200"),
        ([("[dispatch]", "[dispatch]\nbuffered_octets = 65536")], "[dispatch]", "max_body_bytes", "`buffered_octets`"),
        ([("[dispatch]", "[dispatch.retention]\nremember_days = 0.5")], "remember", "remember_days", "1 or more"),
        ([("[dispatch]", '[dispatch.retention]\nremember_days = 29\n[dispatch.deadlines]\n"2.2" = 2592000')],
         "remember", "remember_days", "the deadlines, 2592000 s"),
        ([("[dispatch]", '[dispatch]\nadmin = "127.0.0.1:8100"')], "admin = ", "dispatch.admin", "[dispatch] `listen`"),
        ([("[dispatch]", '[dispatch]\nadmin = "127.0.0.1:8090"')], "admin = ", "dispatch.admin", "[admin] `listen`"),
        ([("[dispatch]", '[dispatch]\nlisten = "127.0.0.1:8079"')], "listen", "dispatch.listen", "[gateway] `listen`"),
        ([("[dispatch]", '[dispatch]\nlisten = "0.0.0.0:8100"')], "listen", "dispatch.listen", "open to others"),
        ([("[dispatch]", '[dispatch]\nlisten = "10.0.0.1:8100"\ntls = { certificate = "c", key = "k" }')], "listen",
         "dispatch.listen", "`client_ca`"),
        ([("[dispatch]", '[dispatch]\nadmin = "0.0.0.0:8101"')], "admin = ", "dispatch.admin", "asks nobody"),
        ([("127.0.0.1:8201", "127.0.0.1:8100")], "8100", "url", "is the dispatcher's own address"),
        ([('role = "IS"', 'role = "IS"\nendpoint = "http://127.0.0.1:8101/x"')], "endpoint", "endpoint", "own address"),
        ([("[dispatch]", '[gateway.backpressure]\nurl = "http://127.0.0.1:8079"\n[dispatch]')], "8079", "url",
         "the gateway's own"),
        ([("[dispatch]", '[gateway.backpressure]\nurl = "http://127.0.0.1:8101"\nevery = 6\n[dispatch]')],
         "[gateway.b", "forget_after", "`every`, which is 6"),
        ([('role = "IS"', 'role = "IS"\nclass = [{ name = "a" }, { name = "A" }]')], "class", "name", "another class"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named_with_its_line(with_dispatch, problems_of, pairs, at, where, message):
    text = with_dispatch(*pairs)
    problem = only(problems_of(text))
    assert at in text.split("\n")[problem.line - 1]
    assert problem.where.endswith(where)
    assert message in problem.message


def test_the_same_prefix_for_two_csps_names_both_lines(with_dispatch, problems_of):
    text = with_dispatch(('["00-DB"]', '["00-DB-12"]'))
    first, second = (n for n, line in enumerate(text.split("\n"), 1) if line.startswith("prefixes"))
    problem = only(problems_of(text))
    assert problem.line == second
    assert problem.message.endswith(f"(see line {first})")


def test_a_dispatcher_without_a_csp_is_an_error(right, problems_of):
    problem = only(problems_of(right + "[dispatch]\n"))
    assert problem.where == "dispatch"
    assert "add at least one [[csp]]" in problem.message


def test_csps_without_a_dispatcher_are_right(right):
    assert len(parse(right + TABLES.replace("[dispatch]\n", "")).csps) == 2


PRESSURE = '[gateway.backpressure]\nurl = "http://127.0.0.1:8101"\n'


def test_backpressure_needs_to_know_what_goes_where(changed, problems_of):
    text = changed(("[admin]", PRESSURE + "[admin]"))
    assert "add [[csp]] with `prefixes`" in only(problems_of(text)).message
    csp = '[[csp]]\nname = "north"\nurl = "http://north.example"\n'
    assert "add [[csp]] with `prefixes`" in only(problems_of(text + csp)).message
    assert problems_of(text + csp + 'prefixes = ["00"]\n') == ()
    assert problems_of(text + csp + '[dispatch.routes]\ntable = "devices.csv"\n') == ()


@pytest.mark.parametrize("key", ["listen", "admin"])
def test_only_insecure_or_a_certificate_opens_the_dispatcher(with_dispatch, problems_of, key):
    text = with_dispatch(("[dispatch]", f'[dispatch]\n{key} = "0.0.0.0:8111"'))
    assert problems_of(text)
    assert problems_of(text, insecure=True) == ()
    tls = '\n[dispatch.tls]\ncertificate = "c"\nkey = "k"\nclient_ca = "a"\n[[csp]]'
    assert len(problems_of(text.replace("\n[[csp]]", tls, 1))) == (key == "admin")


def test_port_nil_is_any_free_one_and_never_taken(with_dispatch, problems_of):
    assert problems_of(with_dispatch(("[dispatch]", '[dispatch]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"'))) == ()


def test_what_only_follows_from_another_problem_is_not_reported(with_dispatch, problems_of):
    routes = ("[dispatch]", '[dispatch.routes]\nnon_device = "north"')
    assert only(problems_of(with_dispatch(routes, ('"north"\nurl', '"no rth"\nurl')))).where.endswith("name")
    deadlines = ("[dispatch]", '[dispatch.retention]\nremember_days = 2\n[dispatch.deadlines]\n"*" = 999999999')
    assert only(problems_of(with_dispatch(deadlines))).where == 'dispatch.deadlines."*"'


@pytest.mark.parametrize(
    ("srv", "seconds"),
    [
        ("2.2", 60),
        ("2.3", 120),
        ("6.15.1", 30),
        ("6.15.2", 40),
        ("6.15", 50),
        ("6.2", 50),
        ("6.2.9", 50),
        ("9.9", 86_400),
    ],
)
def test_the_most_special_deadline_counts(with_dispatch, srv, seconds):
    table = '[dispatch.deadlines]\n"2.*" = 120\n"2.2" = 60\n"6.15.1" = 30\n"6.15.*" = 40\n"6.*" = 50'
    dispatch = parse(with_dispatch(("[dispatch]", table))).dispatch
    assert dispatch is not None
    assert dispatch.deadline_for(srv) == seconds
    assert dispatch.longest_deadline == 86_400


def test_a_pattern_for_all_takes_the_place_of_the_default():
    dispatch = Dispatch(deadlines={"*": 5.0, "2.2": 7.0})
    assert (dispatch.deadline_for("1.1"), dispatch.deadline_for("2.2"), dispatch.longest_deadline) == (5, 7, 7)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], '"Large Supplier A", "Small Supplier C" have no endpoint'),
        ([("[dispatch]", "[dispatch.users.tls]")], "dispatch.users.tls has no effect"),
        ([('prefixes = ["00-DB"]\n', "")], "the CSP south has no prefixes, and there is no table of devices"),
        ([("[dispatch]", '[dispatch]\nadmin = "127.0.0.1:0"')], "any free one"),
        ([("[dispatch]", '[dispatch]\nlisten = "127.0.0.1:8080"\nmax_body_bytes = 2000')], "gateway.max_body_bytes"),
        ([('role = "IS"', 'role = "IS"\nclass = [{ name = "all" }, { name = "rest" }]')], 'nothing is left for "rest"'),
    ],
)
def test_what_is_legal_and_may_surprise_is_said(with_dispatch, pairs, said):
    found = [caution for caution in cautions(parse(with_dispatch(*pairs))) if said in caution]
    assert len(found) == 1


def test_a_csp_for_requests_without_a_device_needs_no_prefix(with_dispatch):
    text = with_dispatch(('prefixes = ["00-DB"]\n', ""), ("[dispatch]", '[dispatch.routes]\nnon_device = "south"'))
    assert not any("south" in caution for caution in cautions(parse(text)))


def switched_on():
    return re.sub(r"(?m)^#(?=\S)", "", starter())


@settings(max_examples=examples(150))
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_no_damage_to_the_new_tables_ends_in_anything_but_settings_or_problems(seed, cuts):
    """As for the starter file, with everything that is switched off in it switched on."""
    chance = random.Random(seed)
    rows = switched_on().split("\n")
    values = ["3", "-1", "nan", '"x"', "[]", "[[3]]", "{}", "{a=1}", "true", '["x", 3]', "1e999", "[{}]", '"a://b:c@d"']
    for _ in range(cuts):
        at = chance.randrange(len(rows))
        key, equals, _ = rows[at].partition("=")
        rows[at] = chance.choice(["", f"{rows[at]}\n{rows[at]}", rows[at][:9], f"{key}{equals}{chance.choice(values)}"])
    try:
        parse("\n".join(rows))
    except SettingsError as error:
        found = error.problems
    else:
        return
    assert found
    assert all(problem.message for problem in found)
