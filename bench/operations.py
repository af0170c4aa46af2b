"""What operations cost the gateway: the same requests with [operations] and without, in turn, at 200 Users.

.venv/bin/python -m bench.operations [--pairs 8] [--slices 6] [--seconds 4] [--rate 5000] [--before DIRECTORY]
.venv/bin/python -m bench.operations --rejecting         # nearly all is throttled; with the screens' ring and without
.venv/bin/python -m bench.operations --rate 0            # as many as it takes: throughput

A pair is two (or more) fresh gateways side by side, each loaded for a slice while the others have nothing to do, in the
order A B B A ...; a pair's ratio is of all its slices. What is told is the geometric mean over the pairs with its 95%
interval (bootstrap over pairs: a process is fast or slow as a whole, so slices of one are no evidence of their own).

The ratio of CPU time of the gateway's process a request is the one to look at: others on the machine lengthen it less
than they lower requests per second. It has in it what the process does beside requests, looks and writing, for as long
as a slice takes, and what it does while it has no load is left out. `--before` names the sources of an earlier version
(a folder `src`), to compare with in the same pairs.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from math import exp, fsum, log
from pathlib import Path

from bench import certificates
from bench.loader import Sending, Sent, compiled, send
from bench.messages import frame, post
from bench.peers import Site, upstream
from bench.processes import Server, end_on_signals, free_port
from sluicegate.duis import compose_request
from sluicegate.duis.catalogue import CATALOGUE
from sluicegate.duis.compose import TOP_UP_OCTETS

USERS = 200
SRVS = 12  # of each User
BAR = 1.05
RESAMPLED = 10_000
LEAST = 5  # pairs that an interval can be told of
BEFORE, OFF, ON, NO_RING = "before", "off", "on", "on, no ring"


def eui(user: int) -> str:
    """Its one ID."""
    return f"90-B3-D5-1F-30-{user:02X}-00-00"


def write_mix(path: Path, status: int) -> None:
    """Requests of all Users, each of its own SRVs, and how they are to be answered."""
    chance, everything = random.Random(5), sorted(CATALOGUE)
    mine = [chance.sample(everything, SRVS) for _ in range(USERS)]
    with path.open("wb") as out:
        for number in range(6000):
            user = chance.randrange(USERS)
            target = "-".join(f"{chance.randrange(256):02X}" for _ in range(8))
            srv = chance.choice(mine[user])
            body = compose_request(eui(user), target, number, srv, version="5.4", size=TOP_UP_OCTETS)
            out.write(frame(0, status, post(body)))


def settings(site: Site, port: int, way: str, *, rejecting: bool) -> str:
    """Nobody is throttled, and every request forwarded: the dearest case. Or nearly all are."""
    maximum, threshold, each = (20, 10, 0.1) if rejecting else (1_000_000, 900_000, 1000)
    tables = ["[capacity]", f"maximum = {maximum}", f"operating_threshold = {threshold}", "[responses]"]
    tables += ['too_many_requests_from_duis = "4.1"', "[gateway]"]
    tables += [f'listen = "127.0.0.1:{port}"', f'upstream = "http://127.0.0.1:{site.upstream}"']
    tables += ['identity = "originator"']
    if way in (ON, NO_RING):
        tables += ["[operations]", 'database = "operations.db"', "[account]", f'listen = "127.0.0.1:{free_port()}"']
    if way == NO_RING:
        tables += ["[screens]", "throttled_kept = 0"]
    for user in range(USERS):
        tables += ["[[user]]", f'name = "Energy Supplier {user:03d}"', f'ids = ["{eui(user)}"]', 'role = "IS"']
        tables += [f"allocation = {each}"]
    return "\n".join(tables) + "\n"


def started(site: Site, way: str, asked: argparse.Namespace) -> tuple[Server, int]:
    """A gateway that is not running yet, and its port."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(dir=site.work))
    path = folder / "sluicegate.toml"
    path.write_text(settings(site, port, way, rejecting=asked.rejecting))
    environment = {"PYTHONPATH": str(asked.before)} if way == BEFORE else {}
    command = [sys.executable, "-m", "sluicegate", "serve", "--config", str(path)]
    return Server(way, command, port, folder / "out.log", environment), port


def pair(site: Site, program: Path, frames: Path, ways: Sequence[str], asked: argparse.Namespace) -> dict[str, Spent]:
    """One gateway of each way, loaded in turn."""
    with ExitStack() as stack:
        running = {}
        for way in ways:
            server, port = started(site, way, asked)
            running[way] = (stack.enter_context(server), port)
        found = {way: Spent() for way in ways}
        for number in range(asked.slices):
            for way in ways if number % 2 == 0 else reversed(ways):
                server, port = running[way]
                warmup = 2.0 if number == 0 else 0.3
                sending = Sending(port, frames, asked.seconds, warmup, 32, asked.rate or None)
                found[way].add(send(program, sending, server.cpu_seconds))
    return found


class Spent:
    """What one gateway did in all its slices."""

    def __init__(self) -> None:
        self.completed = self.unexpected = 0
        self.cpu = self.seconds = 0.0

    def add(self, sent: Sent) -> None:
        """One more slice."""
        self.completed += sent.completed
        self.unexpected += sent.unexpected
        self.cpu += sent.server_cpu_seconds
        self.seconds += sent.seconds

    @property
    def each(self) -> float:
        """Microseconds of CPU a request."""
        return 1e6 * self.cpu / self.completed

    @property
    def per_second(self) -> float:
        """Requests answered."""
        return self.completed / self.seconds


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean, and the ends of its 95% interval."""
    logs, chance = [log(ratio) for ratio in ratios], random.Random(1)
    means = sorted(fsum(chance.choices(logs, k=len(logs))) / len(logs) for _ in range(RESAMPLED))
    low, high = means[int(0.025 * RESAMPLED)], means[int(0.975 * RESAMPLED)]
    return exp(fsum(logs) / len(logs)), exp(low), exp(high)


def report(ways: Sequence[str], found: Sequence[dict[str, Spent]]) -> None:
    """Each way over the one before it."""
    for over, under in pairwise(ways):
        cpu = interval([one[under].each / one[over].each for one in found])
        rate = interval([one[under].per_second / one[over].per_second for one in found])
        wide = max(cpu[2] / cpu[0], cpu[0] / cpu[1]) - 1
        said = (
            "too few pairs"
            if len(found) < LEAST
            else "met"
            if cpu[2] <= BAR
            else "missed"
            if cpu[1] > BAR
            else "not decided: more pairs"
        )
        print(f"{under} over {over}: CPU a request {cpu[0]:.3f} ({cpu[1]:.3f} to {cpu[2]:.3f}, +-{wide:.1%}), ", end="")
        print(f"requests/s {rate[0]:.3f} ({rate[1]:.3f} to {rate[2]:.3f}); bar {BAR:.2f}: {said}")


def main() -> None:
    """Pairs, then ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a slice")
    parser.add_argument("--rate", type=float, default=5000.0, help="requests/s; 0: as many as it can take")
    parser.add_argument("--rejecting", action="store_true", help="nearly all is throttled")
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    end_on_signals()
    ways = [*([BEFORE] if asked.before else []), OFF, *([NO_RING] if asked.rejecting else []), ON]
    found: list[dict[str, Spent]] = []
    with tempfile.TemporaryDirectory(prefix="bench-operations-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Site(folder, free_port(), certificates.issue(folder), (sys.executable, "-m", "sluicegate"))
        program, frames = compiled(folder), folder / "frames"
        write_mix(frames, 429 if asked.rejecting else 200)
        with upstream(site):
            for number in range(asked.pairs):
                order = ways if number % 2 == 0 else ways[::-1]
                found.append(pair(site, program, frames, order, asked))
                said = ", ".join(
                    f"{way} {one.each:.1f} us, {one.per_second:,.0f}/s, {one.unexpected} unexpected"
                    for way, one in found[-1].items()
                )
                print(f"pair {number + 1}: {said}", flush=True)
    print(f"{asked.pairs} pairs of {asked.slices} slices, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    report(ways, found)


if __name__ == "__main__":
    main()
