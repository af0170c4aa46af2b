"""`python -m bench.fleet.draws`: draws a second from a real Valkey, and what one costs the server, by Users a draw.

The server is the one of the wheel, on this machine, at a socket. Sixteen workers draw, each one draw after the other.
Users are those of an overload: each draw asks for two waiting requests, two tokens ahead and two of excess of every
one, out of 1,000 Users in all. "Of one core": what the server's CPU a draw allows, for it runs functions on one thread.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import NamedTuple

from sluicegate.ledger.fleet.messages import Ask, Terms, Want
from sluicegate.ledger.fleet.valkey import ValkeyShard

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "ledger"))
from real_valkey import running

WORKERS = 16
USERS = 1000
SECONDS = 4.0
TERMS = Terms(12_500.0, 10_000.0, 0.5, 30.0, 1.0, "fair", 5_000.0, settle=0.0)


class Cost(NamedTuple):
    """Of draws with so many Users: calls a second, the server's CPU a call (microseconds), the worker's."""

    users: int
    calls: float
    server: float
    worker: float


async def worker(shard: ValkeyShard, name: str, users: int, until: float) -> int:
    """Draws until then; returns how often."""
    epoch, share, number = "", 0.0, 0
    while time.monotonic() < until:
        number += 1
        first = number * users
        wants = tuple(
            Want(f"user-{(first + i) % USERS}", 8.0, 4.0, waiting=2.0, ahead=2.0, excess=2.0, asked=3.0)
            for i in range(users)
        )
        ask = Ask(name, "1", epoch, number, time.monotonic(), TERMS, share, owed=users, wants=wants)
        answer = await shard.draw(ask)
        epoch, share = answer.epoch, answer.share
    return number


async def measure(url: str, users: int) -> Cost:
    """Of draws with so many Users."""
    shards = [ValkeyShard(url, f"bench-{users}", timeout=5.0) for _ in range(WORKERS)]
    await shards[0].look()
    client = shards[0]._client
    before, began, own = await client.info("cpu"), time.monotonic(), time.process_time()
    calls = sum(
        await asyncio.gather(*(worker(shard, f"w{i}", users, began + SECONDS) for i, shard in enumerate(shards)))
    )
    took, own = time.monotonic() - began, time.process_time() - own
    after = await client.info("cpu")
    spent = sum(after[each] - before[each] for each in ("used_cpu_user", "used_cpu_sys"))
    for shard in shards:
        await shard.close()
    return Cost(users, calls / took, spent / calls * 1e6, own / calls * 1e6)


def main() -> None:
    print(f"{'Users a draw':>12} {'draws/s':>10} {'server us':>10} {'worker us':>10} {'draws/s of one core':>20}")
    with running() as socket:
        for users in (0, 1, 10, 50):
            cost = asyncio.run(measure(f"unix://{socket}", users))
            print(f"{users:>12} {cost.calls:>10,.0f} {cost.server:>10.0f} {cost.worker:>10.0f}", end=" ")
            print(f"{1e6 / cost.server:>20,.0f}")


if __name__ == "__main__":
    main()
