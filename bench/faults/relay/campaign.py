"""One campaign for the relay. What it shares with the dispatcher's is inherited: starts, kills, waiting, the sums."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bench.faults import children
from bench.faults.campaign import Campaign, Order, Outcome
from bench.faults.children import Dispatcher, StandIn, last_words
from bench.faults.evidence import Evidence, arrivals_of, rows_of_sqlite
from bench.faults.relay.callback import CallbackStandIn
from bench.faults.relay.sender import RelaySenders
from bench.faults.relay.site import RelaySite
from bench.faults.relay.verify import verify
from bench.faults.sender import Habits
from bench.faults.verify import Findings

GATEWAY = ("--latency", "0.004,0.003", "--drop", "0.01", "--cut", "0.01", "--fail", "0.005")
HABITS = {"changed": 0.0, "wrong": 0.0, "patience": 100.0}


class RelayCampaign(Campaign):
    """Use it as an asynchronous context manager; what it has started is gone at the end.

    Args:
        folder: its own, empty.
        order: what is asked.
        store: the path of the relay's store.
        mode, on_hang_up: of the relay.
        gateway: how the stand-in for the gateway behaves.
        habits: of the senders.
        tell: is told how it goes.
    """

    def __init__(
        self,
        folder: Path,
        order: Order,
        store: Path,
        *,
        mode: str,
        on_hang_up: str = "keep",
        gateway: Sequence[str] = GATEWAY,
        habits: Mapping[str, Any] | None = None,
        tell: Callable[[int, str], None] = lambda _done, _words: None,
    ) -> None:
        self.folder, self.order, self.store = folder, order, store
        self.chance = random.Random(order.seed)
        self.faults = Counter()
        self.complaints = Findings()
        self.tell = tell
        self.postgres = None
        self.relay_site = RelaySite(folder, str(store), mode, on_hang_up)
        self._gateway_options = gateway
        self._habits = {**HABITS, **(habits or {})}
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        site = self.relay_site
        self.dispatchers: list[Dispatcher] = []
        self.stand_ins: list[StandIn] = []
        self.callback = CallbackStandIn(self.order.seed)
        try:
            await self.callback.start(site.callback)
            self.gateway = children.csp(site, site.gateway, *self._gateway_options)  # type: ignore[arg-type]
            self.stand_ins.append(self.gateway)
            self.dispatchers = [Dispatcher(site, command="relay")]
            self.gateway.wait()
            self.senders = RelaySenders(site, Habits(self.order.rate, self.order.seed, **self._habits))  # type: ignore[arg-type]
            self.senders.mode = site.mode  # type: ignore[attr-defined]
            self.senders.start()
        except BaseException:
            self._end()
            raise
        return self

    async def finish(self) -> Outcome:
        """Let it become quiet, stop everything, and verify."""
        if not self.dispatchers[0].runs:
            self.kill()
            self.start()
        self.tell(self.order.rounds, "waits until all has its end")
        if not await self.senders.stop(100.0):
            self.complain("every sender is answered in the end", f"{len(self.senders.book.sent)} sent")
        began = time.monotonic()
        left = await self._quiet()
        quiet = time.monotonic() - began
        if left:
            self.complain("it becomes quiet", left)
            self._write_status()
        self.senders.down(0)
        if code := self.dispatchers[0].stop():
            self.complain("SIGTERM ends a relay well", f"exit code {code}: {last_words(self.dispatchers[0].log)}")
        await self.senders.end()
        await self.callback.stop()
        self.gateway.end()
        self.tell(self.order.rounds, "counts")
        rows, broken = await asyncio.to_thread(rows_of_sqlite, self.store)
        evidence = Evidence(rows, {"gateway": arrivals_of(self.gateway.journal)}, [], {}, broken)
        sent: Any = self.senders.book.sent
        findings = verify(sent, evidence, self.callback.words, self.relay_site.mode == "callback")
        return self._outcome(findings, quiet)

    def _open(self) -> str:
        status = self.dispatchers[0].status()
        if status["store"]["failing"]:
            return f"the store fails: {status['store']['failing']}"
        if status["open"]:
            return f"{status['open']} SRs are open"
        waiting = status["callback"]["waiting"] if status["callback"] else 0
        return f"{waiting} answers wait for the callback" if waiting else ""
