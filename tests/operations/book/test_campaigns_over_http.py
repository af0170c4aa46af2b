"""Campaigns over HTTP: each sees its own, is told how full a time is, and nothing is half announced."""

from __future__ import annotations

import pytest
from asking import Asking, counted

from sluicegate.operations.book import campaigns, versions
from sluicegate.operations.book.campaigns import HOUR
from sluicegate.operations.store import trail
from sluicegate.operations.store.verify import verify

PATH = "/api/v1/campaigns"
NOW = 500_000 * HOUR + HOUR // 2
NEXT = NOW // HOUR + 1
DAY = 24 * HOUR


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time stands."""
    told = [NOW]
    monkeypatch.setattr(trail, "now", lambda: told[0])
    return told


@pytest.fixture
def ask(store, settings):
    return Asking(store, settings)


def body(hours_from_now=30, hours=2, volume=360_000, **rest):
    first = (NEXT + hours_from_now) * HOUR
    times = {"starts_at": trail.shown(first), "ends_at": trail.shown(first + hours * HOUR)}
    return {"srv": "1.1.1", "volume": volume, **times, "confirmed": True, **rest}


def rows(store):
    with store.reading() as connection:
        assert verify(connection).problems == []
        return [(row.who, row.did, row.about, trail.details_of(row)) for row in trail.rows(connection)]


def test_a_user_announces_for_itself_and_an_operator_for_any(ask, store):
    status, told = ask("user", "Large", "POST", PATH, body(note="winter tariff"))
    assert (status, told["confirmed"], told["campaign"]["campaign"]) == (201, True, 1)
    assert ask("operator", "ann", "POST", PATH, body(user="Small"))[0] == 201
    assert [row[:3] for row in rows(store)] == [
        ("User Large", campaigns.ANNOUNCED, "Large"),
        ("ann", campaigns.ANNOUNCED, "Small"),
    ]
    assert rows(store)[0][3]["by"] == "token 1"
    status, told = ask("user", "Large", "POST", PATH, body(user="Small"))
    assert (status, "for nobody else" in told["detail"]) == (403, True)
    assert ask("operator", "ann", "POST", PATH, body(user="Nobody"))[0] == 422
    assert ask("operator", "ann", "POST", PATH, body())[0] == 422
    assert [ask(role, "eve", "POST", PATH, body(user="Small"))[0] for role in ("approver", "viewer")] == [403, 403]
    assert len(rows(store)) == 2


def test_a_user_sees_its_own_and_another_s_is_as_unknown_as_one_that_never_was(ask, store):
    ask("user", "Large", "POST", PATH, body(volume=360_000))
    ask("user", "Small", "POST", PATH, body(volume=7200))
    _, told = ask("user", "Small", "GET", PATH)
    assert [one["user"] for one in told["campaigns"]] == ["Small"]
    assert "Large" not in str(told)
    assert max(told["hours"]["campaigns"]) == 1.0
    assert told["lines"] == [{"name": "your allocation", "rate": 30}]
    assert [one["user"] for one in ask("viewer", "eve", "GET", PATH)[1]["campaigns"]] == ["Large", "Small"]
    (found, told), (never, as_well) = (ask("user", "Small", "GET", f"{PATH}/{number}") for number in (1, 9))
    assert (found, told) == (never, as_well | {"detail": "there is no campaign 1"})
    assert ask("user", "Small", "DELETE", f"{PATH}/1")[0] == 404
    assert ask("user", "Large", "DELETE", f"{PATH}/1")[0] == 200
    assert ask("user", "Large", "DELETE", f"{PATH}/1")[0] == 409
    assert len(rows(store)) == 3


def test_what_is_not_confirmed_is_only_looked_at(ask, store):
    status, told = ask("user", "Large", "POST", PATH, body(confirmed=False, volume=720_000))
    assert (status, told["confirmed"]) == (200, False)
    assert "100.0 SR/s if they are spread evenly" in told["meaning"]
    assert "too full" in told["meaning"]
    assert rows(store) == []
    assert ask("user", "Large", "GET", PATH)[1]["campaigns"] == []


def test_a_user_is_told_how_full_a_time_is_in_coarse_steps_only(ask):
    ask("operator", "ann", "POST", PATH, body(user="Small", volume=36_000 * 2))  # 10 SR/s
    asked = body(confirmed=False, volume=36_000 * 2 + 720)
    assert ask("user", "Large", "POST", PATH, asked)[1]["campaign"]["level"] == 0.25  # 20.1 of 90 SR/s
    assert ask("operator", "ann", "POST", PATH, asked | {"user": "Large"})[1]["campaign"]["level"] == 0.2233


def test_a_campaign_lies_over_the_same_hours_of_the_last_weeks_and_quieter_ones_are_offered(ask, store):
    busy = [(NEXT + 30 - 168 + hour) * HOUR for hour in range(2)]
    rest = [(NEXT - 168 + hour) * HOUR for hour in range(0, 168, 5)]
    counted(store, [(at, "Large", {"2.2": (180_000, 0, 0)}) for at in busy])
    counted_again = [(at, "Large", {"2.2": (3600, 0, 0)}) for at in rest if at not in busy]
    with store.changing() as connection:
        connection.exec_driver_sql("DELETE FROM usage_run")
    counted(store, counted_again)
    _, told = ask("operator", "ann", "POST", PATH, body(user="Small", confirmed=False))
    assert told["campaign"]["level"] == pytest.approx((50 + 50) / 90, abs=1e-3)
    assert told["campaign"]["quieter"][0]["level"] < 0.65
    assert "stand for it" in told["basis"]
    assert ask("operator", "ann", "GET", PATH)[1]["basis"]["of"] == "recorded"
    assert max(ask("user", "Small", "GET", PATH)[1]["hours"]["usual"]) == 0.0
    assert max(ask("user", "Large", "GET", PATH)[1]["hours"]["usual"]) == 50.0


def test_where_a_forecast_is_kept_it_is_what_campaigns_lie_over(ask, store):
    with store.changing() as connection:
        forecasts = {"Large": {"2.2": 26_298_000.0}, "Small": {"2.2": 2_629_800.0}}  # 10 and 1 SR/s
        versions.put(connection, {"Large": 1.0}, who="ann", at=NOW - DAY, asked_at=NOW - HOUR, forecasts=forecasts)
        versions.approve(connection, 1, who="bob", at=NOW - DAY)
    _, told = ask("viewer", "eve", "GET", PATH)
    assert told["basis"]["of"] == "forecast"
    assert told["hours"]["usual"] == [pytest.approx(11)] * 14 * 24
    assert ask("user", "Small", "GET", f"{PATH}?days=2")[1]["hours"]["usual"] == [pytest.approx(1)] * 48
    counted(store, [((NEXT - 168 + hour) * HOUR, "Large", {"2.2": (1 + hour % 2, 0, 0)}) for hour in range(168)])
    usual = ask("viewer", "eve", "GET", PATH)[1]["hours"]["usual"]
    assert sum(usual) / len(usual) == pytest.approx(11, abs=0.01)
    assert max(usual) == pytest.approx(2 * min(usual), abs=0.01)


def test_a_run_is_held_against_its_announcement_once_it_is_over(ask, store, clock):
    ask("user", "Large", "POST", PATH, body(hours_from_now=0, volume=1000))
    counted(
        store,
        [
            (NEXT * HOUR, "Large", {"1.1.1": (500, 100, 50), "2.2": (9, 0, 0)}),
            ((NEXT + 1) * HOUR, "Large", {"1.1.1": (600, 0, 0)}),
            ((NEXT + 1) * HOUR, "Small", {"1.1.1": (70, 0, 0)}),
            ((NEXT + 3) * HOUR, "Large", {"1.1.1": (5, 0, 0)}),
        ],
    )
    clock[0] = (NEXT + 1) * HOUR + 1
    assert ask("user", "Large", "GET", f"{PATH}/1")[1]["campaign"]["state"] == "running"
    clock[0] = (NEXT + 30) * HOUR
    (one,) = ask("user", "Large", "GET", PATH)[1]["over"]
    assert one["run"] == {"came": 1200, "outside": 5, "peak": 0.167, "part": 1.0, "over": 0.2, "held": 50}
    assert ask("viewer", "eve", "GET", f"{PATH}/1")[1]["run"] == one["run"]
    assert ask("user", "Small", "GET", PATH)[1]["over"] == []
    assert ask("user", "Large", "DELETE", f"{PATH}/1")[0] == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"srv": "top-up"},
        {"volume": 0},
        {"volume": 10**13},
        {"volume": 1.5},
        {"starts_at": "soon"},
        {"ends_at": "0001-01-01T00:00:00+23:59"},
        {"ends_at": "2000-01-01T00:00"},
        {"note": "a\x00b"},
        {"other": 1},
    ],
)
def test_an_announcement_that_cannot_be_is_refused_with_its_reason(ask, store, wrong):
    status, told = ask("user", "Large", "POST", PATH, body() | wrong)
    assert (status, bool(told["detail"])) == (422, True)
    assert rows(store) == []


@pytest.mark.parametrize("days", ["0", "93", "x", "²", ""])
def test_so_many_days_there_cannot_be(ask, days):
    assert ask("viewer", "eve", "GET", f"{PATH}?days={days}")[0] == 422


def test_where_the_database_goes_nothing_is_half_announced(ask, store):
    ask.worker.lost = True
    status, told = ask("user", "Large", "POST", PATH, body())
    assert (status, "is not known" in told["detail"]) == (503, True)
    ask.worker.lost = False
    assert rows(store) == []
    assert ask("user", "Large", "GET", PATH)[1]["campaigns"] == []
    assert ask("user", "Large", "POST", PATH, body())[0] == 201
