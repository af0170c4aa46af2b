"""The allocation book as its operators meet it: proposed, put, approved by somebody else, shown, rolled back."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.operations.book.effective import next_monday
from sluicegate.operations.store import trail
from sluicegate.settings import parse, starter

AT = 1_795_000_000_000_000  # 2026-11-18
HEAD = "user,role,floor,contract,devices ESME,forecast 2.2\n"
CONFIG = ("-c", "sluicegate.toml")


@pytest.fixture
def users():
    return parse(starter()).users


@pytest.fixture
def clock(monkeypatch):
    now = {"at": AT}
    monkeypatch.setattr(trail, "now", lambda: now["at"])
    return now


@pytest.fixture
def run(tmp_path, monkeypatch, clock, users):
    monkeypatch.chdir(tmp_path)
    text = starter().replace("#[operations]", "[operations]").replace("#database = ", "database = ", 1)
    (tmp_path / "sluicegate.toml").write_text(text, "utf-8")
    lines = [f"{user.name},{user.role},1,,{1000 * n},{n}000" for n, user in enumerate(users, 1)]
    (tmp_path / "USERS.csv").write_text(HEAD + "\n".join(lines) + "\n", "utf-8")

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words], env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def put(run):
    assert run("book", "propose", "USERS.csv", *CONFIG, "--out", "book.csv").exit_code == 0
    made = run("book", "put", "book.csv", *CONFIG, "--as", "ann", "--note", "the first")
    assert made.exit_code == 0, made.output
    return made


def test_a_proposal_adds_up_explains_itself_and_shows_the_change(run, users):
    shown = run("book", "propose", "USERS.csv", *CONFIG)
    assert shown.exit_code == 0
    assert "1,000 SR/s in all; in force is the configuration file." in shown.stdout
    told = json.loads(run("book", "propose", "USERS.csv", *CONFIG, "--json").stdout)
    assert sum(round(one["allocation"] * 100) for one in told["users"]) == 100_000
    assert [one["from"] for one in told["users"]] == [user.allocation for user in users]
    assert "points" in told["users"][0]["why"]


def test_a_mistake_in_the_file_is_told_with_its_line_and_nothing_is_written(run, tmp_path):
    with (tmp_path / "USERS.csv").open("a") as file:
        file.write("Nobody,IS,x,,,\n")
    refused = run("book", "propose", "USERS.csv", *CONFIG, "--out", "book.csv")
    assert refused.exit_code == 1
    assert 'user: "Nobody" is no [[user]] of the configuration' in refused.stderr
    assert "2 problems" in refused.stderr
    assert not (tmp_path / "book.csv").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--maximum", "0"), 2, "must be SR/s above 0"),
        (("--maximum", "5000"), 2, "the configuration's maximum is 1,000 SR/s"),
        (("--resolution", "0.7"), 1, "no whole multiple"),
        (("--maximum", "1", "--resolution", "0.001"), 1, "the floors add up to"),
        (("--weights", "none.toml"), 1, "cannot be read"),
        (("--record", "none"), 1, "is not there"),
        (("--record", "none", "--month", "May"), 2, "is no month"),
        (("--out", "sluicegate.toml/book.csv"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_proposed_is_told(run, words, code, said):
    refused = run("book", "propose", "USERS.csv", *CONFIG, *words)
    assert refused.exit_code == code
    assert said in refused.stderr


def test_a_book_is_put_by_one_approved_by_another_and_counts_from_the_monday_on(run, clock, tmp_path):
    assert "Version 1, put by ann" in put(run).stdout
    refused = run("book", "approve", "1", *CONFIG, "--as", "Ann")
    assert (refused.exit_code, "a second account approves it" in refused.stderr) == (1, True)
    approved = run("book", "approve", "1", *CONFIG, "--as", "bob")
    assert "is approved by bob: in force from 2026-11-23 00:00:00Z" in approved.stdout
    assert "another book comes into force at 2026-11-23" in " ".join(run("check", *CONFIG).stdout.split())
    assert "The next book comes into force at 2026-11-23" in run("book", "show", *CONFIG).stdout
    clock["at"] = next_monday(AT)
    assert "in force is version 1" in run("book", "show", *CONFIG).stdout
    told = " ".join(run("check", *CONFIG).stdout.split())
    assert "version 1 of the allocation book is in force since 2026-11-23 00:00:00Z: its 1,000 SR/s count, and" in told
    assert "the allocations of this file do not" in told
    assert run("book", "show", *CONFIG, "--csv").stdout == (tmp_path / "book.csv").read_text()
    (one,) = json.loads(run("book", "versions", *CONFIG, "--json").stdout)
    assert (one["state"], one["by"], one["approver"]) == ("in force", "ann", "bob")
    assert run("audit", "verify", *CONFIG).exit_code == 0
    assert "command line" in run("audit", "show", *CONFIG).stdout


def test_forecasts_are_kept_with_a_version_where_it_is_said(run, users, tmp_path):
    assert run("book", "propose", "USERS.csv", *CONFIG, "--out", "book.csv").exit_code == 0
    wrong = run("book", "put", "book.csv", *CONFIG, "--as", "ann", "--forecasts", "book.csv")
    assert (wrong.exit_code, "book.csv" in wrong.stderr) == (1, True)
    assert "There is none" in run("book", "versions", *CONFIG).stdout
    assert run("book", "put", "book.csv", *CONFIG, "--as", "ann", "--forecasts", "USERS.csv").exit_code == 0
    assert run("audit", "verify", *CONFIG).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "operations.db")) as database:
        ((told,),) = database.execute("SELECT forecasts FROM book_forecast").fetchall()
    assert json.loads(told)[users[0].name] == {"2.2": 1000.0}


def test_one_command_goes_back_and_another_withdraws_what_waits(run, clock):
    put(run)
    run("book", "approve", "1", *CONFIG, "--as", "bob")
    refused = run("book", "rollback", *CONFIG)
    assert (refused.exit_code, "no book has come into force yet" in refused.stderr) == (1, True)
    clock["at"] = next_monday(AT)
    put(run)
    run("book", "approve", "2", *CONFIG, "--as", "bob")
    back = run("book", "rollback", *CONFIG, "--as", "ann").stdout
    assert "In force now: the configuration file, as version 3." in back
    assert "Another book still comes into force" in back
    assert "is withdrawn" in run("book", "withdraw", "2", *CONFIG).stdout
    assert "back to the configuration file" in run("book", "versions", *CONFIG).stdout
    assert run("book", "withdraw", "2", *CONFIG).exit_code == 1
    assert "in force is version 3" in run("book", "show", *CONFIG).stdout


def test_a_difference_is_shown_between_any_two_and_nothing_where_there_is_none(run, users):
    assert "Nothing changes." in run("book", "diff", *CONFIG).stdout
    put(run)
    told = json.loads(run("book", "diff", *CONFIG, "--json").stdout)
    assert (told["from"], told["to"]) == (0, 1)
    assert round(sum(one["change"] for one in told["users"]), 6) == 1000 - sum(user.allocation for user in users)
    assert "from the configuration file to version 1" in run("book", "diff", "0", "1", *CONFIG).stdout.lower()
    assert "Nothing changes." in run("book", "diff", "1", "1", *CONFIG).stdout
    assert run("book", "diff", "1", "9", *CONFIG).exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("user,allocation\nNobody,3\n", "2: user:"), ("user\n", "allocation: this column is missing"), ("", "missing")],
)
def test_a_book_that_does_not_fit_is_not_put(run, tmp_path, text, said):
    (tmp_path / "book.csv").write_text(text)
    refused = run("book", "put", "book.csv", *CONFIG, "--as", "ann")
    assert refused.exit_code == 1
    assert said in refused.stderr
    assert "There is none" in run("book", "versions", *CONFIG).stdout


def test_a_book_for_users_who_are_no_more_is_not_approved(run, tmp_path, users):
    put(run)
    text = (tmp_path / "sluicegate.toml").read_text().replace(f'"{users[0].name}"', '"Another"')
    (tmp_path / "sluicegate.toml").write_text(text)
    refused = run("book", "approve", "1", *CONFIG, "--as", "bob")
    assert (refused.exit_code, "does not fit" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as", "a\nb"), "printable"),
        (("--as", " "), "1 to 100"),
        (("--note", "x" * 501), "at most 500"),
        (("--from", "soon"), "is no time"),
    ],
)
def test_a_name_a_note_and_a_time_are_checked(run, words, said):
    run("book", "propose", "USERS.csv", *CONFIG, "--out", "book.csv")
    refused = run("book", "put", "book.csv", *CONFIG, *words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_time_of_ones_own_is_that_of_london_and_is_to_come(run):
    run("book", "propose", "USERS.csv", *CONFIG, "--out", "book.csv")
    assert run("book", "put", "book.csv", *CONFIG, "--as", "ann", "--from", "2020-01-01").exit_code == 1
    run("book", "put", "book.csv", *CONFIG, "--as", "ann", "--from", "2027-06-07T00:00")
    assert "in force from 2027-06-06 23:00:00Z" in run("book", "approve", "1", *CONFIG, "--as", "bob").stdout


def test_check_neither_makes_a_database_nor_touches_an_older_one(run, tmp_path):
    assert run("check", *CONFIG).exit_code == 0
    assert not (tmp_path / "operations.db").exists()
    (tmp_path / "operations.db").write_bytes(b"this is no database" * 100)
    assert "whether a book is in force cannot be seen" in " ".join(run("check", *CONFIG).stdout.split())


def test_what_last_months_traffic_would_have_met_is_shown_beside_what_it_met(run, users, tmp_path):
    start, rows = datetime(2026, 10, 31, 23, 50, tzinfo=UTC), []
    for number in range(600):
        outcome = ("throttled", 503, "", "") if number % 3 == 0 else ("within", 200, 200, 0.1)
        rows.append(((start + timedelta(seconds=number)).isoformat(), users[0].name, number, "2.2", *outcome))
    recorded(tmp_path / "record.csv", rows)
    shown = run("book", "propose", "USERS.csv", *CONFIG, "--record", "record.csv")
    assert shown.exit_code == 0, shown.output
    assert "would have met" in shown.stdout
    told = json.loads(run("book", "propose", "USERS.csv", *CONFIG, "--record", "record.csv", "--json").stdout)
    one = next(one for one in told["traffic"] if one["user"] == users[0].name)
    assert (one["demand"], one["recorded"]["throttled"], one["replayed"]["throttled"]) == (600, 200, 0)
    assert run("book", "propose", "USERS.csv", *CONFIG, "--record", "record.csv", "--month", "2026-09").exit_code == 1


def recorded(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("time", "user", "request", "srv", "outcome", "status", "upstream_status", "latency"), *rows]
        )


def test_a_months_forecasts_are_held_against_what_came_and_retries_count_once(run, users, tmp_path):
    start, rows = datetime(2026, 9, 30, 23, 0, tzinfo=UTC), []  # October begins then, in London
    for hour in range(31 * 24 + 1):
        at = (start + timedelta(hours=hour)).isoformat()
        rows.append((at, users[0].name, f"a{hour}", "2.2", "throttled", 503, "", ""))
        rows.append((at, users[0].name, f"a{hour}", "2.2", "within", 200, 200, 0.1))
        rows += [(at, users[1].name, f"b{hour}-{n}", "2.2", "within", 200, 200, 0.1) for n in range(3)]
    recorded(tmp_path / "record.csv", rows)
    shown = run("book", "forecast", "USERS.csv", *CONFIG, "--record", "record.csv", "--out", "october")
    assert shown.exit_code == 0, shown.output
    told = json.loads((tmp_path / "october" / "forecast.json").read_text())
    found = {one["user"]: (one["forecast"], one["actual"], one["stands_out"]) for one in told["users"]}
    assert (told["month"], told["covered"]) == ("2026-10", 1.0)
    assert found[users[0].name] == (1000, 745, False)
    assert found[users[1].name] == (2000, 2235, True)
    assert "OVER" in shown.stdout
    assert len(list((tmp_path / "october").iterdir())) == 2 + 2 * len(users)
    half = run("book", "forecast", "USERS.csv", *CONFIG, "--record", "record.csv", "--month", "2026-11")
    assert (half.exit_code, "no row in 2026-11" in half.stderr) == (1, True)
    (tmp_path / "october" / "mine.txt").write_text("x")
    refused = run("book", "forecast", "USERS.csv", *CONFIG, "--record", "record.csv", "--out", "october")
    assert (refused.exit_code, "holds other things" in refused.stderr) == (2, True)


def announced(run, users, *words, start="2026-11-20T03:30", end="2026-11-20T05:30"):
    return run("book", "campaign", "announce", users[0].name, "1.1.1", 720_000, start, end, *CONFIG, *words)


def test_a_campaign_is_announced_seen_over_what_is_usual_and_offered_quieter_hours(run, users, tmp_path):
    plan = ("book", "campaign", "plan", *CONFIG)
    assert "Nothing is announced" in run(*plan).stdout
    assert "100.0 SR/s if it is spread evenly" in announced(run, users, "--as", "ann").stdout
    rows, start = [], datetime(2026, 11, 9, tzinfo=UTC)
    for hour in range(7 * 24):
        many = 300 if start.weekday() * 24 + hour in range(4 * 24 + 2, 4 * 24 + 7) else 3  # Fridays, at night
        at = (start + timedelta(hours=hour)).isoformat()
        rows += [(at, users[1].name, f"{hour}-{n}", "2.2", "within", 200, 200, 0.1) for n in range(many)]
    recorded(tmp_path / "record.csv", rows)
    shown = run(*plan, "--record", "record.csv", "--scale", "100", "--out", "plan.html")
    assert shown.exit_code == 0, shown.output
    assert "quieter" in (tmp_path / "plan.html").read_text()
    told = json.loads(run(*plan, "--record", "record.csv", "--scale", "100", "--json").stdout)
    (one,) = told["campaigns"]
    assert one["peak"] == pytest.approx(100 + 100 * 300 / 3600)
    assert one["quieter"][0]["peak"] == pytest.approx(100 + 100 * 3 / 3600)
    assert len(told["hours"]) == 14 * 24
    assert run(*plan, "--out", "sluicegate.toml/x").exit_code == 1
    assert "is withdrawn" in run("book", "campaign", "withdraw", "1", *CONFIG).stdout
    assert run("book", "campaign", "withdraw", "1", *CONFIG).exit_code == 1
    assert run("audit", "verify", *CONFIG).exit_code == 0


def test_a_campaign_is_held_against_what_came(run, users, tmp_path):
    result = ("book", "campaign", "result")
    announced(run, users)
    at = datetime(2026, 11, 20, 4, tzinfo=UTC).isoformat()
    rows = [(at, users[0].name, n, "1.1.1", "within", 200, 200, 0.1) for n in range(50)]
    rows += [(at, users[0].name, n + 100, "1.1.1", "throttled", 503, "", "") for n in range(10)]
    rows += [(at, users[0].name, n + 200, "2.2", "within", 200, 200, 0.1) for n in range(5)]
    recorded(tmp_path / "record.csv", rows)
    shown = run(*result, "1", *CONFIG, "--record", "record.csv")
    assert shown.exit_code == 0, shown.output
    assert "60 SRs in the window of the 33% that the record covers" in shown.stdout
    assert "10 of 60 attempts" in shown.stdout
    assert json.loads(run(*result, "1", *CONFIG, "--record", "record.csv", "--json").stdout)["inside"] == 60
    assert run(*result, "2", *CONFIG, "--record", "record.csv").exit_code == 1
    assert run(*result, "1", *CONFIG, "--record", "none").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Nobody", "1.1.1", 1, "2026-12-01", "2026-12-02"), "is no User"),
        (("", "1.1.1", 1, "2026-12-01", "2026-12-02"), "is no User"),
        (("USER", "x", 1, "2026-12-01", "2026-12-02"), "is not an SRV"),
        (("USER", "1.1.1", 0, "2026-12-01", "2026-12-02"), "Invalid value"),
        (("USER", "1.1.1", 1, "soon", "2026-12-02"), "is no time"),
        (("USER", "1.1.1", 1, "2026-12-02", "2026-12-01"), "must end after it begins"),
    ],
)
def test_a_campaign_that_cannot_be_is_not_announced(run, users, words, said):
    named = [users[0].name if word == "USER" else word for word in words]
    refused = run("book", "campaign", "announce", *named, *CONFIG)
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr
