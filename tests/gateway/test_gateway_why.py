"""What the gateway keeps of a throttled request, for who asks why."""

import json

import pytest
from rig import LARGE, Client, message, request
from rig_throttled import NARROW, ONE_EACH, throttled

OPERATIONS = {
    "account": {"listen": "127.0.0.1:0"},
    "operations": {"database": "operations.db"},
}


def test_a_throttled_request_is_kept_with_the_answer_that_it_got(gateway):
    running = gateway(users=ONE_EACH, capacity=NARROW, **OPERATIONS)
    answer, admitted = throttled(running.port)
    (one,) = running.desk.throttled.latest()
    assert one.user == "Large"
    assert one.request_id.endswith(f":{admitted}")
    assert (one.status, one.retry_after) == (answer.status, json.loads(answer.body)["retry_after"])
    assert running.desk.throttled.of(one.request_id, "Small") == []


def test_where_nothing_is_enforced_it_is_kept_that_the_request_went_through(gateway):
    running = gateway(users=ONE_EACH, capacity={**NARROW, "enforce": False}, **OPERATIONS)
    with Client(running.port) as client:
        for counter in range(10):
            assert client.send(request(message(LARGE, counter=counter))).answer().status == 200
    kept = running.desk.throttled.latest()
    assert kept
    assert {(one.status, one.retry_after) for one in kept} == {(None, None)}


@pytest.mark.parametrize("tables", [{}, OPERATIONS | {"screens": {"throttled_kept": 0}}])
def test_nothing_is_kept_where_nobody_can_ask_or_none_is_wanted(gateway, tables):
    running = gateway(users=ONE_EACH, capacity=NARROW, **tables)
    throttled(running.port)
    assert running.desk.throttled is None
