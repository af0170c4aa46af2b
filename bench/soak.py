"""A long run of the gateway under mixed clients: does its memory, or its number of open files, creep?

`python -m bench.soak [--minutes 10] [--rate 600]`. The traffic: a steady open loop, half of it admitted and half
throttled, and beside it the clients of bench/misbehaviour.py, each kind from a loopback address of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import random
import shlex
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import certificates, machine, report
from bench.loader import Sending, Sent, compiled, send
from bench.messages import frame, post, top_up, users
from bench.misbehaviour import misbehave
from bench.peers import Case, Site, require, sluicegate_settings, upstream
from bench.processes import BenchError, Server, end_on_signals, free_port, tree

WARM_UP = 0.2
"""Part of the run that is left out of the verdict: pools, caches and banks fill."""
SLOPE_LIMIT = 40.0
"""KiB a minute: less than 60 MB a day, and above what a quiet allocator wavers in ten minutes."""
FILES_LIMIT = 4
"""Open files that may be more after all clients have gone than before they came."""

SETTLE_SECONDS = 40.0
"""Twice the time after which the gateway closes an unused connection to the upstream."""


@dataclass(frozen=True)
class Reading:
    """The gateway at one second of the run."""

    second: float
    rss_kib: int
    files: int


def read_now(pid: int, begun: float) -> Reading:
    """Resident memory and open files of the process tree, now."""
    rss = files = 0
    for each in tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{each}/status").read_text()
            rss += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
            files += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
    return Reading(time.monotonic() - begun, rss, files)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil-Sen slope: the median of the slopes between points half the run apart, which outliers do not move.

    Raises ValueError for fewer than four points.
    """
    half = len(points) // 2
    if half < 2:
        raise ValueError("a slope needs at least four points")
    pairs = zip(points[:half], points[len(points) - half :], strict=True)
    return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs)


@dataclass(frozen=True)
class Verdict:
    """What the soak found. Flat is what was hoped for."""

    slope_kib_per_minute: float
    rss_kib_first: int
    rss_kib_last: int
    files_before: int
    files_after: int
    stopped_with: int | None

    @property
    def flat(self) -> bool:
        """No creep, no file left open, and a clean end."""
        steady = self.slope_kib_per_minute <= SLOPE_LIMIT
        return steady and self.files_after <= self.files_before + FILES_LIMIT and self.stopped_with == 0


def judge(readings: Sequence[Reading], before: Reading, after: Reading, stopped_with: int | None) -> Verdict:
    """The verdict on a run's readings, after the warm-up."""
    kept = readings[int(len(readings) * WARM_UP) :]
    creep = 60 * slope([(reading.second, float(reading.rss_kib)) for reading in kept])
    return Verdict(creep, kept[0].rss_kib, kept[-1].rss_kib, before.files, after.files, stopped_with)


def write_mix(path: Path) -> None:
    """The steady senders' requests: top-ups of all Users. The allocations admit half of them."""
    chance, everybody = random.Random(11), users()
    with path.open("wb") as out:
        for number in range(3000):
            out.write(frame(0, 200, post(top_up(chance.choice(everybody), number, chance))))


def watch(server: Server, begun: float, seconds: float, tell: Callable[[str], None]) -> list[Reading]:
    """A reading each second, for so many seconds."""
    readings: list[Reading] = []
    while (passed := time.monotonic() - begun) < seconds:
        readings.append(read_now(server.pid, begun))
        tell(f"{passed:4.0f} of {seconds:.0f} s: {readings[-1].rss_kib:,} KiB, {readings[-1].files} open files")
        time.sleep(max(0.0, begun + len(readings) - time.monotonic()))
    return readings


def settle(server: Server, begun: float, files: int) -> Reading:
    """A reading once the open files are back to `files`, or after SETTLE_SECONDS: pooled connections may idle on."""
    deadline = time.monotonic() + SETTLE_SECONDS
    reading = read_now(server.pid, begun)
    while reading.files > files and time.monotonic() < deadline:
        time.sleep(1)
        reading = read_now(server.pid, begun)
    return reading


@dataclass(frozen=True)
class Soak:
    """A whole run: its readings, what the clients were told, and the verdict."""

    readings: list[Reading]
    steady: Sent
    others: dict[str, int]
    verdict: Verdict


def soak(site: Site, minutes: float, rate: float, tell: Callable[[str], None]) -> Soak:
    """Run the gateway for `minutes` under the mix at `rate` requests/s, then stop it with SIGTERM.

    Raises BenchError if it does not start, or the load generator could not run.
    """
    program, port = compiled(site.work), free_port()
    case = Case("soak", rejecting=False, tls=False, allocation=rate / len(users()) / 2, threshold=rate / 2)
    path = sluicegate_settings(site, case, port, free_port())
    mix = site.work / "mix"
    write_mix(mix)
    seconds, counts, sent = minutes * 60, Counter[str](), list[Sent | BaseException]()

    def load() -> None:
        try:
            sending = Sending(port, mix, seconds - 1, 1.0, 30, rate, source="127.0.2.1")
            sent.append(send(program, sending))
        except BenchError as error:
            sent.append(error)

    with Server("sluicegate", [*site.gateway, "serve", "--config", str(path)], port, site.work / "out.log") as server:
        time.sleep(1)
        begun = time.monotonic()
        before = read_now(server.pid, begun)
        threads = [
            threading.Thread(target=load, daemon=True),
            threading.Thread(target=lambda: asyncio.run(misbehave(port, begun + seconds, counts)), daemon=True),
        ]
        for thread in threads:
            thread.start()
        readings = watch(server, begun, seconds, tell)
        for thread in threads:
            thread.join(60)
        tell("the clients are gone: waiting for what is pooled to be closed")
        after = settle(server, begun, before.files)
        verdict = judge(readings, before, after, server.stop())
    if not sent or isinstance(sent[0], BaseException):
        raise BenchError(f"soak: {sent[0] if sent else 'the load generator did not end'}")
    return Soak(readings, sent[0], dict(sorted(counts.items())), verdict)


def main(words: Sequence[str]) -> int:
    """Exit code: 0 flat, 1 not, 2 could not run, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--rate", type=float, default=600.0, help="steady requests/s (default 600)")
    parser.add_argument("--gateway", default=".venv/bin/sluicegate", help="our command, before `serve`")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result file")
    chosen = parser.parse_args(words)
    end_on_signals()
    console, command = report.wide_console(), tuple(shlex.split(chosen.gateway))
    try:
        require({"sluicegate"}, command)
        with tempfile.TemporaryDirectory(prefix="sluicegate-soak-") as folder:
            Path(folder).chmod(0o755)
            site = Site(Path(folder), free_port(), certificates.issue(Path(folder)), command)
            with upstream(site), console.status("starting") as status:
                found = soak(site, chosen.minutes, chosen.rate, status.update)
    except BenchError as error:
        Console(stderr=True).print(f"soak: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return publish(chosen, console, found)


def publish(chosen: argparse.Namespace, console: Console, found: Soak) -> int:
    """Say it, and write it down."""
    verdict, date = found.verdict, datetime.datetime.now(datetime.UTC)
    rows = (
        ("slope of resident memory", f"{verdict.slope_kib_per_minute:+.1f} KiB/min (at most {SLOPE_LIMIT:g})"),
        ("resident memory, after warm-up to end", f"{verdict.rss_kib_first:,} to {verdict.rss_kib_last:,} KiB"),
        ("open files, before and after", f"{verdict.files_before} and {verdict.files_after}"),
        ("exit code after SIGTERM", str(verdict.stopped_with)),
        ("steady clients were told", ", ".join(f"{n:,} x {s}" for s, n in sorted(found.steady.statuses.items()))),
        ("and lost", f"{found.steady.lost} answers, {found.steady.reconnects} reconnects"),
        *((f"others: {what}", f"{count:,}") for what, count in found.others.items()),
        ("verdict", "flat" if verdict.flat else "NOT FLAT"),
    )
    grid = report.Grid(f"Soak, {chosen.minutes:g} minutes", ("", ""), rows)
    report.show(console, [grid])
    line = " ".join(["python -m bench.soak", *sys.argv[1:]])
    page = report.markdown([grid], machine.facts(), line, f"{date:%Y-%m-%d}", f"{chosen.rate:g} requests/s")
    paths = report.save(chosen.out, f"soak-{date:%Y-%m-%d}", {"machine": machine.facts(), **asdict(found)}, page)
    console.print(f"written: {paths[0]}\nwritten: {paths[1]}")
    return 0 if verdict.flat else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
