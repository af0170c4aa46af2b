"""Back-pressure: what is for a CSP that is full is refused for the Users concerned, and nothing else is touched."""

import json
import socket
from pathlib import Path

import pytest
from rig import DEVICE, LARGE, SMALL, Client, ask, configuration, fetch, message, request, wait_for
from rig_backpressure import (
    CSPS,
    HOSTILE,
    NORTH_REFUSES_LARGE,
    NOWHERE,
    SOUTHERN,
    ToldDispatcher,
    full,
    sr,
    text_for,
    told,
    waits,
)
from structlog.testing import capture_logs

ADMIN = {"listen": "127.0.0.1:0"}


@pytest.fixture
def dispatcher():
    made = ToldDispatcher()
    yield made
    made.close()
    assert made.errors == []


@pytest.fixture
def asking(gateway, upstream, dispatcher):
    """Starts gateways that ask the dispatcher, and have its answer."""

    def start(says: bytes | None = None, **tables):
        if says is not None:
            dispatcher.says = says
        running = gateway(text_for(upstream, dispatcher, **tables))
        if says is not None:
            wait_for(lambda: running.desk.refusals is not None)
        return running

    return start


def test_only_the_user_and_the_csp_that_were_told_are_refused(asking, upstream) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    answer = ask(running.port, sr(LARGE))
    assert (answer.status, answer.kind) == (503, "csp-backlog")
    assert answer.problem["title"] == "The network for this device is behind"
    assert "north" in answer.problem["detail"]
    assert int(answer.get("Retry-After")) == answer.problem["retry_after"] >= 12
    assert answer.get("Date")
    assert upstream.heads == []
    assert ask(running.port, sr(LARGE, SOUTHERN)).status == 200
    assert ask(running.port, sr(LARGE, NOWHERE)).status == 200, "the dispatcher itself says E19"
    assert ask(running.port, sr(SMALL)).status == 200


def test_all_others_are_refused_where_that_was_told(asking) -> None:
    running = asking(told(north=full({"Large": 30}, others=5), south=full({"Nobody here": 5})))
    assert 30 <= int(ask(running.port, sr(LARGE)).get("Retry-After")) <= 36
    assert 5 <= int(ask(running.port, sr(SMALL)).get("Retry-After")) <= 6
    assert ask(running.port, sr(LARGE, SOUTHERN)).status == 200


def test_nothing_is_charged_and_no_place_is_taken(asking) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    with Client(running.port) as client:
        before = client.send(sr(LARGE, SOUTHERN)).answer()
        account = running.gateway.ledger.account("Large")
        bank = account.level, account.filled_at
        for _ in range(20):
            refused = client.send(sr(LARGE)).answer()
            assert refused.status == 503
        assert (account.level, account.filled_at) == bank, "the throttle did not hear of it"
        assert running.desk.places.taken == 0
    tally = running.gateway.tallies["Large"]
    assert (tally.within, tally.excess, tally.throttled, tally.rejected) == (1, 0, 0, 0)
    assert tally.refused_by_csp == {"north": 20}
    assert refused.get("RateLimit-Policy") == before.get("RateLimit-Policy")
    assert refused.get("RateLimit").startswith('"allocation";r=')


@pytest.mark.parametrize(("version", "status"), [("4.0", 503), ("4.1", 429), ("5.4", 429)])
def test_it_is_429_by_the_rule_of_throttled_answers(asking, version, status) -> None:
    running = asking(NORTH_REFUSES_LARGE, responses={"too_many_requests_from_duis": "4.1"})
    answer = ask(running.port, sr(LARGE, version=version))
    assert (answer.status, answer.kind, answer.problem["status"]) == (status, "csp-backlog", status)
    tally = running.gateway.tallies["Large"]
    assert tally.answered_429 == tally.answered_503 == 0, "those count what was throttled"


def test_a_user_that_takes_a_429_gets_it_whatever_the_version(asking) -> None:
    running = asking(told(north=full(others=3)), responses={"too_many_requests_users": ["Large"]})
    assert [ask(running.port, sr(user, version="2.0")).status for user in (LARGE, SMALL)] == [429, 503]


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(0, 1, 2), (0.3, 1, 2), (12, 12, 15), (40, 40, 48), (1e9, 300, 360)]
)
def test_who_was_told_the_same_does_not_come_back_at_once(asking, seconds, least, most) -> None:
    running = asking(told(north=full({"Large": seconds})))
    with Client(running.port) as client:
        waits = [int(client.send(sr(LARGE)).answer().get("Retry-After")) for _ in range(60)]
    assert min(waits) == least
    assert max(waits) == most
    each = [waits.count(wait) for wait in range(least, most + 1)]
    assert max(each) - min(each) <= max(3, len(waits) // len(each)), "evenly spread"


@pytest.mark.parametrize(
    "more", [{"srv": "11.1"}, {"command_variant": 2}, {"command_variant": 6}, {"command_variant": 8}]
)
def test_what_has_no_device_or_many_is_left_to_the_dispatcher(asking, more) -> None:
    running = asking(told(north=full(others=9)))
    assert ask(running.port, sr(LARGE, **more)).status == 200
    assert ask(running.port, sr(LARGE, command_variant=4)).status == 503


@pytest.mark.parametrize("tables", [{"capacity": {"enforce": False}}, {"users": "not enforced"}])
def test_observe_mode_does_not_switch_it_off(asking, tables) -> None:
    """It is no throttling: it protects the dispatcher."""
    if "users" in tables:
        tables = {"users": ({"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 300, "enforce": False},)}
    running = asking(NORTH_REFUSES_LARGE, **tables)
    assert ask(running.port, sr(LARGE)).kind == "csp-backlog"
    assert running.gateway.tallies["Large"].passed == 0


def test_while_nothing_is_full_it_makes_no_difference(asking, gateway, upstream, dispatcher) -> None:
    asked, plain = asking(), gateway()
    dispatcher.asked_again()
    assert asked.desk.refusals is None
    one, other = (ask(running.port, sr(LARGE)) for running in (asked, plain))
    assert (one.status, one.fields, one.body) == (other.status, other.fields, other.body)
    assert upstream.requests[0].raw == upstream.requests[1].raw
    wait_for(lambda: asked.gateway.backpressure.heard_at is not None)


def test_it_ends_when_the_dispatcher_says_so(asking, dispatcher) -> None:
    with capture_logs() as lines:
        running = asking(NORTH_REFUSES_LARGE)
        assert ask(running.port, sr(LARGE)).status == 503
        wait_for(lambda: [line for line in lines if line["event"].startswith("back-pressure:")])
        dispatcher.says = told()
        wait_for(lambda: running.desk.refusals is None)
        assert ask(running.port, sr(LARGE)).status == 200
        wait_for(lambda: [line for line in lines if line["event"] == "back-pressure over"])
    said = [line["csps"] for line in lines if line["event"].startswith("back-pressure")]
    assert [list(csps) for csps in said] == [["north"], []]


def test_a_message_that_is_refused_in_its_middle_costs_the_connection_nothing(asking, upstream) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    octets = sr(LARGE, size=100_000)
    with Client(running.port) as client:
        client.send(octets[:20_000])
        assert client.answer().kind == "csp-backlog"
        client.send(octets[20_000:] + sr(SMALL))
        assert client.answer().status == 200
    running.settled()
    assert len(upstream.heads) == 1


def test_refused_requests_are_no_offence(asking) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    with Client(running.port) as client:
        assert {client.send(sr(LARGE)).answer().kind for _ in range(100)} == {"csp-backlog"}
        assert client.send(sr(LARGE, SOUTHERN)).answer().status == 200


# --- what an operator sees


def test_it_is_counted_by_user_and_by_csp_and_told_everywhere(asking, tmp_path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    from sluicegate.simulate.record import open_record

    record = {"folder": str(tmp_path / "record"), "flush_seconds": 0.1}
    running = asking(waits(4812, north=full({"Large": 12}), south=full(others=7)), admin=ADMIN, record=record)
    for octets in (sr(LARGE), sr(LARGE), sr(LARGE, SOUTHERN), sr(SMALL, SOUTHERN), sr(SMALL)):
        ask(running.port, octets)
    status = json.loads(fetch(running.admin_port, "/api/v1/status").body)
    large, small = status["users"]
    assert large["refused_by_csp"] == {"north": 2, "south": 1}
    assert small["refused_by_csp"] == {"south": 1}
    assert (large["totals"]["csp-backlog"], small["totals"]["csp-backlog"]) == (3, 1)
    assert (status["totals"]["csp-backlog"], status["totals"]["offered"]) == (4, 1)
    assert status["refused"] == {"csp-backlog": 4}
    assert status["backpressure"]["csps"] == {
        "north": {"users": 1, "others": False},
        "south": {"users": 0, "others": True},
    }
    assert status["backpressure"]["waiting"] == {"north": 4812}
    assert 0 <= status["backpressure"]["heard_seconds_ago"] < 10

    text = fetch(running.admin_port, "/metrics").body.decode()
    families = list(text_string_to_metric_families(text))
    found = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert found["sluicegate_decisions_total", "Large", "csp-backlog"] == 3
    assert found["sluicegate_refused_by_csp_total", "Large", "north"] == 2
    assert found["sluicegate_refused_by_csp_total", "Small", "south"] == 1
    assert found["sluicegate_refusals_total", "csp-backlog"] == 4
    assert found["sluicegate_csp_full", "north"] == found["sluicegate_csp_full", "south"] == 1
    assert found["sluicegate_csp_waiting", "north"] == 4812
    assert 0 <= found["sluicegate_backpressure_age_seconds",] < 10
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert [name for name in names if f"`{name}`" not in page] == []

    running.stop()
    rows = [row for batch in open_record(tmp_path / "record", strict=True).batches() for row in batch.to_pylist()]
    refused = [row for row in rows if row["outcome"] == "csp-backlog"]
    assert len(refused) == 4
    assert {(row["status"], row["upstream_status"]) for row in refused} == {(503, None)}


def test_without_the_table_nobody_is_asked_and_the_status_says_so(gateway, upstream) -> None:
    running = gateway(configuration(upstream.url, admin=ADMIN) + CSPS)
    assert running.gateway.backpressure is None
    assert json.loads(fetch(running.admin_port, "/api/v1/status").body)["backpressure"] is None
    assert "backpressure" not in fetch(running.admin_port, "/metrics").body.decode()


def test_the_readme_of_the_interface_shows_what_is_taken() -> None:
    from sluicegate.gateway.news import MOST_CSPS, MOST_OCTETS, read

    page = (Path(__file__).resolve().parents[2] / "docs" / "backpressure.md").read_text("utf-8")
    example = page.split("```json")[1].split("```")[0]
    assert list(read(example.encode()).csps) == ["north", "south"]
    assert read(example.encode()).waiting == {"north": 4812, "south": 260, "west": 3}
    assert f"{MOST_OCTETS:,}" in page
    assert f"{MOST_CSPS} CSPs" in page


# --- a dispatcher that is silent, or talks nonsense


def test_what_was_told_is_forgotten_without_news_and_the_log_says_so_once(asking, dispatcher) -> None:
    with capture_logs() as lines:
        running = asking(NORTH_REFUSES_LARGE, forget_after=2.0)
        assert ask(running.port, sr(LARGE)).status == 503
        dispatcher.stop()
        for line in dispatcher.lines:
            line.sock.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: running.desk.refusals is None)
        assert ask(running.port, sr(LARGE)).status == 200
        dispatcher.start()
        wait_for(lambda: running.desk.refusals is not None)
        assert ask(running.port, sr(LARGE)).status == 503
    events = [line["event"] for line in lines]
    assert sum(event.startswith("back-pressure forgotten") for event in events) == 1
    assert events.count("no news from the dispatcher") == 1
    assert events.count("the dispatcher tells again which CSPs are full") == 1
    assert "no connection to the upstream" not in events


def test_a_dispatcher_that_never_answers_holds_nothing_up(asking, dispatcher) -> None:
    dispatcher.says = b""
    running = asking(forget_after=0.3)
    wait_for(lambda: dispatcher.requests)
    assert ask(running.port, sr(LARGE)).status == 200
    wait_for(lambda: len(dispatcher.lines) >= 2)
    assert running.gateway.backpressure.heard_at is None


def bodied(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


OTHERS = {
    "no HTTP": b"HTTP/9.9 what?\r\n\r\n",
    "another status": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300_000,
}


@pytest.mark.parametrize("kind", [*OTHERS, "a list", "10,000 CSPs", "seconds below 0", "NaN", "too large"])
def test_an_answer_that_is_none_changes_nothing_and_is_said_once(asking, dispatcher, kind) -> None:
    with capture_logs() as lines:
        running = asking(NORTH_REFUSES_LARGE)
        refusals = running.desk.refusals
        dispatcher.says = OTHERS.get(kind) or bodied(HOSTILE[kind])
        dispatcher.asked_again(3)
        assert running.desk.refusals is refusals
        assert [ask(running.port, octets).status for octets in (sr(LARGE), sr(SMALL), sr(LARGE, SOUTHERN))] == [
            503,
            200,
            200,
        ]
        dispatcher.says = told(south=full({"Small": 3}))
        wait_for(lambda: "south" in running.desk.refusals.csps)
    (complaint,) = [line for line in lines if line["event"] == "no news from the dispatcher"]
    assert complaint["dispatcher"] == dispatcher.url
    assert len(complaint["why"]) < 400
    assert not [line for line in lines if line["log_level"] == "error"]


# --- reloads


def test_a_reload_takes_other_routes_and_another_dispatcher(asking, upstream, dispatcher) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    assert [ask(running.port, sr(LARGE, device)).status for device in (DEVICE, SOUTHERN)] == [503, 200]
    swapped = (
        running.text.replace("00-DB-12", "00-DB-xx").replace("00-DB-77", "00-DB-12").replace("00-DB-xx", "00-DB-77")
    )
    heard = running.gateway.backpressure
    running.reload(swapped)
    assert running.gateway.last_reload_error is None
    assert running.gateway.backpressure is heard, "it goes on"
    assert [ask(running.port, sr(LARGE, device)).status for device in (DEVICE, SOUTHERN)] == [200, 503]
    other = ToldDispatcher()
    other.says = told(north=full({"Small": 3}))
    running.reload(swapped.replace(dispatcher.url, other.url))
    wait_for(lambda: running.desk.refusals is not None and other.requests)
    assert [ask(running.port, sr(user, SOUTHERN)).status for user in (LARGE, SMALL)] == [200, 503]
    running.reload(configuration(upstream.url))
    assert running.gateway.backpressure is running.desk.refusals is None
    assert ask(running.port, sr(SMALL, SOUTHERN)).status == 200
    running.reload(running.text + "\n[gateway.backpressure]\nurl = " + json.dumps(other.url) + "\n")
    assert "[[csp]]" in running.gateway.last_reload_error, "it must know what goes where"
    other.close()


def test_a_table_of_devices_that_cannot_be_read_refuses_the_reload(asking, tmp_path) -> None:
    running = asking(NORTH_REFUSES_LARGE)
    (tmp_path / "devices.csv").write_text("device,region\n00-DB-12-34-56-78-90-A0,nowhere\n")
    running.reload(running.text + '\n[dispatch.routes]\ntable = "devices.csv"\n')
    assert "nowhere" in running.gateway.last_reload_error
    assert ask(running.port, sr(LARGE)).status == 503
    (tmp_path / "devices.csv").write_text("device,region\n00-DB-12-34-56-78-90-A0,south\n")
    running.reload(running.text)
    assert running.gateway.last_reload_error is None
    assert ask(running.port, sr(LARGE)).status == 200, "a device of its own comes before the prefix"


def test_a_stop_does_not_wait_for_the_dispatcher(asking, dispatcher) -> None:
    running = asking()
    dispatcher.says = b""
    dispatcher.asked_again(1)
    assert ask(running.port, request(message())).status == 200
    running.stop()
