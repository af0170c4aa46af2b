"""What the tests of the history have in common: a gateway's counters, and a plain model of what must be told."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

from sluicegate.operations.history.counts import HOUR, MINUTE, NONE, added
from sluicegate.operations.history.minute import Minute
from sluicegate.operations.history.writing import Closed, minutes_due, pack_due, summed, write
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.tally import Tally
from sluicegate.settings import History

DAY_ONE = 20_000 * 24 * HOUR  # some midnight

Entry = tuple[int, str, tuple[int, int, int, int, int], dict[str, tuple[int, int, int]]]
"""When (microseconds), who, how much, and of what."""


class Counters:
    """A gateway that counts, and does nothing else."""

    def __init__(self, *names: str, **kept: int) -> None:
        self.tallies = {name: Tally() for name in names}
        self.settings = SimpleNamespace(history=History(**kept))

    def did(self, name: str, srv: str = "4.8.1", within: int = 0, excess: int = 0, throttled: int = 0) -> None:
        """Some requests of one SRV, counted as the gateway counts them."""
        tally = self.tallies[name]
        for outcome, count in enumerate((within, excess, throttled)):
            for _ in range(count):
                (tally.srvs.get(srv) or tally.saw_srv(srv))[outcome] += 1
        tally.within += within
        tally.excess += excess
        tally.throttled += throttled


def closed(entries: Iterable[Entry], first: int = 1) -> list[Closed]:
    """The minutes that a process closes where it counted this."""
    minutes: dict[int, Minute] = {}
    for at, user, counts, srvs in entries:
        begins = at // MINUTE * MINUTE
        minutes.setdefault(begins, Minute(begins)).add(user, counts, srvs)
    numbered = enumerate(sorted(minutes.items()), first)
    return [Closed(seq, begins, minute.requests, *minute.documents()) for seq, (begins, minute) in numbered]


def put(store: OperationsStore, entries: Iterable[Entry], run: str = "one", first: int = 1) -> list[Closed]:
    """Write them, as one process would."""
    some = closed(entries, first)
    with store.changing() as connection:
        write(connection, run, some, DAY_ONE)
    return some


def pack(store: OperationsStore, now: int) -> None:
    """Pack all that is due, as a gateway does."""
    while True:
        with store.reading() as connection:
            found = summed(minutes_due(connection, now))
        if not found.rows:
            return
        with store.changing() as connection:
            assert pack_due(connection, found)


def model(entries: Iterable[Entry], user: str | None, since: int, until: int, step: int) -> dict[int, tuple[int, ...]]:
    """What a series must tell, zeros left out."""
    told: dict[int, tuple[int, ...]] = {}
    begin, end = since // step * step, -(-until // step) * step
    for at, who, counts, _ in entries:
        if (user is None or who == user) and begin <= at < end and any(counts):
            told[at // step * step] = added(told.get(at // step * step, NONE), counts)
    return told
