"""The measuring itself: rounds of all contenders in turn (A B C, A B C, ...), so that drift hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figures import Sample, verify
from bench.loader import Sending, Sent, send
from bench.messages import write_frames
from bench.peers import Case, Contender, Site
from bench.processes import Bystanders


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds, and the seconds of each window after a warm-up."""

    rounds: int
    seconds: float
    warmup: float
    cases: Sequence[Case]
    contenders: Sequence[Contender]

    @property
    def minutes(self) -> float:
        """About how long it takes."""
        runs = sum(
            (2 if case.rejecting else 3) * (self.seconds + self.warmup) + 2.5
            for case in self.cases
            for contender in self.contenders
            if contender.takes_part(case)
        )
        return self.rounds * runs / 60


def frames_for(site: Site, case: Case, contender: Contender) -> Path:
    """The frames file that a contender is sent in a case; written once."""
    one = contender.one_status if case.rejecting else None
    path = site.work / f"frames-{int(case.rejecting)}-{int(case.tls)}-{one or 0}"
    if not path.exists():
        write_frames(path, rejecting=case.rejecting, one_status=one, grouped=case.tls)
    return path


def measure(site: Site, program: Path, plan: Plan, case: Case, contender: Contender, *, number: int) -> Sample:
    """One contender in one case: start it, saturate it, send at half that rate, compare with the upstream, stop it.

    Raises BenchError if it does not start or does not answer as it should.
    """
    frames, files = frames_for(site, case, contender), site.certificates
    alone = contender.key == "upstream"

    def run(port: int, rate: float | None, *, direct: bool = False, cpu: Callable[[], float] = lambda: 0.0) -> Sent:
        tls = case.tls and not direct
        sending = Sending(
            port,
            frames,
            plan.seconds,
            plan.warmup,
            rate=rate,
            ca=files.ca if tls else None,
            certificates=files.clients if tls else (),
        )
        what = f"{contender.label}, {case.name}, {'open' if rate else 'closed'} loop"
        return verify(send(program, sending, cpu), rejecting=case.rejecting, what=what)

    if alone:
        closed = run(site.upstream, None)
        return Sample(number, case.name, contender.key, closed, run(site.upstream, closed.per_second / 2))
    with contender.running(site, case) as (port, servers):
        closed = run(port, None, cpu=lambda: sum(server.cpu_seconds() for server in servers))
        rate = closed.per_second / 2
        half = run(port, rate)
        direct = None if case.rejecting else run(site.upstream, rate, direct=True)
    return Sample(number, case.name, contender.key, closed, half, direct)


def all_rounds(site: Site, program: Path, plan: Plan, tell: Callable[[str], None]) -> Iterator[Sample]:
    """Every contender in every case, `plan.rounds` times over, each as soon as it is measured."""
    for number in range(1, plan.rounds + 1):
        for case in plan.cases:
            for contender in plan.contenders:
                if contender.takes_part(case):
                    tell(f"round {number} of {plan.rounds}: {case.name}: {contender.label}")
                    others = Bystanders()
                    sample = measure(site, program, plan, case, contender, number=number)
                    yield replace(sample, bystander_cores=others.cores())
