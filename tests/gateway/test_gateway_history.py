"""Usage at a running gateway: every decided request is in its history, and a database that fails stops nothing."""

from __future__ import annotations

import json
import os
from time import time

from rig import LARGE, SMALL, Client, fetch, message, request, wait_for

from sluicegate.operations.history.counts import DAY, SECOND
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.store.store import OperationsStore

USERS = (
    {"name": "Large", "ids": [LARGE], "role": "IS", "allocation": 1},
    {"name": "Small", "ids": [SMALL], "role": "ES", "allocation": 0},
)
TABLES = {
    "operations": {"database": "operations.db"},
    "capacity": {"maximum": 2, "operating_threshold": 0.1, "burst_seconds": 0.01},
    "admin": {"listen": "127.0.0.1:0"},
}


def sent(running, count):
    with Client(running.port) as client:
        for _ in range(count):
            client.send(request(message())).answer()


def test_a_stopped_gateway_leaves_every_decided_request_in_its_history(gateway, tmp_path):
    since = int(time() * SECOND) // DAY * DAY
    running = gateway(users=USERS, **TABLES)
    sent(running, 8)
    wait_for(lambda: running.gateway.history.seconds_held)
    told = json.loads(fetch(running.admin_port, "/api/v1/status").body)["history"]
    assert told["minutes"]["lost"] == told["requests_lost"] == 0
    assert b"sluicegate_history_minutes_lost_total 0.0" in fetch(running.admin_port, "/metrics").body
    counted = running.gateway.tallies["Large"].outcomes()
    running.stop()
    store = OperationsStore(str(tmp_path / "operations.db"))
    with store.reading() as connection:
        usages = Usages(connection)
        assert usages.by_user(since, since + 2 * DAY) == {"Large": counted}
        (srv,) = usages.by_srv("Large", since, since + 2 * DAY).values()
        assert sum(srv) == 8
    store.close()


def test_a_database_that_is_gone_stops_no_request_and_no_stop(gateway, tmp_path):
    running = gateway(users=USERS, **TABLES)
    os.unlink(tmp_path / "operations.db")
    sent(running, 8)
    assert sum(running.gateway.tallies["Large"].outcomes()) == 8
    running.stop()
