"""Several workers on one address, one fleet: what status, metrics and readiness tell of all and of each."""

from __future__ import annotations

import os
import signal
from collections import Counter
from time import time

import pytest
from rig import LARGE, Client, message, request, wait_for
from rig_client import fetch
from rig_crew import PATIENT, workers_of

from sluicegate.ledger import Told
from sluicegate.ledger.fleet.embedded import Embedded
from sluicegate.operations.fleet.showing import readiness
from sluicegate.operations.history.counts import MINUTE, SECOND
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.store.store import OperationsStore
from sluicegate.simulate.record import open_record

SENT = 24


def send(port: int, count: int) -> list[int]:
    """So many requests, each over a connection of its own: the system spreads them over the workers."""
    statuses = []
    for number in range(count):
        with Client(port) as client:
            statuses.append(client.send(request(message(LARGE, counter=number + 1))).answer().status)
    return statuses


def fleet(process, **tables):
    """Two workers, both drawing."""
    made = process(gateway={"workers": 2}, ledger=PATIENT, **tables)
    wait_for(lambda: made.events("serving with workers"), "the workers do not serve")
    wait_for(lambda: len(listed(made)) == 2 and all(one["tells"] for one in listed(made)), "one tells nothing")
    wait_for(lambda: made.status()["ledger"]["fleet"]["banks"]["offered"] > 100, "the ledger began empty, and stays so")
    return made


def listed(made) -> list[dict[str, object]]:
    told = made.status()["ledger"]["fleet"]["workers"]
    assert isinstance(told, list)
    return told


def within(made) -> int:
    totals = made.status()["totals"]
    return totals["within"] + totals["excess"]


def sample(made, name: str) -> float:
    """A metric without labels."""
    lines = fetch(made.admin_port, "/metrics").body.decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def test_status_and_metrics_tell_the_sum_of_all_workers_and_each_of_them(process) -> None:
    made = fleet(process)
    assert set(send(made.port, SENT)) == {200}
    wait_for(lambda: within(made) == SENT, "the sum is not what was sent")
    told = made.status()
    assert told["ledger"]["worker"]["state"] == "together"
    assert told["ledger"]["fleet"]["banks"]["fill"] > 0
    assert [one["this"] for one in told["ledger"]["fleet"]["workers"]].count(True) == 1
    assert told["upstream"]["answers"] == {"200": SENT}
    assert told["users"][0]["totals"]["within"] + told["users"][0]["totals"]["excess"] == SENT
    assert sample(made, "sluicegate_ledger_workers") == 2
    assert sample(made, "sluicegate_ledger_alone") == 0
    assert sample(made, "sluicegate_ledger_silent_workers") == 0
    assert sample(made, "sluicegate_ledger_draws_total") >= 2
    assert fetch(made.admin_port, "/readyz").status == 200


def test_what_a_worker_counted_stays_when_it_is_killed_and_another_takes_its_place(process) -> None:
    made = fleet(process)
    send(made.port, SENT)
    wait_for(lambda: within(made) == SENT)
    other = next(one for one in listed(made) if not one["this"])
    os.kill(workers_of(made)[2], signal.SIGKILL)
    wait_for(lambda: str(other["name"]) not in {one["name"] for one in listed(made) if one["tells"]})
    assert within(made) == SENT
    wait_for(lambda: sum(bool(one["tells"]) for one in listed(made)) == 2, "nobody took its place")
    assert set(send(made.port, SENT)) == {200}
    wait_for(lambda: within(made) == 2 * SENT, "the sum is not what was sent")


def test_each_worker_writes_its_own_files_of_the_record_and_a_reader_takes_them_all(process, tmp_path) -> None:
    folder = tmp_path / "record"
    made = fleet(process, record={"folder": folder, "flush_seconds": 0.1})
    wait_for(lambda: (folder / "record.2.lock").exists(), "the second worker has no place")
    send(made.port, SENT)
    made.stop()
    rows = Counter(value for batch in open_record(folder).batches() for value in batch.column("outcome").to_pylist())
    assert rows["within"] + rows["excess"] == SENT
    assert not list(folder.glob("*.part"))


def test_history_is_written_once_for_all_workers(process, tmp_path) -> None:
    database = tmp_path / "operations.db"
    made = fleet(process, operations={"database": database})
    wait_for(lambda: made.status()["ledger"]["fleet"]["writes_history"] is True, "nobody writes")
    send(made.port, SENT)
    wait_for(lambda: within(made) == SENT)
    made.stop()
    assert written(database) == SENT


def written(database) -> int:
    """Requests that were served, as the history has them."""
    store, now = OperationsStore(str(database)), int(time() * SECOND)
    try:
        with store.reading() as connection:
            points = Usages(connection).series(None, now - 10 * MINUTE, now + MINUTE, MINUTE).points
    finally:
        store.close()
    return sum(counts[0] + counts[1] for _at, counts in points)


@pytest.fixture
def ledger_url():
    """A Valkey that gateways of several machines share."""
    embedded = Embedded("sluicegate")
    embedded.start()
    yield f"unix://{embedded.socket}"
    embedded.remove()


def test_of_two_machines_on_one_database_each_shows_both_and_one_writes_for_both(process, tmp_path, ledger_url) -> None:
    database = tmp_path / "operations.db"
    machines = [process(ledger={"url": ledger_url, **PATIENT}, operations={"database": database}) for _ in range(2)]

    def writers() -> list[bool | None]:
        return [each.status()["ledger"]["fleet"]["writes_history"] for each in machines]

    for each in machines:
        wait_for(lambda each=each: each.status()["ledger"]["fleet"]["banks"], "it does not look")
        wait_for(lambda each=each: each.status()["ledger"]["fleet"]["banks"]["offered"] > 100, "it stays empty")
        wait_for(lambda each=each: sum(bool(one["tells"]) for one in listed(each)) == 2, "one tells nothing")
    wait_for(lambda: sorted(map(bool, writers())) == [False, True], "one of them writes")
    for each in machines:
        assert set(send(each.port, SENT)) == {200}
    for each in machines:
        wait_for(lambda each=each: within(each) == 2 * SENT, "the sum is not what was sent")
    writing = writers().index(True)
    machines[writing].stop()
    assert written(database) == 2 * SENT
    (other,) = (each for number, each in enumerate(machines) if number != writing)
    wait_for(lambda: other.status()["ledger"]["fleet"]["writes_history"] is True, "nobody took over")
    assert set(send(other.port, SENT)) == {200}
    wait_for(lambda: within(other) == 3 * SENT)
    other.stop()
    assert written(database) == 3 * SENT


TOLD = Told("w", True, None, False, 0.25, 4, 10, 0, 0, "")


@pytest.mark.parametrize(
    ("told", "ready", "words"),
    [
        (None, True, "ready"),
        (TOLD, True, "ready"),
        (TOLD._replace(answered=False, alone=3.0), False, "the ledger has not answered yet"),
        (TOLD._replace(alone=12.4), True, "ready, alone for 12 s by a share of 0.25"),
        (TOLD._replace(alone=900.0, closed=True), False, "the ledger is away, and the lease has ended"),
    ],
)
def test_readiness_reflects_the_ledger(told, ready, words) -> None:
    assert readiness(told) == (ready, words)
