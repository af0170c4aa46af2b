"""`python -m bench.asked`: Envoy that asks us, in both ways, beside our own gateway and Envoy that asks nobody."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import yaml

from bench import certificates, machine
from bench.figures import verify
from bench.loader import Sending, Sent, compiled, send
from bench.messages import write_frames
from bench.peers import CASES, PYTHON, Case, Site, require, sluicegate_settings, upstream
from bench.processes import BenchError, Bystanders, Server, end_on_signals, free_port
from bench.shipped import AUTHORISATION, RATE_LIMIT, shipped

GATEWAY, ALONE, AUTHORISED, LIMITED = "Sluicegate", "Envoy alone", "Envoy, ext_authz", "Envoy, rate limit service"
KINDS = (GATEWAY, ALONE, AUTHORISED, LIMITED)
PLAIN = CASES[:2]
Rates = dict[tuple[str, str], list[Sent]]


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.asked", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all, in turn (default 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each window, s (default 4)")
    parser.add_argument("--gateway", default=".venv/bin/sluicegate", help="our command")
    return parser.parse_args(words)


@contextlib.contextmanager
def running(site: Site, case: Case, kind: str) -> Iterator[tuple[int, list[Server]]]:
    """The door's port, and the processes behind it."""
    own, port, asked = free_port(), free_port(), free_port()
    with contextlib.ExitStack() as stack:
        servers = []
        if kind != ALONE:
            path = sluicegate_settings(site, case, own, free_port())
            key = {AUTHORISED: "listen", LIMITED: "grpc"}.get(kind)
            if key:
                path.write_text(path.read_text() + f'\n[ask]\n{key} = "127.0.0.1:{asked}"\n')
            command = [*site.gateway, "serve", "--config", str(path)]
            ready = asked if key else own
            servers.append(stack.enter_context(Server("sluicegate", command, ready, site.work / "sluicegate.out")))
        if kind == GATEWAY:
            yield own, servers
            return
        name = RATE_LIMIT if kind == LIMITED else AUTHORISATION
        told, manager = shipped(name, port=port, dsp=site.upstream, asked=asked)
        if kind == ALONE:
            manager["http_filters"] = manager["http_filters"][-1:]
        file = site.work / "envoy.yaml"
        file.write_text(yaml.safe_dump(told))
        command = [str(Path(PYTHON).parent / "envoy"), "-c", str(file), "--log-level", "error", "--use-dynamic-base-id"]
        servers.append(stack.enter_context(Server("envoy", command, port, site.work / "envoy.out")))
        yield port, servers


def measured(site: Site, program: Path, case: Case, kind: str, seconds: float) -> Sent:
    """One window in closed loop, 32 connections. Raises BenchError where an answer was another than expected."""
    frames = site.work / f"frames-{case.rejecting}"
    if not frames.exists():
        write_frames(frames, rejecting=case.rejecting, grouped=False)
    with running(site, case, kind) as (port, servers):
        sent = send(program, Sending(port, frames, seconds), lambda: sum(one.cpu_seconds() for one in servers))
    return verify(sent, rejecting=case.rejecting, what=f"{kind}, {case.name}")


def table(rates: Rates) -> list[str]:
    """The figures as Markdown: medians (least to most), and ratios of what was measured in the same round."""
    lines = [
        "| | | requests/s | p99, ms | CPU-s per 1,000 | of Sluicegate's | of Envoy's alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in PLAIN:
        for kind in KINDS:
            of = rates.get((case.name, kind), [])
            if not of:
                continue
            rate = [sent.per_second for sent in of]
            parts = [_part(of, rates.get((case.name, other), []), kind == other) for other in (GATEWAY, ALONE)]
            lines.append(
                f"| {case.name} | {kind} | {median(rate):,.0f} ({min(rate):,.0f} to {max(rate):,.0f}) "
                f"| {median(sent.latency_ms['p99'] for sent in of):.1f} "
                f"| {median(sent.cpu_per_thousand for sent in of):.3f} | {' | '.join(parts)} |"
            )
    return lines


def _part(of: list[Sent], other: list[Sent], same: bool) -> str:
    parts = [a.per_second / b.per_second for a, b in zip(of, other, strict=False)]
    return f"{median(parts):.2f} ({min(parts):.2f} to {max(parts):.2f})" if parts and not same else ""


def main(words: list[str]) -> int:
    """Print the table. Exit code: 0 measured, 2 could not measure, 130 interrupted."""
    chosen = arguments(words)
    end_on_signals()
    rates: Rates = {}
    others = Bystanders()
    try:
        require({"nginx", "envoy"}, (chosen.gateway,))
        with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as place:
            work = Path(place)
            work.chmod(0o755)  # nginx's workers, which are nobody, must reach their own folders below
            site = Site(work, free_port(), certificates.issue(work), (chosen.gateway,))
            program = compiled(work)
            with upstream(site):
                for _ in range(chosen.rounds):
                    for case in PLAIN:
                        for kind in KINDS:
                            if case.rejecting and kind == ALONE:
                                continue  # it refuses nothing
                            sent = measured(site, program, case, kind, chosen.seconds)
                            rates.setdefault((case.name, kind), []).append(sent)
                            print(f"{case.name}, {kind}: {sent.per_second:,.0f}/s", file=sys.stderr, flush=True)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    facts = ", ".join(f"{name} {value}" for name, value in machine.facts().items())
    print(f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{' '.join(['python -m bench.asked', *words])}`: {facts};")
    print(f"others used {others.cores():.2f} cores. {chosen.rounds} rounds of {chosen.seconds:g} s, 32 connections.\n")
    print("\n".join(table(rates)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
