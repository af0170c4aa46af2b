"""An SR's course between the desk and its end: what must wait is made safe; what attempts lead to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine

from sluicegate.database.errors import StoreError
from sluicegate.http.call import Answer
from sluicegate.relay import problems
from sluicegate.relay.clock import Clock
from sluicegate.relay.ends import COME_AGAIN, Ends
from sluicegate.relay.errand import End, Errand, Stage
from sluicegate.relay.judging import Ruling, Verdict
from sluicegate.relay.outbox import Outbox
from sluicegate.relay.pending import Pending
from sluicegate.relay.problems import problem
from sluicegate.relay.sending import Sending
from sluicegate.relay.tally import Tally

LAST_TRY = 0.9  # of the time left: when an SR is tried again that was told to come after its deadline


class Course:
    """See the module. All methods are for the event loop.

    Args:
        pending: those that have no end yet.
        ends: writes and tells them.
        outbox: where what must wait is safe.
        tally: what is counted.
    """

    sending: Sending
    """Given once it is made, for each needs the other."""

    def __init__(self, pending: Pending, ends: Ends, outbox: Outbox, tally: Tally, clock: Clock) -> None:
        self._pending = pending
        self._ends = ends
        self._outbox = outbox
        self._tally = tally
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._storing_lanes: Counter[int] = Counter()
        self._storing_keys: Counter[bytes] = Counter()
        self._storing: set[asyncio.Task[None]] = set()

    # --- what must wait

    def is_free(self, errand: Errand) -> bool:
        """Whether nothing that it must follow is being stored. (What is stored is in the line, which knows.)"""
        return (errand.lane is None or errand.lane not in self._storing_lanes) and (
            errand.preceding is None or errand.preceding not in self._storing_keys
        )

    def store(self, errand: Errand) -> None:
        """It must wait."""
        self._storing_keys[errand.key] += 1
        if errand.lane is not None:
            self._storing_lanes[errand.lane] += 1
        self._spawn(self._keep(errand))

    async def _keep(self, errand: Errand) -> None:
        """Make it safe; then it waits. The commits end in the order in which they were asked for."""
        try:
            await self._outbox.keep(errand)
        except StoreError:
            self._tally.unsafe += 1
            self._pending.remove(errand)
            self._ends.tell(errand, problem(problems.STORE, "nothing of it was taken: send it again", COME_AGAIN))
            return
        finally:
            _less(self._storing_keys, errand.key)
            if errand.lane is not None:
                _less(self._storing_lanes, errand.lane)
        self._is_safe(errand)
        self.waits(errand)

    async def _keep_after_all(self, errand: Errand, answer: Answer | None, wait: float | None) -> None:
        """It went straight on, and must wait now. Without a safe place it is as if nobody stood between."""
        errand.stage = Stage.STORING
        try:
            await self._outbox.keep(errand)
        except StoreError:
            self._tally.classes[errand.rank].given_back += 1
            self.sending.ended(errand)
            self._pending.remove(errand)
            told = problem(problems.STORE, "there was no answer, and no safe place to wait: send it again", COME_AGAIN)
            self._ends.tell(errand, answer or told)
            return
        self._is_safe(errand)
        if self._ends.is_dropped(errand):
            self.sending.ended(errand)
            self._ends.drop(errand)
        else:
            self._wait(errand, wait)

    def _is_safe(self, errand: Errand) -> None:
        self._pending.stored(errand)
        self._tally.stored(errand)
        accepted, errand.told_after_commit = errand.told_after_commit, []
        for told in accepted:
            told(problems.accepted(errand))

    def _wait(self, errand: Errand, wait: float | None) -> None:
        if wait is None:
            self.sending.failed(errand)
        else:
            self.sending.again(errand, wait)

    def waits(self, errand: Errand) -> None:
        """It is safe, and stands in the line from now on; where it is still wanted."""
        self.sending.add(errand)
        self.drop_unwanted(errand)

    def drop_unwanted(self, errand: Errand) -> None:
        """Where nobody waits for it any more, and it is not under way, it may end here."""
        if self._ends.is_dropped(errand) and self.sending.withdraw(errand):
            self._ends.drop(errand)

    # --- what attempts lead to

    def concluded(self, errand: Errand, verdict: Verdict, answer: Answer | None) -> None:
        """An attempt has ended."""
        ruling, of = verdict.ruling, self._tally.classes[errand.rank]
        if ruling is Ruling.ACKNOWLEDGED or ruling is Ruling.REFUSED:
            end = End.ACKNOWLEDGED if ruling is Ruling.ACKNOWLEDGED else End.REFUSED
            self._ends.end(errand, end, verdict.code, answer or problem(problems.EXPIRED, verdict.code))
            return
        wait: float | None = 0.0
        if ruling is Ruling.THROTTLED:
            of.throttled += 1
            wait = self._in_time(errand, verdict.seconds)
        elif ruling is Ruling.BEHIND:
            of.behind += 1
            wait = self._in_time(errand, verdict.seconds)
        else:
            of.failed += 1
            errand.attempts += 1
            wait = None
        if errand.deadline <= self._clock.now():
            self._ends.expire(errand)
        elif errand.stored:
            self._wait(errand, wait)
        else:
            self._spawn(self._keep_after_all(errand, answer, wait))

    def _in_time(self, errand: Errand, seconds: float) -> float:
        """How long it waits that was told to: as long as that; or it is tried once more before its deadline."""
        left = errand.deadline - self._clock.now()
        return seconds if seconds < left else LAST_TRY * max(0.0, left)

    def expired(self, errand: Errand) -> None:
        """Its deadline has passed while it waited: it is out of the line."""
        self._ends.expire(errand, in_line=False)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def quiet(self) -> None:
        """Wait until all that is to be stored is written."""
        while waited_for := self._storing | self._ends.writing:
            await asyncio.wait(waited_for)


def _less(counter: Counter[int] | Counter[bytes], key: int | bytes) -> None:
    """One less; what is none is not kept."""
    counts: Counter[int | bytes] = counter  # type: ignore[assignment]
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
