"""An investigation says who drove it, who was held, what followed, and who else was harmed."""

import json
from datetime import UTC, timedelta

import pytest
from recorded_traffic import START, Sender, Written, configured, row, traffic

from sluicegate.relay.demand import Minute
from sluicegate.simulate.evidence.files import as_json
from sluicegate.simulate.replay.incident import PeriodError, incident, incident_page, look_into

SENDERS = (
    Sender("A", 4, 0, 900),
    Sender("A", 45, 300, 420, back=10.0, most=3),
    Sender("B", 5, 0, 900),
    Sender("C", 3, 0, 900, back=None),
)


def held_minute(minute, srv="4.1.1", user="A", of_class="reads", **counts):
    time = (START + timedelta(minutes=minute)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Minute(time, user, of_class, srv, **counts)


def test_what_relays_held_back_is_told_beside_what_the_gateway_received(burst):
    _, path = burst
    record, when = look_into(path, *minutes(5, 7))
    rows = [
        held_minute(4, came=99, held=99, waiting=99),  # before the period
        held_minute(5, came=50, held=40, sent=15, acknowledged=10, waiting=30, longest_wait=20.0),
        held_minute(6, came=10, held=10, sent=5, acknowledged=5, expired=1, waiting=20, longest_wait=70.0),
        held_minute(6, "4.2", came=2, held=2, waiting=2),
        held_minute(6, "2.2", of_class="top-ups", came=7, sent=7, acknowledged=7),
        held_minute(7, came=99, waiting=99),  # after it
        held_minute(6, came=4, held=4, waiting=4, user="A"),  # another relay of the same User
    ]
    told = incident(record, when, None, "", quiet, rows)
    assert [(one["of_class"], one["came"], one["held"], one["sent"], one["waiting"]) for one in told["demand"]] == [
        ("reads", 66, 56, 20, 26),
        ("top-ups", 7, 0, 7, 0),
    ]
    assert told["demand"][0]["longest_wait"] == 70.0
    assert told["said"][-1] == (
        "What the gateway never received: the relay of A took in 73 SRs, of which 56 had to wait; it sent 27 attempts, "
        "and 26 SRs still waited at the end."
    )
    assert "What relays held back" in incident_page(told)


def test_relays_that_held_nothing_back_and_none_at_all_are_told_apart(burst):
    _, path = burst
    record, when = look_into(path, *minutes(5, 7))
    assert incident(record, when, None, "", quiet)["demand"] is None
    told = incident(record, when, None, "", quiet, [])
    assert told["said"][-1] == "The relays whose demand was given held nothing back."
    assert "have nothing of the period" in incident_page(told)


def quiet(_):
    pass


def minutes(since, until):
    return START + timedelta(minutes=since), START + timedelta(minutes=until)


def investigated(path, since, until, config=None):
    record, when = look_into(path, *minutes(since, until))
    return incident(record, when, config, "gateway.toml" if config else "", quiet)


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    config = configured()
    written = traffic(config, SENDERS, 900.0)
    for one in written.rows:
        if one["latency"] is not None and one["user"] == "B" and minutes(5, 7)[0] <= one["time"] < minutes(5, 7)[1]:
            one["latency"] = 2.0
    return written, written.parquet(tmp_path_factory.mktemp("incident") / "day.parquet")


def test_it_names_who_drove_it_and_who_was_harmed(burst):
    _, path = burst
    told = investigated(path, 5, 7, configured())
    assert told["drivers"] == ["A"]
    first = told["users"][0]
    assert first["user"] == "A"
    assert first["times_usual"] > 5
    assert first["times_allocation"] > 5
    harmed = {one["user"]: one for one in told["harmed"]}
    assert "slower" in harmed["B"]["why"]
    assert "throttled" in harmed["C"]["why"]  # it lives on the spare
    assert "A" not in harmed
    said = " ".join(told["said"])
    assert "Between 18:05 and 18:07 UTC on 24 November 2026 3 Users sent" in said
    assert "came from A (" in said
    assert "allocation of 10" in said
    assert "Harmed beside: " in said


def test_its_counts_are_those_of_the_rows(burst):
    written, path = burst
    told = investigated(path, 5, 7)
    since, until = minutes(5, 7)
    phases = {"before": (START, since), "during": (since, until), "after": (until, minutes(0, 99)[1])}
    for name, (first, last) in phases.items():
        rows = [one for one in written.rows if first <= one["time"] < last]
        phase = told["phases"][name]
        assert phase["attempts"] == len(rows)
        assert phase["throttled"] == sum(one["outcome"] == "throttled" for one in rows)
        assert phase["admitted"] == sum(one["outcome"] in ("within", "excess") for one in rows)
        assert phase["attempts"] == phase["requests"] + phase["retries"]
        for user in told["users"]:
            assert user[name]["attempts"] == sum(one["user"] == user["user"] for one in rows)
    during = [one for one in written.rows if since <= one["time"] < until]
    assert told["statuses"] == {str(code): sum(one["status"] == code for one in during) for code in (200, 503)}
    assert sum(one["attempts"] for one in told["srvs"]) == len(during)
    assert told["phases"]["during"]["seconds"] == 120
    step = told["series"]["step"]
    assert sum(told["series"]["attempts"]) * step == pytest.approx(len(written.rows), abs=0.01 * len(written.rows))


def test_rates_count_by_weight_as_allocations_do(tmp_path):
    rows = [row(at / 2, "A", at, srv="11.1") for at in range(600)] + [row(at / 2 + 0.1, "B", at) for at in range(600)]
    path = Written(rows).parquet(tmp_path / "x.parquet")
    plain, weighted = (investigated(path, 2, 3, config) for config in (None, configured()))
    assert [{one["user"]: one["rate"] for one in told["users"]} for told in (plain, weighted)] == [
        {"A": 2, "B": 2},
        {"A": 6, "B": 2},
    ]
    assert weighted["users"][0]["times_allocation"] == pytest.approx(0.6)
    assert weighted["users"][0]["peak"] == pytest.approx(6)
    assert weighted["phases"]["during"]["rate"] == 8
    assert weighted["phases"]["during"]["attempts"] == 240
    assert "240 attempts (8 SR/s by their weights)" in weighted["said"][0]
    assert "240 attempts (4 SR/s)" in plain["said"][0]


def test_it_follows_what_was_held(tmp_path):
    rows = [row(at, "A", at) for at in range(60)]
    rows += [row(100, "A", 1000, "throttled"), row(101, "A", 1001, "throttled"), row(102, "A", 1002, "throttled")]
    rows += [row(103, "A", 1000, "throttled"), row(170, "A", 1000), row(180, "A", 1001), row(200, "A", 5)]
    path = Written(rows).parquet(tmp_path / "x.parquet")
    followed = investigated(path, 1, 2)["followed"]
    assert (followed["held"], followed["again"], followed["through"]) == (4, 3, 2)


def test_errors_of_the_upstream_are_counted(tmp_path):
    rows = [row(at, "A", at) for at in range(120)] + [
        row(130, "A", 1000, upstream_status=502, status=502),
        row(131, "A", 1001, upstream_status=None, latency=None),
        row(132, "A", 1002, "rejected"),
        row(133, "A", 1003, upstream_status=404),
    ]
    told = investigated(Written(rows).parquet(tmp_path / "x.parquet"), 2, 3)
    assert told["phases"]["during"]["errors"] == 2
    assert told["phases"]["during"]["rejected"] == 1
    said = " ".join(told["said"])
    assert "1 attempt were" not in said
    assert "rejected undecided" in said


def test_nothing_noticeable_is_said_to_be_nothing(tmp_path):
    rows = [row(at / 2, name, 10_000 * number + at) for at in range(1200) for number, name in enumerate("AB")]
    told = investigated(Written(rows).parquet(tmp_path / "x.parquet"), 5, 7)
    assert told["drivers"] == told["harmed"] == []
    said = " ".join(told["said"])
    assert "about as many" in said
    assert "No User stands out" in said
    assert "Nothing was throttled." in said
    assert "Nobody was held" in said


def test_without_a_before_nobody_is_said_to_have_sent_more(tmp_path):
    rows = [row(at / 2, "A", at) for at in range(100)]
    told = investigated(Written(rows).parquet(tmp_path / "x.parquet"), 0, 1)
    assert told["drivers"] == []
    assert told["users"][0]["usual"] is None
    assert "too little from before" in told["said"][0]


def test_a_period_in_which_nothing_was_sent_says_so(tmp_path):
    path = Written([row(0, "A", 1), row(3600, "A", 2)]).parquet(tmp_path / "x.parquet")
    told = investigated(path, 10, 20)
    assert told["said"] == ["Between 18:10 and 18:20 UTC on 24 November 2026 nothing was sent."]
    assert "nothing was sent" in incident_page(told)


def test_a_period_that_cannot_be_looked_into_says_why(burst):
    _, path = burst
    for since, until, why in [
        (7, 5, "before it begins"),
        (5, 5, "before it begins"),
        (0, 60 * 24 * 8, "too long"),
        (600, 700, "goes from 2026-11-24 18:00:0. UTC to 2026-11-24 18:14:5. UTC"),
        (-99, -98, "goes from 2026-11-24"),
    ]:
        with pytest.raises(PeriodError, match=why):
            look_into(path, *minutes(since, until))


def test_the_page_is_the_same_each_time_and_escapes_names(tmp_path):
    rows = [row(at / 4, "<script>x</script>", at) for at in range(1000)]
    path = Written(rows).parquet(tmp_path / "x.parquet")
    first, second = (investigated(path, 2, 3, configured()) for _ in range(2))
    assert as_json(first) == as_json(second)
    assert json.loads(as_json(first))["what"] == "incident"
    page = incident_page(first)
    assert page == incident_page(second)
    assert "<script>x</script>" not in page
    assert "operating threshold" in page
    assert "http" not in page.split("</style>")[1].split("<script>")[0]
