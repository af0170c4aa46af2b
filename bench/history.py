"""The history of usage: how long any screen's query takes over years of it, how large it is, and what counting costs.

.venv/bin/python -m bench.history [--users 200] [--days 396] [--postgresql] [--keep FILE]

Fills a store with minutes of every day, packed as the gateway packs them, and asks what screens ask. "CPU" is the
process's own time, which others on the machine do not lengthen; "cold" is after the operating system was asked to
forget the file (SQLite).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from types import SimpleNamespace

from sqlalchemy import insert

from bench.store import places
from sluicegate.duis.catalogue import CATALOGUE
from sluicegate.operations.history import pieces, seconds
from sluicegate.operations.history.counts import ALL, DAY, HOUR, MINUTE, NONE, SECOND, added
from sluicegate.operations.history.history import History
from sluicegate.operations.history.minute import Minute, packed
from sluicegate.operations.history.packed import pack, unpack
from sluicegate.operations.history.reading import Usages
from sluicegate.operations.history.writing import NAMES, Closed, minutes_due, pack_due, summed, write
from sluicegate.operations.store.history_tables import usage_day, usage_hour, usage_pieces
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.tally import Tally
from sluicegate.settings import History as Kept

BEGIN = 20_000 * DAY
ROUNDS = 7
BAR = 300.0  # ms
OF_USER = 12  # SRVs that a User sends
POOL = 200  # hours that are made; every stored hour is one of them


def name_of(user: int) -> str:
    """As long as the names of real Users."""
    return f"Energy Supplier {user:05d}"


class Hours:
    """Hours of usage to draw from: to make one anew for each of two million rows would take too long."""

    def __init__(self, users: int, chance: random.Random) -> None:
        self._chance = chance
        self._all = [self._hour(users * 25, 129) for _ in range(8)]
        self._one = [self._hour(chance.choice((4, 25, 60, 1500)), OF_USER) for _ in range(POOL)]

    def _hour(self, a_minute: int, srvs: int) -> dict[str, object]:
        chance = self._chance
        columns = [[int(chance.expovariate(1 / a_minute)) for _ in range(60)]]
        busy = chance.random() < 0.4
        columns += [[int(chance.expovariate(8 / a_minute)) if busy else 0 for _ in range(60)] for _ in range(2)]
        columns += [[0] * 60, [0] * 60]
        sums = [sum(column) for column in columns]
        chosen = chance.sample(sorted(CATALOGUE), min(srvs, len(CATALOGUE)))
        mix = {srv: tuple(count // len(chosen) for count in sums[:3]) for srv in chosen}
        return {**dict(zip(NAMES, sums, strict=True)), "minutes": pack(columns), "srvs": packed(mix)}

    def of(self, user: str) -> dict[str, object]:
        """One of them."""
        return self._chance.choice(self._all if user == ALL else self._one)


def fill(store: OperationsStore, users: int, days: int) -> None:
    """Rows as packing leaves them."""
    chance = random.Random(1)
    hours = Hours(users, chance)
    names = [ALL, *(name_of(user) for user in range(users))]
    for first in range(0, days, 10):
        with store.changing() as connection:
            for day in range(first, min(first + 10, days)):
                begins = BEGIN + day * DAY
                sums = dict.fromkeys(names, NONE)
                rows, of_pieces = [], []
                for name in names:
                    day_of = pieces.none()
                    for hour in range(24):
                        drawn = hours.of(name)
                        pieces.of_hour(unpack(drawn["minutes"]), begins + hour * HOUR, day_of)  # type: ignore[arg-type]
                        rows.append({"user": name, "begins": begins + hour * HOUR, **drawn})
                        sums[name] = added(sums[name], (drawn[column] for column in NAMES))  # type: ignore[misc]
                    of_pieces.extend(
                        {"user": name, "begins": at, "pieces": pack(half)} for at, half in pieces.halves(begins, day_of)
                    )
                connection.execute(insert(usage_hour), rows)
                connection.execute(insert(usage_pieces), of_pieces)
                of_day = [
                    {
                        "begins": begins,
                        "user": name,
                        **dict(zip(NAMES, sums[name], strict=True)),
                        "srvs": rows[at * 24]["srvs"],
                    }
                    for at, name in enumerate(names)
                ]
                connection.execute(insert(usage_day), of_day)


def a_minute(seq: int, begins: int, users: int, chance: random.Random) -> Closed:
    """A minute as a gateway closes it."""
    minute = Minute(begins)
    srvs = sorted(CATALOGUE)
    for user in range(users):
        mix = {srv: (chance.randrange(60), 0, 0) for srv in chance.sample(srvs, OF_USER)}
        minute.add(name_of(user), (sum(some[0] for some in mix.values()), 0, 0, 0, 0), mix)
    return Closed(seq, begins, minute.requests, *minute.documents())


def fresh(store: OperationsStore, users: int, days: int, minutes: int) -> None:
    """Minutes that no hour has yet, as there are between two packings."""
    chance, begins = random.Random(2), BEGIN + days * DAY
    closed = [a_minute(n + 1, begins + n * MINUTE, users, chance) for n in range(minutes)]
    with store.changing() as connection:
        write(connection, "bench", closed, BEGIN)


def queries(days: int, user: str) -> dict[str, Callable[[Usages], object]]:
    """What screens ask, the worst of each kind."""
    end = BEGIN + days * DAY + HOUR
    whole, odd = BEGIN, BEGIN + 7 * HOUR + 13 * MINUTE
    return {
        "all Users, an hour by minute": lambda u: u.series(None, end - HOUR, end, MINUTE),
        "all Users, 24 h by minute": lambda u: u.series(None, end - DAY, end, MINUTE),
        "one User, 24 h by minute": lambda u: u.series(user, end - DAY, end, MINUTE),
        "one User, 13 days by minute (18,720 points)": lambda u: u.series(user, end - 13 * DAY, end, MINUTE),
        "one User, 13 months by half hour": lambda u: u.series(user, whole, end, 30 * MINUTE),
        "one User, 13 months by hour": lambda u: u.series(user, whole, end, HOUR),
        "one User, 13 months by day": lambda u: u.series(user, whole, end, DAY),
        "all Users, 13 months by half hour": lambda u: u.series(None, whole, end, 30 * MINUTE),
        "all Users, 13 months by day": lambda u: u.series(None, whole, end, DAY),
        "one SRV of one User, 13 months by hour": lambda u: u.series(user, whole, end, HOUR, srv="4.8.1"),
        "by User, 24 h": lambda u: u.by_user(end - DAY, end),
        "by User, a month": lambda u: u.by_user(end - 31 * DAY, end),
        "by User, 13 months that begin and end at odd minutes": lambda u: u.by_user(odd, end - 11 * MINUTE),
        "by SRV of one User, 13 months": lambda u: u.by_srv(user, odd, end),
        "by SRV of all Users, 13 months": lambda u: u.by_srv(None, odd, end),
        "one SRV by User, a month": lambda u: u.by_user(end - 31 * DAY, end, srv="4.8.1"),
    }


def forget(path: Path) -> None:
    """Ask the operating system to read the file from the disk next time."""
    for one in (path, path.with_name(path.name + "-wal")):
        if one.exists():
            descriptor = os.open(one, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def ask(store: OperationsStore, query: Callable[[Usages], object]) -> tuple[float, float]:
    """Milliseconds of one query, its transaction included, and those of CPU."""
    begin, cpu = time.perf_counter(), time.process_time()
    with store.reading() as connection:
        query(Usages(connection))
    return (time.perf_counter() - begin) * 1000, (time.process_time() - cpu) * 1000


@contextmanager
def place(postgresql: bool, keep: Path | None) -> Iterator[str]:
    """Where the store is."""
    with places(None if postgresql else "") as where:
        yield where["PostgreSQL"] if postgresql else str(keep or where["SQLite"])


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--days", type=int, default=396)
    parser.add_argument("--minutes", type=int, default=62, help="that are not packed yet")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--keep", type=Path, help="keep the file, and use it if it is there")
    asked = parser.parse_args()
    with place(asked.postgresql, asked.keep) as where:
        there = asked.keep is not None and asked.keep.exists()
        store = OperationsStore(where)
        if not there:
            begin = time.perf_counter()
            fill(store, asked.users, asked.days)
            fresh(store, asked.users, asked.days, asked.minutes)
            print(f"filled in {time.perf_counter() - begin:.0f} s: {asked.users} Users, {asked.days} days")
        if asked.postgresql and not there:
            with store.changing() as connection:
                connection.exec_driver_sql("ANALYZE")  # as autovacuum does before long
        path = None if asked.postgresql else Path(where)
        if path is not None:
            store.close()
            store = OperationsStore(where)
            octets = path.stat().st_size
            print(f"{octets / 2**20:,.0f} MiB, {octets / asked.users / asked.days:,.0f} octets a User and day")
        report(store, path, asked.days)
        store.close()
    for users in (asked.users, 10_000):
        counting(users)
        packing(users)


def report(store: OperationsStore, path: Path | None, days: int) -> None:
    """Each query: the median and the slowest of the rounds, and the first one on a cold file."""
    print("| query | median, ms | slowest, ms | CPU, median, ms | cold, ms |\n|---|---|---|---|---|")
    worst = worst_cpu = 0.0
    for label, query in queries(days, name_of(7)).items():
        cold = ""
        if path is not None:
            store.close()
            forget(path)
            cold = f"{ask(store, query)[0]:.1f}"
        taken = [ask(store, query) for _ in range(ROUNDS)]
        wall, cpu = [one for one, _ in taken], median(one for _, one in taken)
        worst, worst_cpu = max(worst, *wall), max(worst_cpu, cpu)
        print(f"| {label} | {median(wall):.1f} | {max(wall):.1f} | {cpu:.1f} | {cold} |", flush=True)
    load = os.getloadavg()[0]
    print(f"slowest: {worst:.0f} ms ({worst_cpu:.0f} of CPU), load {load:.1f} on {os.cpu_count()} cores; bar {BAR:.0f}")


def counting(users: int, rate: int = 5_000) -> None:
    """What a look costs the event loop, and how much memory the seconds take."""
    history, looks = asyncio.run(looked(users, rate))
    print(
        f"{users:,} Users at {rate:,}/s: a look takes {median(looks) * 1000:.2f} ms of CPU; "
        f"an hour of seconds takes {history.kept.octets * 3600 / len(looks) / 2**20:.0f} MiB"
    )
    frames = history.kept.frames(0) * (3600 // len(looks))
    begin = time.process_time()
    seconds.of_user(frames, history.kept.number(name_of(7)))
    print(f"an hour of seconds of one User: {(time.process_time() - begin) * 1000:.0f} ms of CPU")


async def looked(users: int, rate: int) -> tuple[History, list[float]]:
    """A history after 60 looks, and the seconds of CPU that each took."""
    tallies = {name_of(user): Tally() for user in range(users)}
    gateway = SimpleNamespace(tallies=tallies, settings=SimpleNamespace(history=Kept()))
    history = History(gateway, SimpleNamespace())  # type: ignore[arg-type]
    chance, srvs, counters = random.Random(3), sorted(CATALOGUE), list(tallies.values())
    mine = [chance.sample(srvs, OF_USER) for _ in range(users)]
    taken = []
    for second in range(60):
        for _ in range(rate):
            user = int(chance.random() ** 2 * users)
            tally, srv = counters[user], chance.choice(mine[user])
            (tally.srvs.get(srv) or tally.saw_srv(srv))[0] += 1
            tally.within += 1
        begin = time.process_time()
        history.look(BEGIN / SECOND + second + 1.002)
        taken.append(time.process_time() - begin)
    return history, taken


def packing(users: int) -> None:
    """An hour of minutes: written, and packed."""
    chance = random.Random(4)
    with place(False, None) as where:
        store = OperationsStore(where)
        minutes = [a_minute(n + 1, BEGIN + n * MINUTE, users, chance) for n in range(60)]
        taken = []
        for one in minutes:
            begin = time.process_time()
            with store.changing() as connection:
                write(connection, "bench", [one], BEGIN)
            taken.append(time.process_time() - begin)
        begin = time.process_time()
        with store.reading() as connection:
            found = summed(minutes_due(connection, BEGIN + 2 * HOUR))
        read = time.process_time()
        with store.changing() as connection:
            pack_due(connection, found)
        done = time.process_time()
        store.close()
    octets = sum(len(one.counts) + len(one.srvs) for one in minutes) / 60
    print(
        f"a minute takes {octets / 1024:.1f} KiB, and {median(taken) * 1000:.1f} ms of CPU to write; an hour is "
        f"added up in {(read - begin) * 1000:.0f} ms, and packed in a transaction of {(done - read) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
