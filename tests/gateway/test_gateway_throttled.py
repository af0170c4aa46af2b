"""Throttled: which status, when to come back, and what is said about allocations."""

import pytest
from rig import LARGE, SMALL, Client, ask, message, request
from rig_throttled import NARROW, ONE_EACH, RARE, throttled


@pytest.mark.parametrize(("version", "status"), [("4.0", 503), ("4.1", 429), ("4.10", 429), ("5.4", 429), ("3", 503)])
def test_throttled_is_429_from_the_configured_version_of_the_message_itself_on(gateway, version, status) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW, responses={"too_many_requests_from_duis": "4.1"})
    answer, _ = throttled(running.port, version=version)
    assert answer.status == status
    assert answer.problem["status"] == status


@pytest.mark.parametrize("version", ["3.0", "4.1", "99.9"])
def test_throttled_is_503_for_all_where_no_version_is_configured(gateway, version) -> None:
    answer, _ = throttled(gateway(users=ONE_EACH, capacity=NARROW).port, version=version)
    assert answer.status == 503


def test_a_user_that_takes_a_429_gets_it_whatever_the_version(gateway) -> None:
    responses = {"too_many_requests_users": ["Large"], "too_many_requests_from_duis": "4.1"}
    running = gateway(users=ONE_EACH, capacity=NARROW, responses=responses)
    assert throttled(running.port, LARGE, "2.0")[0].status == 429
    assert throttled(running.port, SMALL, "2.0")[0].status == 503


def test_one_connection_gets_each_answer_by_its_own_version(gateway) -> None:
    running = gateway(users=RARE, capacity=NARROW, responses={"too_many_requests_from_duis": "4.1"})
    throttled(running.port)
    with Client(running.port) as client:
        statuses = [client.send(request(message(version=v))).answer().status for v in ("4.0", "4.1", "4.0", "4.2")]
    assert statuses == [503, 429, 503, 429]


def test_throttled_says_when_to_come_back_and_what_the_allocation_is_and_nothing_of_others(gateway) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW)
    answer, _ = throttled(running.port)
    problem = answer.problem
    assert int(answer.get("Retry-After")) == problem["retry_after"] >= 1
    assert set(problem) == {"type", "title", "status", "detail", "retry_after"}
    assert "Large" in problem["detail"]
    assert "1 SR/s" in problem["detail"]
    assert answer.get("RateLimit-Policy") == '"allocation";q=1;w=1'
    remaining, _, full = answer.get("RateLimit").removeprefix('"allocation";r=').partition(";t=")
    assert (remaining, int(full)) == ("0", 1)
    whole = str(answer.fields) + str(answer.body)
    assert "Small" not in whole
    assert "0.5" not in whole


def test_retry_after_grows_for_a_user_that_goes_on(gateway) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW)
    throttled(running.port)
    with Client(running.port) as client:
        waits = [int(client.send(request()).answer().get("Retry-After")) for _ in range(50)]
    assert min(waits) >= 1
    assert max(waits) > 20


def test_a_throttled_request_never_reaches_the_upstream_and_the_connection_goes_on(gateway, upstream) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW)
    _, admitted = throttled(running.port)
    assert len(upstream.requests) == admitted
    with Client(running.port) as client:
        for _ in range(3):
            assert client.send(request()).answer().get("Connection") is None


def test_one_users_burst_leaves_the_others_alone(gateway) -> None:
    running = gateway(users=ONE_EACH, capacity=NARROW)
    throttled(running.port)
    assert ask(running.port, request(message(SMALL))).status == 200


def test_admitted_answers_carry_the_allocation_too(gateway) -> None:
    users = ({"name": "Slow", "ids": [LARGE], "role": "IS", "allocation": 0.35},)
    answer = ask(gateway(users=users).port)
    assert answer.status == 200
    assert answer.get("RateLimit-Policy") == '"allocation";q=21;w=60', "no whole number of a shorter time states 0.35/s"
    assert answer.get("RateLimit") == '"allocation";r=0;t=3'


def test_a_user_without_an_allocation_is_told_so(gateway) -> None:
    users = ({"name": "Spare", "ids": [LARGE], "role": "IS", "allocation": 0},)
    running = gateway(users=users, capacity=NARROW)
    assert ask(running.port).get("RateLimit") == '"allocation";r=0;t=0'
    answer, _ = throttled(running.port)
    assert 1 <= int(answer.get("Retry-After")) <= 300


def test_weights_charge_more(gateway) -> None:
    users = ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},)
    capacity = {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 10}
    running = gateway(users=users, capacity=capacity, capacity__weights={"11.1": 5})
    heavy = ask(running.port, request(message(srv="11.1")))
    light = ask(running.port, request(message(srv="2.2")))
    assert heavy.get("RateLimit").startswith('"allocation";r=5;')
    assert light.get("RateLimit").startswith('"allocation";r=4;')
