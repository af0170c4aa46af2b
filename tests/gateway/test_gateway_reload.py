"""A reload: what can change changes at once, banks and requests in flight are left alone."""

import pytest
from rig import LARGE, SMALL, TINY, USERS, Client, ScriptedUpstream, ask, configuration, message, request, wait_for

SLOW = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 0.01},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0.01},
)
NARROW = {"maximum": 0.1, "operating_threshold": 0.001, "burst_seconds": 0.01}


def test_a_bank_keeps_its_level(gateway, upstream) -> None:
    running = gateway(users=SLOW, capacity=NARROW)
    with Client(running.port) as client:
        while client.send(request()).answer().status == 200:
            pass
    level = running.gateway.ledger.account("Large").level
    running.reload(running.text + "\n[gateway.limits]\nconnections = 77\n")
    assert running.gateway.last_reload_error is None
    assert running.gateway.settings.gateway.limits.connections == 77
    assert running.gateway.ledger.account("Large").level == pytest.approx(level, abs=0.1)
    assert ask(running.port).kind == "throttled", "an empty bank is not filled by a reload"


def test_an_allocation_changes_for_open_connections_too(gateway, upstream) -> None:
    running = gateway()
    with Client(running.port) as client:
        assert client.send(request()).answer().get("RateLimit-Policy") == '"allocation";q=300;w=1'
        running.reload(running.text.replace("allocation = 300", "allocation = 123"))
        assert client.send(request()).answer().get("RateLimit-Policy") == '"allocation";q=123;w=1'


def test_users_come_and_go(gateway, upstream) -> None:
    running = gateway()
    assert ask(running.port, request(message(TINY))).status == 403
    text = configuration(upstream.url, users=(USERS[0], {"name": "Tiny", "ids": [TINY], "role": "OU", "allocation": 5}))
    with Client(running.port) as client:
        assert client.send(request(message(SMALL))).answer().status == 200
        running.reload(text)
        assert client.send(request(message(SMALL))).answer().status == 403
        assert client.send(request(message(TINY))).answer().status == 200
    assert running.gateway.tallies["Large"].within == 0
    assert "Small" not in running.gateway.tallies


def test_counters_go_on(gateway) -> None:
    running = gateway()
    ask(running.port)
    running.reload(running.text)
    ask(running.port)
    assert running.gateway.tallies["Large"].within == 2


def holding(line) -> None:
    while line.request():
        line.upstream.released.wait()
        line.answer()


def test_requests_in_flight_get_their_answers_from_where_they_went(gateway, upstream) -> None:
    other = ScriptedUpstream()
    upstream.script = holding
    running = gateway()
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        running.reload(running.text.replace(upstream.url, other.url + "/new"))
        assert ask(running.port, request(path="/a")).status == 200
        assert other.requests[0].line == "POST /new/a HTTP/1.1"
        upstream.released.set()
        assert client.answer().body == b"done"
        assert client.send(request()).answer().body == b"<ok/>"
    wait_for(lambda: len(running.gateway._reception.pool) <= 1)
    running.settled()
    other.close()


def test_a_user_that_goes_while_its_requests_are_in_flight_leaves_all_places_free(gateway, upstream) -> None:
    upstream.script = holding
    running = gateway(capacity={"max_in_flight": 4})
    client = Client(running.port).send(request(message(SMALL)))
    larges = Client(running.port).send(request())
    wait_for(lambda: len(upstream.requests) == 2)
    running.reload(configuration(upstream.url, users=(USERS[1],), capacity={"max_in_flight": 4}))
    upstream.released.set()
    assert [client.answer().status, larges.answer().status] == [200, 200]
    running.settled()
    upstream.released.clear()
    clients = [Client(running.port).send(request(message(SMALL))) for _ in range(4)]
    wait_for(lambda: running.desk.places.taken == 4)
    assert ask(running.port, request(message(SMALL))).kind == "in-flight"
    upstream.released.set()
    assert [one.answer().status for one in clients] == [200] * 4
    for one in (*clients, client, larges):
        one.close()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("allocation = 300", "allocation = 3000", "3"),
        ("allocation = 300", "allocation = -1", "allocation"),
        ("allocation = 300", "alocation = 300", "alocation"),
        ("[capacity]", "[capacity", "TOML"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:1"', "restart"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_why(gateway, upstream, before, after, said) -> None:
    running = gateway()
    good = running.text
    assert before in good
    settings = running.gateway.settings
    running.reload(good.replace(before, after, 1))
    assert said in running.gateway.last_reload_error
    assert running.gateway.settings is settings
    assert ask(running.port).status == 200
    running.reload(good)
    assert running.gateway.last_reload_error is None
    assert running.gateway.settings is not settings


def test_a_reload_whose_reading_fails_in_an_unforeseen_way_is_not_the_last_one(gateway) -> None:
    running = gateway()
    load = running.gateway._load

    def fail():
        raise RuntimeError("unforeseen")

    running.gateway._load = fail
    running.reload(running.text)
    running.gateway._load = load
    running.reload(running.text.replace("allocation = 300", "allocation = 123"))
    assert running.gateway.ledger.account("Large").allocation == 123


def test_another_upstream_is_not_blamed_for_the_one_before(gateway, upstream) -> None:
    other = ScriptedUpstream()
    upstream.stop()
    running = gateway()
    for _ in range(6):
        ask(running.port)
    assert running.gateway.breaker_state == "open"
    running.reload(running.text.replace(upstream.url, other.url))
    assert ask(running.port).status == 200
    other.close()
