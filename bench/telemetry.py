"""What telemetry costs the gateway, forwarding and rejecting: without it, with metrics only, with traces, in turn.

.venv/bin/python -m bench.telemetry [--rounds 6] [--seconds 4] [--before DIRECTORY]

`--before` names the sources of an earlier version (a folder `src`), to compare with in the same rounds. Ratios are of
CPU time per request, each to the way before it in the same round: others on the machine lengthen it less than they
lower requests per second. The collector takes everything, and is a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench import certificates
from bench.figures import verify
from bench.loader import Sending, Sent, compiled, send
from bench.messages import write_frames
from bench.peers import CASES, Case, Site, sluicegate_settings, upstream
from bench.processes import Server, end_on_signals, free_port

WAYS = {
    "off": None,
    "metrics": "interval = 1",
    "one in a hundred": "interval = 1\nsample = 0.01",
    "every request": "interval = 1\nsample = 1.0",
}


class Takes(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it, and say so."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def one(site: Site, program: Path, case: Case, way: str, collector: int, asked: argparse.Namespace) -> Sent:
    """One gateway, started, loaded and stopped."""
    port = free_port()
    path = sluicegate_settings(site, case, port, free_port())
    lines = WAYS.get(way)
    if lines is not None:
        table = f'[telemetry]\nendpoint = "http://127.0.0.1:{collector}"\n{lines}\n'
        path.write_text(path.read_text().replace("[admin]", f"{table}[admin]", 1))
    environment = {"PYTHONPATH": str(asked.before)} if way == "before" else {}
    command = [sys.executable, "-m", "sluicegate", "serve", "--config", str(path)]
    with Server(way, command, port, site.work / "gateway.log", environment) as server:
        sending = Sending(port, site.work / f"frames-{case.name}", asked.seconds, 1.0, 32)
        return verify(send(program, sending, server.cpu_seconds), rejecting=case.rejecting, what=f"{way}, {case.name}")


def rounds(site: Site, program: Path, case: Case, collector: int, asked: argparse.Namespace) -> None:
    """All ways in turn, and what each costs."""
    ways = [*(["before"] if asked.before else []), *WAYS]
    found: dict[str, list[Sent]] = {way: [] for way in ways}
    for number in range(asked.rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            found[way].append(one(site, program, case, way, collector, asked))
    for way in ways:
        cpu = median(sent.cpu_per_thousand * 1000 for sent in found[way])
        print(f"{case.name}, {way}: {cpu:.1f} us of CPU a request, {median(s.per_second for s in found[way]):,.0f}/s")
    for over, under in pairwise(ways):
        cost = [b.cpu_per_thousand / a.cpu_per_thousand for a, b in zip(found[over], found[under], strict=True)]
        print(
            f"{case.name}: {under} over {over}: CPU {median(cost):.3f} ({min(cost):.3f} to {max(cost):.3f})", flush=True
        )


def main() -> None:
    """Rounds, then ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--collector", type=int, help="be the collector, at this port")
    asked = parser.parse_args()
    if asked.collector:
        ThreadingHTTPServer(("127.0.0.1", asked.collector), Takes).serve_forever()
    end_on_signals()
    with tempfile.TemporaryDirectory(prefix="bench-telemetry-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Site(folder, free_port(), certificates.issue(folder), (sys.executable, "-m", "sluicegate"))
        program, port = compiled(folder), free_port()
        collector = [sys.executable, "-m", "bench.telemetry", "--collector", str(port)]
        with upstream(site), Server("collector", collector, port, folder / "collector.log"):
            for case in CASES[:2]:
                write_frames(folder / f"frames-{case.name}", rejecting=case.rejecting)
                rounds(site, program, case, port, asked)


if __name__ == "__main__":
    main()
