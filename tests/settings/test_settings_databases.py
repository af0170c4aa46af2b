"""Where a database is: a path or a URL, and a password that is never shown."""

import copy
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from sluicegate.settings import Database, Dispatch, SettingsError, parse
from sluicegate.settings.databases import select

URL = "postgresql://gate:hunter2@db.example:5433/dispatch?sslmode=require&sslpassword=hunter3"
CSP = '[[csp]]\nname = "north"\nurl = "http://north.example"\nprefixes = ["00"]\n'


def store(right, text, **how):
    dispatch = parse(f"{right}[dispatch]\nstore = '{text}'\n{CSP}", **how).dispatch
    assert dispatch is not None
    return dispatch.store


def refusal(right, text, **how):
    with pytest.raises(SettingsError) as refused:
        store(right, text, **how)
    return str(refused.value)


def test_a_relative_path_is_taken_from_the_folder_of_the_file(right, tmp_path, monkeypatch):
    assert store(right, "d.db", base=tmp_path) == str(tmp_path / "d.db")
    assert store(right, "/var/d@b.db", files=False) == "/var/d@b.db"
    monkeypatch.chdir(tmp_path)
    assert store(right, "d.db") == str(tmp_path / "d.db")
    assert Dispatch().store == str(tmp_path / "dispatch.db")
    assert not Dispatch().store.remote


def test_a_url_is_whole_for_those_who_connect_and_without_its_password_for_those_who_look(right):
    url = store(right, URL)
    assert (url.remote, url.postgresql) == (True, True)
    assert make_url(url).password == "hunter2"
    assert url == URL
    shown = "postgresql://gate:***@db.example:5433/dispatch?***"
    assert (str(url), f"{url}", "%s" % url, repr(url)) == (shown, shown, shown, f"'{shown}'")  # noqa: UP031


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda url: pickle.loads(pickle.dumps(url))])
def test_a_copy_keeps_the_password_and_hides_it_too(way):
    url = way(Database(URL))
    assert url == URL
    assert "hunter" not in repr(url)


def test_nothing_that_shows_settings_shows_a_password(right):
    routes = f"[dispatch.routes]\ndatabase = '{URL}'\nquery = 'SELECT 1, 2'\n"
    found = parse(f"{right}[dispatch]\nstore = '{URL}'\n{CSP}{routes}")
    assert found.dispatch is not None
    some = {"store": True, "routes": True}
    dumped = found.dispatch.model_dump(include=some), found.dispatch.model_dump_json(include=some)
    for text in (repr(found), str(found), repr(found.dispatch), *map(str, dumped)):
        assert "hunter" not in text


def test_a_url_without_a_password_is_shown_as_it_is():
    assert str(Database("postgresql:///dispatch")) == "postgresql:///dispatch"
    assert str(Database("postgresql://gate@db/dispatch")) == "postgresql://gate@db/dispatch"


@pytest.mark.parametrize(
    "text",
    [
        "mysql://gate:hunter2@db/x", "postgres://gate:hunter2@db/x", "postgresql+asyncpg://gate:hunter2@db/x",
        "postgresql://gate:hun@ter2@db/x", "postgresql://gate:hunter2@db:port/x", "postgresql:gate:hunter2@db",
        "postgresql:/gate:hunter2@db", "sqlite:///hunter2.db", "hunter2://", "postgresql://gate:p@db/hunter2@x",
        "https://hunter2",
    ],
)  # fmt: skip
def test_what_is_refused_is_not_repeated(right, text):
    said = refusal(right, text, files=False)
    assert "dispatch.store: " in said
    for part in ("hunter2", "ter2"):
        assert part not in said


@pytest.mark.parametrize("text", ["", "x" * 4097, "a\tb"])
def test_what_is_no_path_is_refused(right, text):
    assert "must be the path of a file" in refusal(right, text, files=False)


def test_other_databases_may_hold_the_table_of_devices_but_not_the_store(right):
    url = "mssql+pyodbc://reader:hunter2@db/devices"
    routes = f"[dispatch.routes]\ndatabase = '{url}'\nquery = 'SELECT 1, 2'\n"
    found = parse(f"{right}[dispatch]\n{CSP}{routes}").dispatch
    assert found is not None
    assert found.routes.database == url
    assert "a URL of PostgreSQL" in refusal(right, url)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20))
def test_no_password_is_ever_shown(password):
    plain = password.replace("%", "")
    text = f"postgresql://u:{plain}@h/d"
    try:
        found = Dispatch(store=text).store
    except ValueError:
        return
    parsed = make_url(found)
    assert parsed.password is not None
    if len(parsed.password) > 3 and parsed.password not in "postgresql://u:***@h/d":
        assert parsed.password not in str(found)
        assert parsed.password not in found.censored(f"could not connect with {parsed.password} to {text}")


def test_what_a_driver_says_is_on_one_line_and_without_secrets():
    url = Database("postgresql://u:p%40ss@h/d?sslpassword=x%2Fyz")
    said = url.censored(f"bad\n  p@ss \x1b and p%40ss, x/yz, x%2Fyz: {url[:]}" + "x" * 1000)
    assert said.startswith("bad *** ? and ***, ***, ***: ***xxx")
    assert len(said) == 300
    assert Database("/var/d.db").censored("no such\n file") == "no such file"


@pytest.mark.parametrize("query", ["SELECT a, b FROM c", "select\n1, 2", " SELECT 1, 2 ; \n", "SELECT':', '%x'"])
def test_a_select_is_taken_without_its_end(query):
    assert select(query) == query.strip().rstrip("; \n")


@pytest.mark.parametrize(
    "query",
    ["", "SELECT 1; SELECT 2", "selection", "INSERT INTO a", "WITH a AS (DELETE FROM b) SELECT 1", 3, "x" * 100_001],
)
def test_what_is_no_single_select_is_refused(query):
    with pytest.raises(ValueError):
        select(query)


@pytest.mark.parametrize("key", ["store", "database"])
def test_without_psycopg_it_is_said_what_to_install(right, monkeypatch, key):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    line = {"store": f"store = '{URL}'\n", "database": f"[dispatch.routes]\nquery = 'select 1'\ndatabase = '{URL}'\n"}
    with pytest.raises(SettingsError) as refused:
        parse(f"{right}[dispatch]\n{line[key]}{CSP}")
    (problem,) = refused.value.problems
    assert problem.where.endswith(key)
    assert problem.message == "PostgreSQL needs psycopg, which is not installed: install 'sluicegate[postgres]'"
