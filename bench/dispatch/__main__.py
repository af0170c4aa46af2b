"""`python -m bench.dispatch`: measures the dispatcher on both stores, and prints the tables."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import resource
import shlex
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench import machine, report
from bench.dispatch import measures
from bench.dispatch.findings import LABELS, Finding, grids, missed
from bench.dispatch.flow import load_average
from bench.dispatch.measures import Job
from bench.dispatch.plant import Postgres, Site
from bench.dispatch.quiet import QUIET_CORES, TRIES, speed
from bench.dispatch.regions import regions
from bench.loader import compiled
from bench.processes import BenchError, end_on_signals

OPEN_FILES = 4096
MEASURES: dict[str, Callable[[Job], None]] = {
    "throughput": measures.throughput,
    "acknowledgement": measures.acknowledgement,
    "outcomes": measures.outcomes,
    "profile": measures.profiled,
    "regions": regions,
    "backlog": measures.backlog,
}
"""In this order: later ones compare themselves with the throughput."""
FACTS = ("cores", "cpu", "kernel", "python", "nginx", "uvloop", "uvicorn", "sqlalchemy", "psycopg")


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.dispatch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="windows of a second: to see that it works (30 s)")
    parser.add_argument("--store", action="append", choices=list(LABELS), help="only this; may repeat")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="only this; may repeat")
    parser.add_argument("--seconds", type=float, help="length of each window (default 20)")
    parser.add_argument("--repeats", type=int, help="of what is repeated (default 5)")
    parser.add_argument("--backlog", type=int, help="SRs (default 1,000,000)")
    parser.add_argument("--drain-seconds", type=float, help="a drain is watched for so long (default 1500)")
    parser.add_argument("--dispatcher", default=".venv/bin/sluicegate", help="our command, before `dispatch`")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the result files")
    parser.add_argument("--work", type=Path, help="folder on the disk that the stores are to be on")
    parser.add_argument(
        "--patience", type=float, default=0.0,
        help="wait so many seconds before each window for others to be quiet, and measure again what they disturb",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is missed")
    chosen = parser.parse_args(words)
    usual = (1.0, 1, 6_000, 10.0) if chosen.quick else (20.0, 5, 1_000_000, 1500.0)
    for name, value in zip(("seconds", "repeats", "backlog", "drain_seconds"), usual, strict=True):
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    return chosen


def sync_ms(folder: Path, count: int = 200) -> float:
    """Milliseconds that the disk takes to make 8 KiB safe (fdatasync), the median."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as out:
        for _ in range(count):
            out.write(b"x" * 8192)
            begun = time.perf_counter()
            os.fdatasync(out.fileno())
            times.append(time.perf_counter() - begun)
    return 1000 * sorted(times)[count // 2]


def facts(folder: Path) -> dict[str, str]:
    """The machine, the programs, and the disk."""
    known = machine.facts() | {name: machine.package_version(name) for name in ("sqlalchemy", "psycopg")}
    return {name: known[name] for name in FACTS} | {
        "sqlite": sqlite3.sqlite_version,
        "fdatasync of 8 KiB": f"{sync_ms(folder):.2f} ms",
    }


def run(chosen: argparse.Namespace, console: Console) -> bool:
    """Measure, show, save. True if every target was reached.

    Raises BenchError if something is missing, does not start or answers wrongly.
    """
    command = tuple(shlex.split(chosen.dispatcher))
    if shutil.which(command[0]) is None:
        raise BenchError(f"{command[0]} is missing: run `make setup`, or name it with --dispatcher")
    if not (0.5 <= chosen.seconds <= 600 and 1 <= chosen.repeats <= 100 and 100 <= chosen.backlog <= 9_000_000):
        raise BenchError("--seconds is 0.5 to 600, --repeats 1 to 100, --backlog 100 to 9,000,000")
    names = [name for name in MEASURES if not chosen.only or name in chosen.only]
    before, jobs, speeds, whole = load_average(), list[Job](), [speed()], False
    with tempfile.TemporaryDirectory(prefix="sluicegate-dispatch-", dir=chosen.work) as folder:
        work = Path(folder)
        work.chmod(0o755)  # PostgreSQL, which is nobody, must reach its own folder below
        about = facts(work)
        site = Site(work, tuple(str(Path(shutil.which(word) or word)) for word in command[:1]) + command[1:],
                    compiled(work), chosen.patience)  # fmt: skip
        try:
            for store in chosen.store or list(LABELS):
                with contextlib.ExitStack() as stack, console.status(LABELS[store]) as status:
                    server = stack.enter_context(Postgres(work)) if store == "postgres" else None
                    if server is not None:
                        about |= {f"PostgreSQL {name}": value for name, value in server.settings().items()}
                    job = _job(chosen, site, store, server, lambda line, s=store: status.update(f"{LABELS[s]}: {line}"))
                    jobs.append(job)
                    for name in names:
                        begun = time.monotonic()
                        speeds.append(speed())
                        MEASURES[name](job)
                        console.print(f"{LABELS[store]}: {name}: {time.monotonic() - begun:.0f} s")
            whole = True
        finally:
            if any(job.findings for job in jobs):
                about["millions of loop passes a second"] = f"{min(speeds):.0f} to {max(speeds):.0f}"
                publish(chosen, console, jobs, about, (before, load_average()), whole=whole)
    return not missed(_all(jobs))


def _job(
    chosen: argparse.Namespace, site: Site, store: str, server: Postgres | None, tell: Callable[[str], None]
) -> Job:
    return Job(
        site, store, server, chosen.seconds, chosen.repeats, 2 if chosen.quick else 6, chosen.backlog,
        chosen.drain_seconds, chosen.out, tell,
    )  # fmt: skip


def _all(jobs: list[Job]) -> list[Finding]:
    return [found for job in jobs for found in job.findings]


def publish(
    chosen: argparse.Namespace,
    console: Console,
    jobs: list[Job],
    about: dict[str, str],
    load: tuple[float, float],
    *,
    whole: bool,
) -> None:
    """Tables to the terminal, both files to the folder."""
    date, findings = datetime.datetime.now(datetime.UTC), _all(jobs)
    tables = grids(findings)
    report.show(console, tables)
    for line in missed(findings):
        console.print(f"MISSED: {line}", style="red")
    line = " ".join(["python -m bench.dispatch", *sys.argv[1:]])
    method = "" if whole else "INTERRUPTED, so not all of it, "
    method += f"windows of {chosen.seconds:g} s after 2 s of warm-up, median (least to most) of {chosen.repeats} where "
    method += f"something is repeated, load average {load[0]:.2f} before and {load[1]:.2f} after"
    if chosen.patience:
        method += (
            f"; windows in which others used more than {QUIET_CORES:g} cores were measured again, up to {TRIES} times"
        )
    page = report.markdown(tables, about, line, f"{date:%Y-%m-%d}", method)
    page += "\n".join(["**Missed**", "", *(f"- {one}" for one in missed(findings) or ["nothing"])]) + "\n"
    document: dict[str, object] = {
        "date": date.isoformat(timespec="seconds"), "command": line, "machine": about, "method": method,
        "findings": [asdict(one) | {"wanted": one.wanted, "met": one.met} for one in findings],
        "details": {job.store: job.details for job in jobs},
    }  # fmt: skip
    stem = f"bench-dispatch-{date:%Y-%m-%d}" + ("" if whole else "-partial")
    for path in report.save(chosen.out, stem, document, page):
        console.print(f"written: {path}")


def main(words: list[str]) -> int:
    """Exit code: 0 measured, 1 a target missed under --strict, 2 could not measure, 130 interrupted."""
    end_on_signals()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))
    console, chosen = report.wide_console(), arguments(words)
    try:
        met = run(chosen, console)
    except BenchError as error:
        Console(stderr=True).print(f"bench: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left running")
        return 130
    return 1 if chosen.strict and not met else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
