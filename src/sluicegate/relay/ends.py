"""The end of an SR: written first, then told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from sluicegate.dispatch.parcel import Incoming, Receipt
from sluicegate.http.call import Answer
from sluicegate.log import logger
from sluicegate.relay import problems
from sluicegate.relay.classes import shown
from sluicegate.relay.clock import Clock
from sluicegate.relay.errand import End, Errand, Stage
from sluicegate.relay.outbox import Outbox, digest
from sluicegate.relay.pending import Pending
from sluicegate.relay.problems import problem
from sluicegate.relay.remembered import Remembered
from sluicegate.relay.tally import Tally

COME_AGAIN = 5  # seconds, to whom the store or the drain turns away


class Letters(Protocol):
    """Who delivers to the callback: `dispatch.depot.Depot`."""

    def room_for(self, parcel: Incoming) -> Incoming:
        """Whether it is to be held in memory at once."""

    def not_kept(self, parcel: Incoming) -> None:
        """It was not stored."""

    def arrived(self, incoming: Sequence[Incoming], receipts: Sequence[Receipt]) -> None:
        """They were stored."""


class Ends:
    """See the module. All methods are for the event loop.

    Args:
        pending: those that have no end yet.
        outbox: where what must wait is safe.
        tally: what is counted.
        letters: delivers to the callback; None: there is none.
        drop: whether an SR that nobody waits for any more, and that was not sent, ends (`on_hang_up = "drop"`).
    """

    lane_goes_on: Callable[[Errand], None]
    """What waits for this errand may go. Given once there is a way to the gateway."""

    def __init__(
        self,
        pending: Pending,
        outbox: Outbox,
        tally: Tally,
        letters: Letters | None,
        clock: Clock,
        *,
        drop: bool,
    ) -> None:
        self.remembered = Remembered()
        self.writing: set[asyncio.Future[list[Receipt]]] = set()
        """Ends that are being written."""
        self._pending = pending
        self._outbox = outbox
        self._tally = tally
        self._letters = letters
        self._clock = clock
        self._drops = drop

    def end(self, errand: Errand, end: End, code: str, answer: Answer, in_line: bool = True) -> None:
        """An errand has come to its end. What waits for it may go once that is written: else a crash in between would
        send it again behind them."""
        errand.stage = Stage.ENDED
        if not errand.stored:
            if in_line:
                self.lane_goes_on(errand)
            self._finish(errand, end, code, answer)
            return
        letter = None
        if errand.callback and self._letters is not None:
            letter = self._letters.room_for(self._outbox.letter(errand, answer))
        written = self._outbox.end(errand, end, code, letter)
        self.writing.add(written)

        def settled(_: asyncio.Future[list[Receipt]]) -> None:
            self.writing.discard(written)
            if in_line:
                self.lane_goes_on(errand)
            failed = written.cancelled() or written.exception() is not None
            receipts = [] if failed else written.result()
            if letter is not None and self._letters is not None:
                if receipts:
                    self._letters.arrived([letter], receipts)
                else:
                    self._letters.not_kept(letter)
            if failed:  # we are about to end: the next life sends it again
                self._pending.remove(errand)
                self.tell(errand, problem(problems.STORE, "what became of it could not be written", COME_AGAIN))
            else:
                self._finish(errand, end, code, answer)

        written.add_done_callback(settled)

    def _finish(self, errand: Errand, end: End, code: str, answer: Answer) -> None:
        """It is written what became of it: tell who waits."""
        self._pending.remove(errand)
        self._tally.ended(errand, end, self._clock.now(), dropped=code == "dropped")
        if end is End.EXPIRED:
            logger().warning("an SR has expired", why=code, srv=errand.srv, of=shown(errand.class_name))
        if errand.callback:
            return
        if errand.waiters:
            self.tell(errand, answer)
        elif end is not End.EXPIRED:
            self.remembered.put(errand.key, errand.digest or digest(errand.body or b""), answer, self._clock.now())

    def tell(self, errand: Errand, answer: Answer) -> None:
        """Who waits for it is told."""
        waiters = errand.waiters + errand.told_after_commit
        errand.waiters, errand.told_after_commit = [], []
        for told in waiters:
            told(answer)

    def expire(self, errand: Errand, in_line: bool = True) -> None:
        """Its deadline has passed. `in_line`: what waits for it must be told that it may go."""
        seconds = round(errand.due_at - errand.came_at, 1)
        why = f"the gateway did not take it within {seconds:g} s"
        self.end(errand, End.EXPIRED, "deadline", problems.expired(errand, why), in_line)

    def is_dropped(self, errand: Errand) -> bool:
        """Whether nobody wants it any more."""
        return (
            self._drops and not errand.callback and not errand.waiters and not errand.attempts and not errand.repeated
        )

    def drop(self, errand: Errand) -> None:
        """It is out of the line, and nobody wants it any more."""
        answer = problems.expired(errand, "its sender left before it was sent")
        self.end(errand, End.EXPIRED, "dropped", answer, in_line=False)
