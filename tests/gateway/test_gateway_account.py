"""A User's own account at a running gateway: it sets its own profile, and nobody else's."""

from __future__ import annotations

import http.client
import json
import ssl
from time import monotonic

import pytest
from pki import Authority
from rig import Client, fetch, wait_for
from test_gateway_profiles import LIMITS, READ, TOP_UP, pressed, sent, users

from sluicegate.front.identity import counted_as
from sluicegate.front.offences import MOST
from sluicegate.operations.account import api
from sluicegate.operations.store import tokens, trail, versions
from sluicegate.operations.store.store import OperationsStore

URL = "/api/v1/account/profile"
TOML = b'[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 3\n'
OTHER = b'[[class]]\nname = "top-ups"\nsrvs = ["2.*"]\nreserve = 2\n'
TABLES = {
    "account": {"listen": "127.0.0.1:0"},
    "operations": {"database": "operations.db"},
    "capacity": LIMITS,
    "admin": {"listen": "127.0.0.1:0"},
}


class Account:
    """Asks the account API of a running gateway."""

    def __init__(self, port, token, tls=None):
        self.port, self.token, self.tls = port, token, tls

    def ask(self, method, path=URL, body=None, **fields):
        to = ("127.0.0.1", self.port)
        made = http.client.HTTPSConnection(*to, context=self.tls) if self.tls else http.client.HTTPConnection(*to)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.token and "Authorization" not in named:
            named["Authorization"] = f"Bearer {self.token}"
        try:
            made.request(method, path, body, named)
            answer = made.getresponse()
            octets = answer.read()
            return answer.status, json.loads(octets) if octets else None, answer.headers
        finally:
            made.close()

    def put(self, body=TOML, if_match="*", kind="application/toml", **fields):
        return self.ask("PUT", URL, body, If_Match=if_match, Content_Type=kind, **fields)


@pytest.fixture
def operations(tmp_path):
    """The operator's way to the same database."""
    store = OperationsStore(str(tmp_path / "operations.db"))
    yield store
    store.close()


@pytest.fixture
def running(gateway):
    return gateway(users=users(), **TABLES)


@pytest.fixture
def account(running, operations):
    """Makes accounts: `account("Large")`."""

    def make(user="Large", days=1.0, of=None):
        with operations.changing() as connection:
            shown, _, _ = tokens.create(connection, name=user, days=days, note="", who="op", at=trail.now())
        return Account((of or running).gateway.site.port, shown)

    return make


def test_a_profile_that_a_user_sets_counts_at_once(running, account):
    with Client(running.port) as client:
        pressed(client)
        status, told, fields = account().put()
        assert (status, told["version"], told["in_force"], fields["ETag"]) == (200, 1, True, '"1"')
        assert sent(client, READ).status == 503  # what the bank held is reserved
        assert sent(client, TOP_UP).status == 200
    assert running.gateway.book.holders[0].profile.classes[0].reserve == 3
    assert running.gateway.book.holders[1].profile is None


def test_a_user_sees_and_changes_its_own_alone(account):
    large, small = account("Large"), account("Small")
    large.put()
    assert small.ask("GET")[1] == {"user": "Small", "version": 0, "profile": None, "from": None, "in_force": True}
    assert small.ask("GET", f"{URL}/versions")[1] == {"user": "Small", "versions": []}
    assert small.ask("GET", f"{URL}/versions/1")[0] == 404
    assert small.ask("POST", f"{URL}/versions/1/restore", b"", If_Match="*")[0] == 404
    assert small.ask("DELETE", If_Match="*")[0] == 200
    assert large.ask("GET")[1]["version"] == 1


def test_versions_are_kept_told_taken_back_and_restored(running, account):
    one = account()
    one.put(TOML, '"0"')
    one.put(OTHER, '"1"')
    status, told, _ = one.ask("DELETE", If_Match='"2"')
    assert (status, told["version"], told["profile"]) == (200, 3, None)
    assert running.gateway.book.holders[0].profile is None
    status, told, _ = one.ask("POST", f"{URL}/versions/1/restore", b"", If_Match='"3"')
    assert (status, told["version"], told["profile"]["class"][0]["reserve"]) == (200, 4, 3)
    assert running.gateway.book.holders[0].profile.classes[0].reserve == 3
    found = one.ask("GET", f"{URL}/versions")[1]["versions"]
    assert [(row["version"], row["what"]) for row in found] == [
        (4, "profile restored: version 1"),
        (3, "profile deleted"),
        (2, "profile set"),
        (1, "profile set"),
    ]


def test_every_change_is_one_row_of_the_audit_trail_and_the_same_again_is_none(account, operations):
    one = account()
    for _ in range(3):
        assert one.put()[1]["version"] == 1
    with operations.reading() as connection:
        rows = list(trail.rows(connection))
    assert [(row.did, row.about, row.who) for row in rows] == [
        (tokens.CREATED, "Large", "op"),
        (versions.SET, "Large", "User Large, token 1"),
    ]


def test_who_has_not_seen_the_version_in_force_changes_nothing(account):
    one = account()
    one.put(TOML, '"0"')
    status, told, fields = one.put(OTHER, '"0"')
    assert (status, told["version"], fields["ETag"]) == (412, 1, '"1"')
    assert one.ask("PUT", URL, TOML, Content_Type="application/toml")[0] == 428
    assert one.put(OTHER, "W/1")[0] == 400
    assert one.ask("GET")[1]["profile"]["class"][0]["reserve"] == 3


@pytest.mark.parametrize(
    "shown",
    ["", "Basic TGFyZ2U6eA==", "Bearer ", "Bearer x", "Bearer sluicegate_1_" + "A" * 43, "Bearer " + "A" * 9000],
)
def test_without_a_token_that_counts_there_is_nothing_to_see(running, account, shown):
    one = account()
    answers = [one.ask("GET", path, Authorization=shown)[0] for path in (URL, f"{URL}/versions")]
    assert answers == [401, 401]
    assert running.gateway.site.refused_tokens == 2


def test_a_token_that_is_revoked_has_ended_or_is_of_no_user_counts_no_more(account, operations):
    one, ended, nobodys = account(), account(days=1e-9), account("Gone")
    assert one.ask("GET")[0] == 200
    with operations.changing() as connection:
        tokens.revoke(connection, 1, who="op", at=trail.now())
    assert [each.ask("GET")[0] for each in (one, ended, nobodys)] == [401, 401, 403]


def test_a_user_cannot_reserve_more_than_the_operator_lets_it(gateway, operations, account):
    some = gateway(users=users(), **TABLES, profiles={"most_reserve": 2})
    one = account(of=some)
    status, told, _ = one.put(TOML)
    assert status == 422
    assert "3 requests deeper, and you may set 2 at most yourself" in told["detail"]
    assert some.gateway.book.holders[0].profile is None
    assert one.put(OTHER)[0] == 200


def test_what_is_no_profile_is_refused_with_its_lines_and_changes_nothing(account):
    one = account()
    status, told, _ = one.put(b'[[class]]\nname = "a"\nsrvs = ["2.*"]\nreserve = -1\nrest = 2\n')
    assert status == 422
    assert [said[:7] for said in told["problems"]] == ["line 4:", "line 5:"]
    assert one.put(kind="text/plain")[0] == 415
    assert one.put(Content_Encoding="gzip")[0] == 415
    assert one.put(b"#" * 1_048_577)[0] == 413
    assert one.ask("GET")[1]["version"] == 0


def test_what_there_is_not_and_what_may_not_be_is_a_problem(account):
    one = account()
    assert one.ask("GET", "/api/v1/other")[0] == 404
    status, told, fields = one.ask("POST", URL, b"")
    assert (status, fields["Content-Type"]) == (405, "application/problem+json")
    assert set(fields["Allow"].split(", ")) >= {"GET", "PUT", "DELETE"}
    assert told["status"] == 405
    for version in ("0", "x", "1" * 30, "%2e%2e"):
        assert one.ask("GET", f"{URL}/versions/{version}")[0] == 404


def test_a_profile_survives_a_restart_and_a_reload(gateway, running, account):
    account().put()
    running.reload(running.text)
    assert running.gateway.book.holders[0].profile.classes[0].reserve == 3
    running.stop()
    again = gateway(users=users(), **TABLES)
    assert again.gateway.book.holders[0].profile.classes[0].reserve == 3


def test_what_another_gateway_has_taken_comes_into_force_here(gateway, running, account, monkeypatch):
    monkeypatch.setattr("sluicegate.operations.running.TICK", 0.02)
    monkeypatch.setattr("sluicegate.operations.running.EVERY", 0.02)
    other = gateway(users=users(), **TABLES)
    account().put()
    wait_for(lambda: other.gateway.book.holders[0].profile is not None)
    assert other.gateway.book.holders[0].profile.classes[0].reserve == 3


def test_too_many_tokens_that_are_none_keep_an_address_out_for_a_while(running, account):
    one, offences = account(), running.gateway.site.gate.slowing.offences
    assert one.ask("GET", Authorization="Bearer x")[0] == 401
    crowd = counted_as("127.0.0.1")
    running.call(lambda: [offences.commit(crowd, monotonic()) for _ in range(int(MOST) + 5)])
    assert one.ask("GET", Authorization="Bearer x")[0] == 429
    status, told, fields = one.ask("GET")
    assert (status, told["title"]) == (429, "Too many requests")
    assert int(fields["Retry-After"]) >= 1


def test_a_profile_is_not_changed_all_the_time(account):
    one = account()
    answers = [one.put(TOML if number % 2 else OTHER)[0] for number in range(25)]
    assert answers == [200] * 20 + [429] * 5


def test_a_database_that_cannot_be_asked_stops_no_decision_and_is_told(running, account, tmp_path):
    one = account()
    one.put()
    (tmp_path / "operations.db").unlink()
    status, told, fields = one.ask("GET")
    assert (status, told["title"]) == (503, "The database of accounts cannot be asked now")
    assert "Retry-After" in fields
    with Client(running.port) as client:
        assert sent(client, TOP_UP).status == 200
    assert running.gateway.book.holders[0].profile.classes[0].reserve == 3
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["operations"]
    assert (told["database"], told["own_profiles"]) == ("failing", 1)
    assert b"sluicegate_operations_failing 1.0" in fetch(running.admin_port, "/metrics").body


def test_a_mistake_of_ours_is_no_stack_trace_to_anybody(account, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(api, "_history", broken)
    status, told, _ = account().ask("GET", f"{URL}/versions")
    assert status == 500
    assert "secret" not in json.dumps(told)


def test_over_tls_a_token_is_taken(gateway, tmp_path, operations, account):
    authority = Authority(tmp_path)
    own = authority.server()
    tls = {"certificate": str(own.pem), "key": str(own.key_pem)}
    some = gateway(users=users(), **TABLES | {"account": {"listen": "127.0.0.1:0", "tls": tls}})
    one = account(of=some)
    one.tls = ssl.create_default_context(cafile=str(authority.pem))
    assert one.put()[0] == 200


def test_a_dry_run_needs_a_record(account):
    status, told, _ = account().ask("POST", f"{URL}/try", TOML, Content_Type="application/toml")
    assert (status, told["title"]) == (501, "No dry run here")


def test_a_dry_run_tells_which_of_the_last_hours_requests_would_have_gone_the_other_way(
    gateway, tmp_path, operations, account
):
    record = {"folder": str(tmp_path / "record"), "flush_seconds": 0.2}
    some = gateway(users=users(), record=record, **TABLES)
    with Client(some.port) as client:
        pressed(client)
        assert [sent(client, srv).status for srv in (READ, TOP_UP)] == [200, 503]
    wait_for(lambda: list((tmp_path / "record").glob("*")))
    one = account(of=some)

    def told():
        status, body, _ = one.ask("POST", f"{URL}/try", TOML, Content_Type="application/toml")
        return body if status == 200 and body["would_have_passed"] else None

    found = wait_for(told)  # the record is written behind the answers
    assert (found["user"], found["would_have_passed"], found["would_have_been_throttled"]) == ("Large", 1, 0)
    assert [(one["srv"], one["would_have_passed"]) for one in found["requests"]] == [(TOP_UP, True)]
    assert one.ask("GET")[1]["version"] == 0
