"""`python -m bench.fleet`: what a fleet costs beside workers that share nothing, and what drawing in advance gains.

Four workers over the Valkey that they start, beside four with banks of their own (over the threshold, each a fourth of
everything), on the same machine with the load and the system behind: pairs of fresh gateways side by side, each loaded
for a slice while the others have nothing to do, A B B A. A pair's ratio is of all its slices; what is told is the
geometric mean over the pairs with its 95% interval. Below the threshold the load is a closed loop. Over it requests are
offered at a fixed rate, the same for both; then at more and more, until answers lag. Then decisions alone, in turn, by
`trips`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import certificates, machine
from bench.fleet import trips
from bench.fleet.gateways import ABOVE, APART, BELOW, FLEET, WAYS, Done, Plan, pair
from bench.loader import compiled
from bench.operations import interval
from bench.peers import Site, upstream
from bench.processes import BenchError, Bystanders, end_on_signals, free_port

OPEN_FILES = 4096
BAR_RATE, BAR_CALLS, BAR_GAIN = 0.9, 50.0, 5.0
Pairs = dict[str, list[tuple[dict[str, Done], Done]]]
Rates = dict[tuple[bool, str], list[trips.Rate]]


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of gateways in each case (default 5)")
    parser.add_argument("--slices", type=int, default=4, help="of each gateway (default 4)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a slice (default 4)")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=5000.0, help="requests/s at which calls are counted")
    parser.add_argument("--rounds", type=int, default=5, help="of decisions alone (default 5)")
    return parser.parse_args(words)


def gateways(asked: argparse.Namespace, found: Pairs) -> None:
    """Add all pairs, the cases in turn. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-fleet-", dir="/var/tmp") as name:
        work = Path(name)
        work.chmod(0o755)  # nginx's workers, which are nobody, must reach their own folders below
        site = Site(work, free_port(), certificates.issue(work), ())
        plan = Plan(site, compiled(work), asked.workers, asked.slices, asked.seconds, asked.rate)
        with upstream(site):
            for number in range(asked.pairs):
                for case, of in found.items():
                    of.append(pair(plan, case, WAYS if number % 2 == 0 else WAYS[::-1]))
                    said = ", ".join(
                        f"{way} {done.spent.per_second:,.0f}/s, {done.spent.each:.0f} us"
                        for way, done in of[-1][0].items()
                    )
                    print(f"pair {number + 1}, {case}: {said}", file=sys.stderr, flush=True)


def decisions(asked: argparse.Namespace, found: Rates) -> None:
    """Add all rounds of decisions alone, the ways in turn."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "ledger"))
    from real_valkey import running

    with running() as socket:
        url = f"unix://{socket}"
        for _ in range(asked.rounds):
            for way in trips.WAYS:
                free = trips.measure(url, way, trips.PLENTY, asked.seconds)
                short = trips.measure(url, way, free.per_second / trips.SHORT, asked.seconds)
                found.setdefault((False, way), []).append(free)
                found.setdefault((True, way), []).append(short)
                print(f"{way}: {free.per_second:,.0f}/s, short {short.per_second:,.0f}/s", file=sys.stderr, flush=True)


def gateway_table(found: Pairs, workers: int) -> list[str]:
    """The pairs as Markdown."""
    lines = [
        "| | | answered/s | forwarded/s | throttled/s | ms: median, 99% | CPU us a request | Valkey's | greatest/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case, pairs in found.items():
        for way in WAYS:
            of = [ways[way] for ways, _paced in pairs]
            lines.append(f"| {case} | {way} | {' | '.join(_columns(of, case))} |")
    lines.append("")
    for case, pairs in found.items():
        rate = interval([_most(ways[FLEET], case) / _most(ways[APART], case) for ways, _ in pairs])
        cpu = interval([ways[APART].spent.each / ways[FLEET].spent.each for ways, _ in pairs])
        lines.append(
            f"- {case}: {'requests/s' if case == BELOW else 'the greatest rate'} of the fleet over those apart "
            f"{_told(rate)}, by CPU a request {_told(cpu)}; bar {BAR_RATE}: {_verdict(rate, cpu)}"
        )
        if case == BELOW:
            of = [ways[FLEET] for ways, _paced in pairs]
            refused = 1.0 - sum(one.admitted for one in of) / sum(one.spent.completed for one in of)
            lines.append(f"- {case}: {refused:.2%} of the fleet's requests were throttled, and none should be")
    for case, pairs in found.items():
        paced = [one for _ways, one in pairs]
        calls = [one.called / one.spent.seconds / workers for one in paced]
        inside = median(one.within / max(1.0, one.called) for one in paced)
        lines.append(
            f"- {case}, {median(one.spent.per_second for one in paced):,.0f} requests/s: {_spread(calls)} calls of the "
            f"Valkey a worker and second, each with {inside:.0f} commands inside; bar {BAR_CALLS:g}: "
            f"{'met' if max(calls) <= BAR_CALLS else 'missed'}"
        )
    return lines


def _columns(of: list[Done], case: str) -> list[str]:
    """One way's figures, over all its pairs."""
    slices = [sent for one in of for sent in one.sent]
    return [
        _spread([one.spent.per_second for one in of]),
        f"{median(one.admitted / one.spent.seconds for one in of):,.0f}",
        f"{median((one.spent.completed - one.admitted) / one.spent.seconds for one in of):,.0f}",
        ", ".join(f"{median(sent.latency_ms[point] for sent in slices):.1f}" for point in ("p50", "p99")),
        _spread([one.spent.each for one in of]),
        f"{median(1e6 * one.ledger / one.spent.completed for one in of):.1f}",
        "" if case == BELOW else _spread([one.greatest.offered for one in of]),
    ]


def _most(of: Done, case: str) -> float:
    """Requests/s that it can answer."""
    return of.spent.per_second if case == BELOW else of.greatest.offered


def decision_table(found: Rates) -> list[str]:
    """The rounds as Markdown."""
    lines = ["| | | decisions/s | passed | CPU us a decision | the Valkey's |", "|---|---|---|---|---|---|"]
    for short in (False, True):
        for way in trips.WAYS:
            of = found[short, way]
            lines.append(
                f"| {'over the threshold' if short else 'nothing short'} | {way} "
                f"| {_spread([one.per_second for one in of])} | {median(one.passed for one in of):.0%} "
                f"| {median(one.own for one in of):.1f} | {median(one.ledger for one in of):.2f} |"
            )
    lines.append("")
    for short in (False, True):
        for way in (trips.TRIPS, trips.PIPELINED):
            of = zip(found[short, trips.OURS], found[short, way], strict=False)  # the last round may not be whole
            gain = interval([ours.per_second / theirs.per_second for ours, theirs in of])
            said = "met" if gain[1] >= BAR_GAIN else "missed" if gain[2] < BAR_GAIN else "not decided"
            case = "over the threshold" if short else "nothing short"
            lines.append(f"- {case}: {_told(gain)} times those of {way}; bar {BAR_GAIN:g}: {said}")
    return lines


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _told(of: tuple[float, float, float]) -> str:
    return f"{of[0]:.2f} ({of[1]:.2f} to {of[2]:.2f})"


def _verdict(*ratios: tuple[float, float, float]) -> str:
    if all(ratio[1] >= BAR_RATE for ratio in ratios):
        return "met"
    return "missed" if any(ratio[2] < BAR_RATE for ratio in ratios) else "not decided"


def main(words: list[str]) -> int:
    """Print the page. Exit code: 0 measured, 2 could not measure, 130 interrupted."""
    asked = arguments(words)
    end_on_signals()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))
    others = Bystanders()
    served: Pairs = {BELOW: [], ABOVE: []}
    decided: Rates = {}
    code = 0  # else what was measured before is shown
    try:
        if asked.pairs:
            gateways(asked, served)
        if asked.rounds:
            decisions(asked, decided)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    facts = ", ".join(
        f"{name} {value}" for name, value in machine.facts().items() if name in ("cores", "cpu", "python")
    )
    print(f"{datetime.now(UTC):%Y-%m-%d}, `{' '.join(['python -m bench.fleet', *words])}`, {facts};")
    print(f"others used {others.cores():.2f} cores meanwhile.{' Not all of it.' if code else ''}\n")
    if all(served.values()):
        print("\n".join([*gateway_table(served, asked.workers), ""]))
    if len(decided) == 2 * len(trips.WAYS):
        print("\n".join(decision_table(decided)))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
