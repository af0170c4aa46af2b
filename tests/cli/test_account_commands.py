"""Tokens, the audit trail and a User's profile over its account, as an operator and a User meet them."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from sluicegate.cli import main
from sluicegate.operations.store import sessions, tokens, trail
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.tables import audit
from sluicegate.settings import starter

USER = "Large Supplier A"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = starter().replace("#[operations]", "[operations]").replace("#database = ", "database = ", 1)
    (tmp_path / "sluicegate.toml").write_text(text, "utf-8")

    def run(*words, **env):
        result = CliRunner().invoke(main, [str(word) for word in words], env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


CONFIG = ("-c", "sluicegate.toml")


def test_a_token_is_printed_once_listed_and_revoked(run):
    made = run("token", "create", USER, *CONFIG, "--note", "head-end")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert secret.startswith("sluicegate_1_")
    assert "not shown again" in made.stderr
    (told,) = json.loads(run("token", "list", *CONFIG, "--json").stdout)
    assert (told["user"], told["state"], told["note"]) == (USER, "valid", "head-end")
    assert secret not in run("token", "list", *CONFIG).stdout
    assert "is revoked." in run("token", "revoke", 1, *CONFIG).stdout
    assert "is revoked already." in run("token", "revoke", 1, *CONFIG).stdout
    assert json.loads(run("token", "list", *CONFIG, "--json").stdout)[0]["state"] == "revoked"
    assert run("token", "revoke", 2, *CONFIG).exit_code == 1


def test_a_token_for_nobody_or_for_no_time_is_refused(run):
    for words, said in (
        (("Nobody",), "is no User of sluicegate.toml; it has Large Supplier A"),
        ((USER, "--days", "0"), "--days"),
        ((USER, "--note", "x" * 201), "--note"),
    ):
        refused = run("token", "create", *words, *CONFIG)
        assert refused.exit_code == 2
        assert said in refused.stderr


def test_without_the_table_the_commands_say_what_to_add(run, tmp_path):
    (tmp_path / "sluicegate.toml").write_text(starter(), "utf-8")
    refused = run("token", "list", *CONFIG)
    assert refused.exit_code == 1
    assert "add that table" in refused.stderr


def test_verify_ends_with_0_and_with_1_after_tampering(run, tmp_path):
    run("token", "create", USER, *CONFIG)
    right = run("audit", "verify", *CONFIG)
    assert (right.exit_code, "Nothing was tampered with." in right.stdout) == (0, True)
    noted = right.stdout.split("the last is ")[1].split()[0]
    assert run("audit", "verify", *CONFIG, "--known", noted).exit_code == 0
    assert "token created" in run("audit", "show", *CONFIG, "--about", USER).stdout
    store = OperationsStore(str(tmp_path / "operations.db"))
    with store.changing() as connection:
        connection.execute(update(audit).values(who="somebody else"))
    store.close()
    wrong = run("audit", "verify", *CONFIG)
    assert wrong.exit_code == 1
    assert "audit row 1: it was changed after it was written" in wrong.stderr
    assert run("audit", "verify", *CONFIG, "--known", "1:x").exit_code == 2


@pytest.fixture
def account(tmp_path):
    """An account that answers as it is told, and remembers what it was asked."""
    asked, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, dict(self.headers), body))
            status, told, fields = answers.pop(0)
            octets = json.dumps(told).encode()
            self.send_response(status)
            for name, value in (fields | {"Content-Length": str(len(octets))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_PUT = do_POST = do_DELETE = handle_one

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked, server.answers = asked, answers
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "p.toml").write_text('[[class]]\nname = "a"\nsrvs = ["2.*"]\n')
    yield server
    server.shutdown()
    server.server_close()


SET = {"user": USER, "version": 4, "from": "account", "in_force": True, "why_not": None,
       "made_at": "2026-11-26T10:00:00Z", "what": "profile set", "profile": {"class": []}}  # fmt: skip


def at(account):
    return "--account", account.url, "--token-file", "token"


def test_put_names_the_version_that_it_replaces(run, account):
    account.answers += [(200, SET, {"ETag": '"3"'}), (200, SET, {})]
    done = run("profile", "put", "p.toml", *at(account))
    assert (done.exit_code, done.stdout) == (
        0,
        "Large Supplier A: version 4, profile set at 2026-11-26T10:00:00Z, counts.\n",
    )
    method, path, fields, body = account.asked[1]
    assert (method, path, body) == ("PUT", "/api/v1/account/profile", b'[[class]]\nname = "a"\nsrvs = ["2.*"]\n')
    assert (fields["If-Match"], fields["Content-Type"]) == ('"3"', "application/toml")
    assert fields["Authorization"] == "Bearer secret"


def test_what_the_account_refuses_is_said_and_ends_with_1(run, account):
    told = {
        "title": "This is no profile that can be used",
        "detail": "line 1: a",
        "problems": ["line 1: a", "line 2: b"],
    }
    account.answers += [(422, told, {})]
    refused = run("profile", "put", "p.toml", *at(account), "--if-version", "3")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: This is no profile that can be used (422): line 1: a\n  line 2: b\n"


def test_a_token_goes_to_nobody_else(run, account):
    account.answers += [(307, {}, {"Location": f"{account.url}/elsewhere"})]
    assert run("profile", "show", *at(account)).exit_code == 1
    assert len(account.asked) == 1


def test_a_dry_run_over_the_account_is_printed_like_the_operators(run, account):
    told = {"since": "2026-11-26T09:00:00+00:00", "until": "2026-11-26T10:00:00+00:00", "would_have_passed": 7,
            "would_have_been_throttled": 1, "requests": [],
            "classes": [{"class": "a", "throttled": 7, "with_this_profile": 0},
                        {"class": None, "throttled": 0, "with_this_profile": 1}]}  # fmt: skip
    account.answers += [(200, told, {})]
    done = run("profile", "try", "p.toml", *at(account))
    assert done.exit_code == 0
    assert "7 that were throttled would have passed; 1 the other way round." in done.stdout


def test_without_an_address_or_a_token_it_is_said_what_is_needed(run, account):
    assert "--account URL" in run("profile", "show").stderr
    assert "--token-file FILE" in run("profile", "show", "--account", account.url).stderr
    account.answers += [(200, SET, {})]
    assert run("profile", "show", SLUICEGATE_ACCOUNT=account.url, SLUICEGATE_TOKEN="secret").exit_code == 0
    account.shutdown()
    account.server_close()
    nobody = run("profile", "show", *at(account))
    assert nobody.exit_code == 1
    assert "no account answers" in nobody.stderr


def test_try_without_record_and_without_account_is_wrong_usage(run, account):
    assert run("profile", "try", "p.toml").exit_code == 2
    assert "--config FILE and --user NAME" in run("profile", "try", "p.toml", "--record", "x").stderr


@pytest.mark.parametrize("role", ["operator", "approver", "viewer"])
def test_a_token_of_a_role_is_of_one_person(run, role):
    made = run("token", "create", "--role", role, "--name", "alice", *CONFIG)
    assert made.exit_code == 0
    (told,) = json.loads(run("token", "list", *CONFIG, "--json").stdout)
    assert (told["role"], told["user"]) == (role, "alice")
    assert run("audit", "verify", *CONFIG).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--role", "operator"), "who holds it"),
        (("--role", "operator", "--name", "User B"), "who holds it"),
        (("--role", "operator", "--name", ""), "who holds it"),
        (("--role", "viewer", "--name", "alice", USER), "is for a person"),
        (("--role", "root", "--name", "alice"), "is not one of"),
        ((), "name one [[user]]"),
        ((USER, "--name", "alice"), "name one [[user]]"),
    ],
)
def test_a_token_without_one_holder_is_not_made(run, words, said):
    refused = run("token", "create", *words, *CONFIG)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_session_is_listed_and_ended_by_an_operator(run, tmp_path):
    run("token", "list", *CONFIG)
    assert "Nobody has signed in." in run("session", "list", *CONFIG).stdout
    store = OperationsStore(str(tmp_path / "operations.db"))
    with store.changing() as connection:
        shown, made = sessions.begin(
            connection, who="alice", role="operator", user=None, how="OpenID Connect", token=None, at=trail.now(),
            ends_at=trail.now() + tokens.DAY,
        )  # fmt: skip
    store.close()
    (told,) = json.loads(run("session", "list", *CONFIG, "--json").stdout)
    assert (told["session"], told["who"], told["role"], told["by"]) == (made.seq, "alice", "operator", "OpenID Connect")
    listed = run("session", "list", *CONFIG).stdout
    assert "alice, operator, by OpenID Connect" in listed
    assert shown not in listed
    assert "has ended" in run("session", "end", made.seq, *CONFIG).stdout
    assert run("session", "end", made.seq, *CONFIG).exit_code == 1
    assert "command line: signed out, alice" in run("audit", "show", *CONFIG).stdout
    assert run("audit", "verify", *CONFIG).exit_code == 0
