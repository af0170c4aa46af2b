"""Records for the tests: traffic that the real throttle decided on, as a gateway would have written it."""

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sluicegate import settings
from sluicegate.allocation import NO_PROFILE, Book
from sluicegate.ledger.local import LocalLedger
from sluicegate.simulate.record import SCHEMA
from sluicegate.throttle import EXCESS, THROTTLED, WITHIN

START = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
BASE = int(START.timestamp()) * 1_000_000
OUTCOME = {WITHIN: "within", EXCESS: "excess", THROTTLED: "throttled"}

CONFIG = """
[capacity]
maximum = {maximum}
operating_threshold = {threshold}
sharing = "{sharing}"
[capacity.weights]
"11.1" = 3
[gateway]
upstream = "http://127.0.0.1:1"
identity = "originator"
"""
USER = """
[[user]]
name = "{name}"
ids = ["90-B3-D5-1F-30-{number:02X}-00-00"]
role = "IS"
allocation = {allocation}
"""


def configuration(maximum=40, threshold=32, sharing="fair", **allocations):
    """The text of a configuration file."""
    users = allocations or {"A": 10, "B": 10, "C": 0}
    text = CONFIG.format(maximum=maximum, threshold=threshold, sharing=sharing)
    return text + "".join(
        USER.format(name=name, number=number, allocation=allocation)
        for number, (name, allocation) in enumerate(users.items(), start=1)
    )


def configured(*words, **changes):
    return settings.parse(configuration(*words, **changes), insecure=True)


@dataclass
class Sender:
    """A User's system: its rate (SR/s) from second `since` until `until`, and after how long it comes back."""

    name: str
    rate: float
    since: float = 0.0
    until: float = 1e9
    back: float | None = None
    most: int = 1000
    srvs: tuple[str, ...] = ("2.2", "4.6.1", "11.1")


@dataclass
class Written:
    """Rows as a gateway would have written them."""

    rows: list[dict] = field(default_factory=list)

    def table(self):
        return pa.Table.from_pylist(self.rows, pa.schema([(f.name, plain(f.type)) for f in SCHEMA])).cast(SCHEMA)

    def parquet(self, path, group=700):
        pq.write_table(self.table(), path, row_group_size=group)
        return path


def plain(kind):
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def row(at, user, request, outcome="within", srv="2.2", **more):
    """One row; `at` in seconds from START."""
    status = {"throttled": 503, "rejected": 502}.get(outcome, 200)
    let_through = outcome not in ("throttled", "rejected")
    return {
        "time": datetime.fromtimestamp((BASE + round(at * 1e6)) / 1e6, UTC),
        "user": user,
        "request": request,
        "srv": srv,
        "command_variant": 1,
        "region": "North",
        "duis": "5.4",
        "size": 1000,
        "outcome": outcome,
        "status": status,
        "upstream_status": 200 if let_through else None,
        "latency": 0.125 if let_through else None,
        **more,
    }


def traffic(config, senders, seconds=120.0, seed=1):
    """What the gateway of this configuration would have recorded."""
    random = np.random.default_rng(seed)
    book = Book.from_settings(config)
    ledger = LocalLedger(config.capacity, book, 0.0)
    profiles = {holder.name: holder.profile or NO_PROFILE for holder in book.holders}
    accounts = {user.name: ledger.account(user.name) for user in config.users}
    events, number = [], 0
    for sender in senders:
        until = min(seconds, sender.until)
        for at in random.uniform(sender.since, until, random.poisson(sender.rate * (until - sender.since))):
            number += 1
            srv = sender.srvs[number % len(sender.srvs)]
            heapq.heappush(events, (round(at * 1e6), number, 1, sender.name, srv))
    by_name = {sender.name: sender for sender in senders}  # the last of a name says how it comes back
    written = Written()
    while events:
        micro, request, attempt, name, srv = heapq.heappop(events)
        weight = config.capacity.weights.get(srv, 1.0)
        profile = profiles[name]
        rank, reserve = profile.place(srv, 1, "")
        outcome = ledger.decide_team(accounts[name], weight, micro / 1e6, reserve, profile.team(srv, 1, ""))
        written.rows.append(row(micro / 1e6, name, request, OUTCOME[outcome], srv))
        if outcome == THROTTLED:
            ledger.retry_after(accounts[name], weight, micro / 1e6, rank, reserve)
            back = by_name[name].back
            if back is not None and attempt < by_name[name].most and micro / 1e6 + back < seconds:
                heapq.heappush(events, (micro + round(back * 1e6), request, attempt + 1, name, srv))
    return written


BURST = (Sender("A", 6), Sender("A", 30, 20, 50, back=5.0), Sender("B", 6), Sender("C", 3, back=None))
