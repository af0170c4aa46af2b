"""`python -m bench.relay`: what a relay in hold mode forwards while nothing waits, beside the gateway's own rate."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import certificates, machine
from bench.figures import verify
from bench.loader import Sending, Sent, compiled, send
from bench.messages import write_frames
from bench.peers import Case, Site, require, upstream
from bench.processes import BenchError, Bystanders, end_on_signals, free_port
from bench.relay.site import BOTH, DEPLOYED, GATEWAY, KINDS, OWN_CERTIFICATE, PLAIN, RELAY, UPSTREAM, asked

ASKED = 0.5
"""Of the gateway's own rate."""
Rates = dict[tuple[str, str], list[Sent]]


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.relay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all, in turn (default 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each window, s (default 4)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this; may repeat")
    parser.add_argument("--plain", action="store_true", help="plain HTTP only")
    parser.add_argument("--gateway", default=".venv/bin/sluicegate", help="our command")
    return parser.parse_args(words)


def measured(site: Site, program: Path, case: Case, kind: str, seconds: float, number: int) -> Sent:
    """One window of one kind, in closed loop, 32 connections. Raises BenchError where an answer was no 200."""
    folder = site.work / f"{kind.replace(' ', '-')}-{case.tls}-{number}"
    folder.mkdir()
    files = site.certificates
    with asked(site, case, kind, folder) as to:
        only = OWN_CERTIFICATE if case.tls and kind == BOTH else None  # a relay is one User's, with its certificate
        frames = site.work / f"frames-{to.tls}-{only}"
        if not frames.exists():
            write_frames(frames, rejecting=False, grouped=to.tls, only=only)
        sending = Sending(
            to.port, frames, seconds, ca=files.ca if to.tls else None, certificates=files.clients if to.tls else ()
        )
        return verify(send(program, sending, to.cpu_seconds), rejecting=False, what=f"{kind}, {case.name}")


def table(rates: Rates, cases: list[Case], kinds: list[str]) -> list[str]:
    """The figures as Markdown: medians (least to most), and ratios of what was measured in the same round."""
    lines = ["| | | SR/s | p99, ms | CPU-s per 1,000 | of the gateway's |", "|---|---|---|---|---|---|"]
    for case in cases:
        gateway = [sent.per_second for sent in rates.get((case.name, GATEWAY), [])]
        for kind in kinds:
            of = rates.get((case.name, kind), [])
            if not of:
                continue
            rate = [sent.per_second for sent in of]
            parts = [own / other for own, other in zip(rate, gateway, strict=False)]
            part = f"{median(parts):.2f} ({min(parts):.2f} to {max(parts):.2f})" if parts and kind != GATEWAY else ""
            cpu = [sent.cpu_per_thousand for sent in of]
            lines.append(
                f"| {case.name} | {kind} | {median(rate):,.0f} ({min(rate):,.0f} to {max(rate):,.0f}) "
                f"| {median(sent.latency_ms['p99'] for sent in of):.1f} "
                f"| {f'{median(cpu):.3f}' if kind != UPSTREAM else ''} | {part} |"
            )
    return lines


def main(words: list[str]) -> int:
    """Print the table. Exit code: 0 measured, 2 could not measure, 130 interrupted."""
    chosen = arguments(words)
    end_on_signals()
    kinds = [kind for kind in KINDS if not chosen.kind or kind in chosen.kind]
    cases = [PLAIN] if chosen.plain else [PLAIN, DEPLOYED]
    rates: Rates = {}
    others = Bystanders()
    try:
        require({"nginx"}, (chosen.gateway,))
        with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as place:
            work = Path(place)
            work.chmod(0o755)  # nginx's workers, which are nobody, must reach their own folders below
            site = Site(work, free_port(), certificates.issue(work), (chosen.gateway,))
            program = compiled(work)
            with upstream(site):
                for number in range(chosen.rounds):
                    for case in cases:
                        for kind in kinds:
                            if kind in (UPSTREAM, RELAY) and case.tls:
                                continue  # as without
                            sent = measured(site, program, case, kind, chosen.seconds, number)
                            rates.setdefault((case.name, kind), []).append(sent)
                            line = f"{case.name}, {kind}: {sent.per_second:,.0f} SR/s"
                            print(line, file=sys.stderr, flush=True)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    facts = ", ".join(f"{name} {value}" for name, value in machine.facts().items())
    print(f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{' '.join(['python -m bench.relay', *words])}`: {facts};")
    print(f"others used {others.cores():.2f} cores. {chosen.rounds} rounds of {chosen.seconds:g} s, 32 connections.\n")
    print("\n".join(table(rates, cases, kinds)))
    alone = [sent.per_second for sent in rates.get((PLAIN.name, RELAY), [])]
    gateway = [sent.per_second for sent in rates.get((PLAIN.name, GATEWAY), [])]
    if alone and gateway:
        ratio = median(a / b for a, b in zip(alone, gateway, strict=True))
        print(f"\nA relay forwards {ratio:.2f} of what the gateway forwards to the same stand-in (asked: {ASKED:g}).")
        if (PLAIN.name, BOTH) in rates and (PLAIN.name, UPSTREAM) in rates:
            whole = [sent.per_second for sent in rates[PLAIN.name, UPSTREAM]]
            print(f"Of the stand-in's own rate: {median(a / b for a, b in zip(alone, whole, strict=True)):.2f}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
