"""The operator's listener: status, metrics, health."""

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rig import LARGE, SMALL, Client, ask, fetch, message, request, wait_for
from structlog.testing import capture_logs

NARROW = {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01}
USERS = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},
    {"name": 'Odd "\\" name', "ids": [SMALL], "role": "ES", "allocation": 0},
)


@pytest.fixture
def watched(gateway):
    users = (USERS[0], {**USERS[1], "name": 'Odd "\\" name'})
    responses = {"too_many_requests_from_duis": "4.1"}
    return gateway(users=users, capacity=NARROW, responses=responses, admin={"listen": "127.0.0.1:0"})


def status_of(running) -> dict:
    answer = fetch(running.admin_port, "/api/v1/status")
    assert (answer.status, answer.get("Content-Type")) == (200, "application/json")
    return json.loads(answer.body)


def metrics_of(running) -> dict[str, float]:
    text = fetch(running.admin_port, "/metrics").body.decode()
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_status_says_state_limits_rates_totals_and_users(watched) -> None:
    told = status_of(watched)
    assert (told["state"], told["maximum"], told["operating_threshold"]) == ("normal", 2, 0.1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["since"])
    names = {"offered", "within", "excess", "throttled", "rejected", "csp-backlog"}
    assert set(told["rates"]) == set(told["totals"]) == names
    for user in told["users"]:
        assert {"name", "role", "allocation", "utilisation", "duis_versions"} <= set(user)
        assert set(user["rates"]) == set(user["totals"]) == names
    assert told["users"][1]["utilisation"] is None


def test_the_status_counts_what_happened(watched) -> None:
    with Client(watched.port) as client:
        for version in ("4.0", "4.0", "5.4", "4.10", "4.1", "4.0", "5.4", "5.4"):
            client.send(request(message(version=version))).answer()
        client.send(request(b"<no/>")).answer()
    told = wait_for(lambda: (s := status_of(watched))["rates"]["offered"] and s)
    large = told["users"][0]
    assert large["totals"]["offered"] == 8 == sum(large["totals"][k] for k in ("within", "excess", "throttled"))
    assert large["totals"]["throttled"] > 3
    assert large["utilisation"] > 0
    assert sum(large["duis_versions"].values()) == 8
    assert len(large["duis_versions"]) == 3, "4.10 is 4.1"
    assert large["answered"]["429"] + large["answered"]["503"] == large["totals"]["throttled"]
    assert told["totals"] == {key: sum(u["totals"][key] for u in told["users"]) for key in told["totals"]}
    assert told["state"] == "active"
    assert told["refused"] == {"malformed": 1, "throttled": large["totals"]["throttled"]}
    assert told["upstream"]["answers"] == {"200": large["totals"]["within"] + large["totals"]["excess"]}


def test_it_goes_active_and_back_to_normal_with_one_line_each_that_say_who_was_above(gateway) -> None:
    users = ({**USERS[0], "allocation": 1}, {"name": "Quiet", "ids": [SMALL], "role": "ES", "allocation": 1})
    capacity = {"maximum": 100, "operating_threshold": 50, "burst_seconds": 0.1, "calm_seconds": 60}
    with capture_logs() as lines:
        running = gateway(users=users, capacity=capacity, admin={"listen": "127.0.0.1:0"})
        before = status_of(running)["since"]
        with Client(running.port) as client:
            client.send(request(message(SMALL))).answer()
            while client.send(request()).answer().status == 200:
                pass
        told = status_of(running)
        assert told["state"] == "active"
        assert told["since"] > before
        wait_for(lambda: [line for line in lines if line["event"].endswith("active")])
        running.reload(running.text.replace("calm_seconds = 60", "calm_seconds = 0.4"))  # until here nothing calms down
        wait_for(lambda: status_of(running)["state"] == "normal")
        assert status_of(running)["since"] > told["since"]
        wait_for(lambda: [line for line in lines if line["event"].endswith("normal")])
    said = [line for line in lines if line["event"].startswith("traffic management")]
    assert [line["event"] for line in said] == ["traffic management active", "traffic management normal"]
    for line in said:
        assert [one["user"] for one in line["above"]] == ["Large"]
        assert line["above"][0]["offered"] > line["above"][0]["allocation"] == 1


def test_metrics_parse_and_keep_to_the_conventions(watched) -> None:
    ask(watched.port)
    text = fetch(watched.admin_port, "/metrics").body.decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families) > 15
    for family in families:
        assert family.name.startswith("sluicegate_"), family.name
        assert family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        if family.type == "counter":
            assert all(sample.name == family.name + "_total" for sample in family.samples), family.name
        else:
            assert not family.name.endswith("_total")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
            buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
            assert [b.value for b in buckets] == sorted(b.value for b in buckets)
            assert buckets[-1].labels["le"] == "+Inf"


def test_metrics_tell_429_from_503_and_ours_from_the_upstreams(watched, upstream) -> None:
    def script(line) -> None:
        while line.request():
            line.answer(b"", "503 Busy")

    upstream.script = script
    with Client(watched.port) as client:
        for version in ("4.0", "4.0", "4.0", "4.0", "4.0", "5.4", "5.4"):
            client.send(request(message(version=version))).answer()
    told = metrics_of(watched)
    ours_503 = told['sluicegate_throttled_answers_total{"status": "503", "user": "Large"}']
    assert told['sluicegate_throttled_answers_total{"status": "429", "user": "Large"}'] == 2
    assert ours_503 >= 1
    assert told['sluicegate_upstream_answers_total{"status": "503"}'] == 5 - ours_503
    assert told['sluicegate_refusals_total{"problem": "throttled"}'] == ours_503 + 2
    assert told["sluicegate_active{}"] == 1
    assert told["sluicegate_upstream_response_seconds_count{}"] == 5 - ours_503
    assert told["sluicegate_decision_seconds_count{}"] == 7
    assert told['sluicegate_messages_total{"duis_version": "4", "user": "Large"}'] == 5


def test_healthy_and_ready(watched, upstream) -> None:
    assert fetch(watched.admin_port, "/healthz").status == 200
    assert fetch(watched.admin_port, "/readyz").status == 200


def test_not_ready_while_the_upstream_cannot_be_reached(gateway, upstream) -> None:
    upstream.stop()
    running = gateway(admin={"listen": "127.0.0.1:0"})
    for _ in range(6):
        ask(running.port)
    answer = fetch(running.admin_port, "/readyz")
    assert (answer.status, answer.body) == (503, b"the upstream cannot be reached\n")
    assert fetch(running.admin_port, "/healthz").status == 200
    assert status_of(running)["upstream"]["breaker"] == "open"


def test_not_ready_while_it_drains(gateway, upstream) -> None:
    def script(line) -> None:
        line.request()
        line.upstream.released.wait()
        line.answer()

    upstream.script = script
    running = gateway(admin={"listen": "127.0.0.1:0"})
    with Client(running.port) as client:
        client.send(request())
        wait_for(lambda: upstream.requests)
        running.begin_to_stop()
        wait_for(lambda: running.gateway.draining)
        assert fetch(running.admin_port, "/readyz").body == b"draining\n"
        assert status_of(running)["draining"] is True
        upstream.released.set()
        answer = client.answer()
        assert (answer.status, answer.get("Connection")) == (200, "close")


def test_the_last_reload_error_is_told(watched) -> None:
    watched.reload("nonsense")
    assert "TOML" in status_of(watched)["last_reload_error"]


@pytest.mark.parametrize(
    "octets", [b"\x00\x01\r\n\r\n", b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
)
def test_nonsense_at_the_operators_listener_harms_nobody(watched, octets) -> None:
    with Client(watched.admin_port) as client:
        client.send(octets).ended()
    assert fetch(watched.admin_port, "/healthz").status == 200
    assert ask(watched.port).status == 200


def test_without_an_admin_table_there_is_no_operators_listener(gateway) -> None:
    assert not hasattr(gateway().gateway, "admin_port")
