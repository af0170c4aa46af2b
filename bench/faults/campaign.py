"""One campaign: everything is started, faults are let loose, then it becomes quiet, and all is counted."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from bench.faults import children
from bench.faults.children import Dispatcher, StandIn, last_words
from bench.faults.evidence import Evidence, arrivals_of, rows_of_postgres, rows_of_sqlite, told_of
from bench.faults.postgres import Postgres
from bench.faults.sender import Habits, Senders
from bench.faults.site import Listening, Site
from bench.faults.verify import Findings, verify
from bench.processes import BenchError

QUIET_SECONDS = 120.0
"""After the last fault: so long may it take until all is delivered or returned."""
RECOVERY_SECONDS = 20.0
"""From a start, or the end of a fault, to the first acknowledgement."""

NORTH = ("--latency", "0.004,0.003", "--drop", "0.01", "--cut", "0.01")
SOUTH = ("--latency", "0.01,0.01", "--no-answer-devices", "0.05", "--no-answer", "0.03", "--fail", "0.03")
USERS = ("--drop", "0.005", "--fail", "0.01")


class NoProgressError(BenchError):
    """After a fault the dispatcher acknowledges nothing more: a rule is broken, and the campaign cannot go on."""


@dataclass(frozen=True)
class Order:
    """What is asked of a campaign."""

    scenario: str
    rounds: int
    seed: int
    rate: float


@dataclass
class Outcome:
    """What came of it: one row of the table."""

    scenario: str
    database: str
    rounds: int
    seed: int
    rate: float
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)
    """Seconds from a start of the dispatcher to the first acknowledgement: median and longest."""
    quiet_seconds: float = 0.0
    violations: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    not_run: str = ""
    must_lose: bool = False
    """The proof that the campaign bites: here something acknowledged has to be lost."""

    @property
    def kept(self) -> bool:
        """Whether every rule was kept (of a proof: whether it lost what it had to lose)."""
        if self.must_lose:
            return bool(self.counts.get("lost"))
        return not self.violations


class Campaign:
    """Use it as an asynchronous context manager; what it has started is gone at the end.

    Args:
        folder: its own, empty.
        order: what is asked.
        store: the path of an SQLite file; None: PostgreSQL.
        postgres_folder: where PostgreSQL's data is; below `folder` if not said.
        dispatchers: how many.
        environment: for the dispatchers, beside that of this process.
        tell: is told how it goes: how many rounds are done, and a few words.
    """

    def __init__(
        self,
        folder: Path,
        order: Order,
        store: Path | None,
        *,
        postgres_folder: Path | None = None,
        dispatchers: int = 1,
        environment: Mapping[str, str] | None = None,
        north: Sequence[str] = NORTH,
        south: Sequence[str] = SOUTH,
        users: Sequence[str] = USERS,
        habits: Mapping[str, Any] | None = None,
        deadlines: str | None = None,
        tell: Callable[[int, str], None] = lambda _done, _words: None,
    ) -> None:
        self.folder, self.order, self.store = folder, order, store
        self.chance = random.Random(order.seed)
        self.faults: Counter[str] = Counter()
        self.complaints = Findings()
        self.overlaps = False
        self.tell = tell
        self.postgres = Postgres(postgres_folder or folder / "postgres") if store is None else None
        where = str(store) if store is not None else self._server.url
        more = {} if deadlines is None else {"deadlines": deadlines}
        self.site = Site(folder, where, tuple(Listening() for _ in range(dispatchers)), **more)
        self._options = (north, south, users)
        self._environment = environment
        self._habits = {**(habits or {})}
        self._began = time.monotonic()

    @property
    def _server(self) -> Postgres:
        assert self.postgres is not None
        return self.postgres

    # --- beginning and end

    async def __aenter__(self) -> Self:
        north, south, users = self._options
        self.north: StandIn | None = None
        self.dispatchers: list[Dispatcher] = []
        self.stand_ins: list[StandIn] = []
        try:
            if self.postgres is not None:
                self.postgres.start()
            site = self.site
            outcome = f"http://127.0.0.1:{site.dispatchers[0].port}/api/v1/responses"
            self.north = children.csp(site, site.north, "--outcome", outcome, *north)
            self.stand_ins.append(self.north)
            self.south = children.csp(site, site.south, *south)
            self.stand_ins.append(self.south)
            self.users = children.users(site, *users)
            self.stand_ins.append(self.users)
            self.dispatchers = [Dispatcher(site, n, self._environment) for n in range(len(site.dispatchers))]
            for stand_in in self.stand_ins:
                stand_in.wait()
            self.senders = Senders(site, Habits(self.order.rate, self.order.seed, **self._habits))
            self.senders.start()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.senders.end()
        finally:
            self._end()

    def _end(self) -> None:
        for dispatcher in self.dispatchers:
            dispatcher.end()
        for stand_in in self.stand_ins:
            stand_in.end()
        if self.postgres is not None:
            self.postgres.kill()

    # --- what scenarios do

    def start(self, number: int = 0) -> None:
        """Start a dispatcher."""
        self.dispatchers[number].start()
        self.senders.up(number)

    async def started(self, number: int = 0) -> None:
        """Start a dispatcher, and wait until it acknowledges. Raises NoProgressError where it does not."""
        self.start(number)
        deadline = time.monotonic() + RECOVERY_SECONDS
        while not await self.senders.acks(1, 1.0):
            if time.monotonic() > deadline or not self.dispatchers[number].runs:
                raise NoProgressError(self._silent(number))

    async def acknowledges(self, what: str, count: int = 1, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait for acknowledgements. Raises NoProgressError where there are none."""
        if not await self.senders.acks(count, seconds):
            raise NoProgressError(f"{what}: {self._silent(0)}")

    def _silent(self, number: int) -> str:
        words = last_words(self.dispatchers[number].log)
        return f"no acknowledgement within {RECOVERY_SECONDS:g} s. The dispatcher's last words:\n{words}"

    def kill(self, number: int = 0) -> None:
        """kill -9 a dispatcher."""
        self.senders.down(number)
        code = self.dispatchers[number].kill()
        if code is not None:
            words = last_words(self.dispatchers[number].log)
            self.complain("a dispatcher ends only when it is told to", f"exit code {code}: {words}")

    def complain(self, rule: str, example: str) -> None:
        """A violation that was seen on the way."""
        self.complaints.add(rule, example)

    def done(self, rounds: int) -> None:
        """A round is over."""
        book = self.senders.book
        words = f"{book.acks:,} acknowledged, {book.counts['no answer']:,} answers lost"
        if refused := book.counts["503"]:
            words += f", {refused:,} x 503"
        self.tell(rounds, words)

    # --- the end: quiet, and the sums

    async def finish(self) -> Outcome:
        """Let it become quiet, stop everything, and verify."""
        for number, dispatcher in enumerate(self.dispatchers):
            if not dispatcher.runs:
                self.kill(number)
                self.start(number)
        self.tell(self.order.rounds, "waits until all is delivered or returned")
        if not await self.senders.stop():
            self.complain("every User is answered in the end", f"{len(self.senders.book.sent)} sent")
        began = time.monotonic()
        left = await self._quiet()
        quiet = time.monotonic() - began
        if left:
            self.complain("it becomes quiet", left)
            self._write_status()
        executed = {"north": {row["request_id"] for row in self._north.rows("requests") if row["executed"]}}
        told = told_of(self.users.rows("responses"))
        for number, dispatcher in enumerate(self.dispatchers):
            self.senders.down(number)
            if code := dispatcher.stop():
                self.complain("SIGTERM ends a dispatcher well", f"exit code {code}: {last_words(dispatcher.log)}")
        await self.senders.end()
        for stand_in in self.stand_ins[:2]:
            stand_in.end()
        self.tell(self.order.rounds, "counts")
        evidence = self._evidence(told, executed)
        findings = verify(self.senders.book.sent, evidence, self.overlaps)
        return self._outcome(findings, quiet)

    @property
    def _north(self) -> StandIn:
        assert self.north is not None
        return self.north

    async def _quiet(self) -> str:
        """Wait until nothing is open. What is left after QUIET_SECONDS, or ""."""
        deadline, left = time.monotonic() + QUIET_SECONDS, "not asked"
        while time.monotonic() < deadline:
            try:
                left = await asyncio.to_thread(self._open)
            except OSError as error:
                left = f"no status: {error}"
            if not left:
                return ""
            await asyncio.sleep(0.1)
        return left

    def _write_status(self) -> None:
        """For whoever looks for the cause (--keep)."""
        for dispatcher in self.dispatchers:
            with suppress(OSError):
                path = self.folder / f"status-{dispatcher.number}.json"
                path.write_text(json.dumps(dispatcher.status(), indent=1))

    def _open(self) -> str:
        status = self.dispatchers[0].status()
        if status["store"]["failing"]:
            return f"the store fails: {status['store']['failing']}"
        parts = {**status["csps"], **status["users"]}
        left = [f"{name}: {part['states']}" for name, part in parts.items() if part["backlog"]]
        waiting = self._north.status()["outcomes"]["waiting"]
        return "; ".join(left) or (f"{waiting} outcomes wait at the CSP" if waiting else "")

    def _evidence(self, told: Any, executed: dict[str, set[str]]) -> Evidence:
        broken = ""
        if self.store is not None:
            rows, broken = rows_of_sqlite(self.store)
        else:
            rows = rows_of_postgres(self._server.url)
        arrivals = {"north": arrivals_of(self._north.journal), "south": arrivals_of(self.south.journal)}
        return Evidence(rows, arrivals, told, executed, broken)

    def _outcome(self, findings: Findings, quiet: float) -> Outcome:
        book, order = self.senders.book, self.order
        for what in book.wrong:
            findings.add("answers to Users are right", what)
        for rule, count in self.complaints.violations.items():
            findings.violations[rule] += count
            findings.examples[rule] += self.complaints.examples[rule]
        pauses = [round(median(book.pauses), 3), round(max(book.pauses), 3)] if book.pauses else []
        return Outcome(
            order.scenario,
            "PostgreSQL" if self.store is None else "SQLite",
            order.rounds,
            order.seed,
            order.rate,
            round(time.monotonic() - self._began, 1),
            dict(self.faults),
            dict(findings.counts),
            dict(book.counts),
            pauses,
            round(quiet, 1),
            dict(findings.violations),
            dict(findings.examples),
        )


def freeze(campaign: Campaign, number: int) -> None:
    """SIGSTOP: it holds what it holds, and knows nothing of the time that passes."""
    campaign.senders.down(number)
    campaign.dispatchers[number].signal(signal.SIGSTOP)


def thaw(campaign: Campaign, number: int) -> None:
    """SIGCONT."""
    campaign.dispatchers[number].signal(signal.SIGCONT)
    campaign.senders.up(number)
