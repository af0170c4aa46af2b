"""What operations cost the gateway: the same requests with [operations] and without, in turn, at 200 Users.

.venv/bin/python -m bench.operations [--rounds 8] [--seconds 4] [--rate 5000] [--before DIRECTORY]

`--before` names the sources of an earlier version (a folder `src`), to compare with in the same rounds. The first
ratio is of CPU time per request: others on the machine lengthen it less than they lower requests per second.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

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


def eui(user: int) -> str:
    """Its one ID."""
    return f"90-B3-D5-1F-30-{user:02X}-00-00"


def write_mix(path: Path) -> None:
    """Requests of all Users, each of its own SRVs."""
    chance, everything = random.Random(5), sorted(CATALOGUE)
    mine = [chance.sample(everything, SRVS) for _ in range(USERS)]
    with path.open("wb") as out:
        for number in range(6000):
            user = chance.randrange(USERS)
            target = "-".join(f"{chance.randrange(256):02X}" for _ in range(8))
            srv = chance.choice(mine[user])
            body = compose_request(eui(user), target, number, srv, version="5.4", size=TOP_UP_OCTETS)
            out.write(frame(0, 200, post(body)))


def settings(site: Site, port: int, *, operations: bool) -> str:
    """Nobody is throttled: it is the dearest case, for every request is forwarded."""
    tables = ["[capacity]", "maximum = 1000000", "operating_threshold = 900000", "[gateway]"]
    tables += [f'listen = "127.0.0.1:{port}"', f'upstream = "http://127.0.0.1:{site.upstream}"']
    tables += ['identity = "originator"']
    if operations:
        tables += ["[operations]", 'database = "operations.db"']
    for user in range(USERS):
        tables += ["[[user]]", f'name = "Energy Supplier {user:03d}"', f'ids = ["{eui(user)}"]', 'role = "IS"']
        tables += ["allocation = 1000"]
    return "\n".join(tables) + "\n"


def one(site: Site, program: Path, frames: Path, way: str, asked: argparse.Namespace) -> Sent:
    """One gateway, started, loaded and stopped."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(dir=site.work))
    path = folder / "sluicegate.toml"
    path.write_text(settings(site, port, operations=way == "on"))
    environment = {"PYTHONPATH": str(asked.before)} if way == "before" else {}
    command = [sys.executable, "-m", "sluicegate", "serve", "--config", str(path)]
    with Server(way, command, port, folder / "out.log", environment) as server:
        return send(program, Sending(port, frames, asked.seconds, 2.0, 32, asked.rate or None), server.cpu_seconds)


def main() -> None:
    """Rounds, then ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=5000.0, help="requests/s; 0: as many as it can take")
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    end_on_signals()
    ways = [*(["before"] if asked.before else []), "off", "on"]
    found: dict[str, list[Sent]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="bench-operations-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Site(folder, free_port(), certificates.issue(folder), (sys.executable, "-m", "sluicegate"))
        program, frames = compiled(folder), folder / "frames"
        write_mix(frames)
        with upstream(site):
            for number in range(asked.rounds):
                for way in ways if number % 2 == 0 else reversed(ways):
                    sent = one(site, program, frames, way, asked)
                    found[way].append(sent)
                    said = f"{sent.per_second:,.0f}/s, {sent.cpu_per_thousand * 1000:.0f} us of CPU a request"
                    print(f"round {number + 1}, {way}: {said}, {sent.unexpected} unexpected", flush=True)
    for over, under in pairwise(ways):
        pairs = list(zip(found[over], found[under], strict=True))
        cpu = [b.cpu_per_thousand / a.cpu_per_thousand for a, b in pairs]
        rate = [b.per_second / a.per_second for a, b in pairs]
        print(
            f"{under} over {over}: CPU a request {median(cpu):.3f} ({min(cpu):.3f} to {max(cpu):.3f}), "
            f"requests/s {median(rate):.3f} ({min(rate):.3f} to {max(rate):.3f})"
        )


if __name__ == "__main__":
    main()
