"""`sluicegate notices`, as an operator meets it."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from sluicegate.cli import main
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.trail import newest
from sluicegate.settings import starter

USER = "Large Supplier A"
CONFIG = ("-c", "sluicegate.toml")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def hook():
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.status = [], 204
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path, monkeypatch, hook):
    monkeypatch.chdir(tmp_path)
    text = starter().replace("#[operations]", "[operations]").replace("#database = ", "database = ", 1)
    channel = (
        f'\n[[user.channel]]\nname = "duty"\nwebhook = "http://127.0.0.1:{hook.server_port}/x"\nsecret = "env:KEY"\n'
    )
    text = text.replace('\n[[user]]\nname = "Network Operator B"', f'{channel}\n[[user]]\nname = "Network Operator B"')
    (tmp_path / "sluicegate.toml").write_text(text, "utf-8")

    def run(*words, key="x" * 24):
        result = CliRunner().invoke(main, [str(word) for word in words], env={"KEY": key})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_a_test_reaches_the_channel_says_so_and_is_listed_and_audited(run, hook, tmp_path):
    assert "There are none." in run("notices", "list", *CONFIG).stdout
    result = run("notices", "test", USER, *CONFIG)
    assert result.exit_code == 0
    assert "duty: taken" in result.stdout
    assert hook.got[0]["type"] == "sluicegate.notice.test"
    (told,) = json.loads(run("notices", "list", *CONFIG, "--json").stdout)
    assert (told["user"], told["channel"], told["kind"], told["state"]) == (USER, "duty", "test", "sent")
    assert f"sent      {USER}, duty: Test of the channel duty" in run("notices", "list", *CONFIG).stdout
    store = OperationsStore(str(tmp_path / "operations.db"))
    with store.reading() as connection:
        (row,) = newest(connection, 10)
    store.close()
    assert (row.did, row.about) == ("notice test", USER)
    assert "Nothing was tampered with." in run("audit", "verify", *CONFIG).stdout


def test_a_channel_that_does_not_take_it_is_named_with_why(run, hook):
    hook.status = 503
    result = run("notices", "test", USER, *CONFIG)
    assert result.exit_code == 1
    assert "duty: it answered 503" in result.stderr
    assert "1 of 1 did not take it" in result.stderr
    assert "(1 attempts; it answered 503)" in run("notices", "list", "--state", "given up", *CONFIG).stdout


def test_a_secret_that_is_too_short_is_said_and_not_shown(run, hook):
    result = run("notices", "test", USER, *CONFIG, key="tooshort")
    assert result.exit_code == 1
    assert "it needs 24 or more" in result.stderr
    assert "tooshort" not in result.output
    assert hook.got == []


def test_a_user_or_a_channel_that_is_not_there_is_refused(run):
    assert run("notices", "test", "Small Supplier C", *CONFIG).exit_code == 2
    refused = run("notices", "test", USER, "--channel", "pager", *CONFIG)
    assert refused.exit_code == 2
    assert "has no channel pager" in refused.stderr
