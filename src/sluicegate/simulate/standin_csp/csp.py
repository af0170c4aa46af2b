"""A stand-in CSP: takes Service Requests, executes each RequestID once, and answers as it is told to behave."""

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from sluicegate.duis import MalformedMessage, read_header, web_service
from sluicegate.simulate.answering import Request
from sluicegate.simulate.desk import Desk
from sluicegate.simulate.messages import response
from sluicegate.simulate.plant import Fate, PlantShape
from sluicegate.simulate.standin_csp.behaviour import MOST_SECONDS, Behaviour
from sluicegate.simulate.standin_csp.chance import Draws
from sluicegate.simulate.standin_csp.journal import Journal
from sluicegate.simulate.standin_csp.order import Order
from sluicegate.simulate.standin_csp.outcomes import Outcomes, read_url
from sluicegate.simulate.standin_csp.requests import Requests, key_of, marks_of
from sluicegate.simulate.standin_csp.schedule import State
from sluicegate.simulate.standin_csp.server import Settings, StandInServer

FULL_SECONDS = 1.0
"""Retry-After where too many outcomes wait."""


@dataclass(frozen=True, kw_only=True)
class CspSettings(Settings):
    """A CSP. Times in seconds."""

    name: str = "north"
    outcome: str | None = None
    """Address to which outcomes (I0) are posted, such as http://127.0.0.1:8090/api/v1/responses."""
    outcome_latency: float = 0.0
    """From the acknowledgement to the outcome."""
    sync: bool = False
    """The answer is the outcome (I0), and not an acknowledgement (I99)."""
    journal: Path | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be, or would do nothing."""
        super().__post_init__()
        if self.outcome is not None:
            read_url(self.outcome)
        elif self.outcome_latency or self.behaviour.late:
            raise ValueError("late outcomes, and a latency of outcomes, need an address to which outcomes are posted")
        if not 0 <= self.outcome_latency <= MOST_SECONDS:
            raise ValueError(f"the latency of outcomes is 0 to {MOST_SECONDS:g} seconds, not {self.outcome_latency}")


@dataclass(slots=True, eq=False)
class _Visit:
    """One arrival of an SR, until it is answered. ``code`` "" is a refusal; ``watched`` says that it has a device."""

    request: Request
    request_id: str
    srv: str
    key: bytes
    number: int
    watched: bool
    draws: Draws
    code: str = ""
    kind: str = ""
    outcome_after: float = math.nan


class StandInCsp(StandInServer):
    """A running stand-in CSP. Build it with `StandInCsp.start`."""

    title = "stand-in CSP"
    listing = "requests"

    def __init__(self, settings: Settings) -> None:
        """Use `start`."""
        super().__init__(settings)
        self._settings = settings if isinstance(settings, CspSettings) else CspSettings(**vars(settings))
        self.requests = Requests(settings.remember)
        self.order = Order(settings.remember)
        self.arrived = 0
        self._outcomes: Outcomes | None = None
        self._journal: Journal | None = None
        self._desk: Desk | None = None
        self._desks: list[Desk] = []

    @classmethod
    async def start(cls, settings: Settings | None = None) -> Self:
        """Listen. Raises OSError, with the address or the journal as its file name."""
        return await super().start(settings if settings is not None else CspSettings())

    async def _build(self) -> None:
        if self._settings.journal is not None:
            self._journal = Journal(self._loop, self._settings.journal)
        if self._settings.outcome is not None:
            self._outcomes = Outcomes(self._loop, self._settings.outcome)
        self._behave(self.behaviour)
        await super()._build()

    async def stop(self) -> None:
        """Stop listening, cut every connection, post no more outcomes, and write the journal."""
        await super().stop()
        for desk in self._desks:
            desk.close()
        if self._outcomes is not None:
            await self._outcomes.stop()
        if self._journal is not None:
            self._journal.close()

    def _behave(self, behaviour: Behaviour) -> None:
        """Another capacity is another desk; the one before serves what it holds."""
        if behaviour.late and self._outcomes is None:
            raise ValueError("late: there is no address to which outcomes are posted")
        super()._behave(behaviour)
        rate, held = self.behaviour.rate, self.behaviour.held
        shape = self._desk.shape if self._desk is not None else None
        if not rate:
            self._desk = None
        elif shape is None or (shape.capacity, shape.buffer) != (rate, held):
            self._desk = Desk(self._loop, PlantShape(rate, held))
            self._desks = [*(desk for desk in self._desks if desk.status()["queue"]), self._desk]

    # One Service Request

    def take(self, request: Request) -> None:
        """A message has come."""
        try:
            header = read_header(request.body, complete=True)
        except MalformedMessage as error:
            self.malformed += 1
            request.answer(400, "text/plain", f"{self.title}: {error}\n".encode())
            return
        assert header is not None  # noqa: S101 - a complete body is read or malformed
        key, now = key_of(header), time.time()
        attempt, marked = marks_of(request.fields)
        number = self.requests.arrived(key, now, attempt, marked)
        count = self.requests.count(number)
        watched = web_service(header.command_variant) != "D"
        visit = _Visit(request, header.request_id, header.srv, key, number, watched, self.draws(key, count))
        self._begins(visit, count)
        kind = self._decide(visit)
        if self._journal is not None:
            self._journal.note(now, count > 1, header.request_id, attempt, marked, kind)

    def _begins(self, visit: _Visit, count: int) -> None:
        self.arrived += 1
        self.in_progress += 1
        visit.request.when_gone = partial(self._ends, visit, "abandoned")
        if visit.watched:
            if count == 1:
                self.order.first_arrival(visit.key)
            self.order.begins(visit.key)

    def _ends(self, visit: _Visit, kind: str) -> None:
        self.in_progress -= 1
        self.answered[kind] += 1
        self.requests.answered(visit.number, kind)
        if visit.watched:
            self.order.ends(visit.key)

    def _decide(self, visit: _Visit) -> str:
        """What is to become of it: for the journal."""
        if self.condition.state is State.HANG:
            return "hung"
        if kind := self.refusal(visit.draws):
            return self._refuse(visit, kind, self.behaviour.busy_seconds)
        if self._outcomes is not None and self._outcomes.full:
            return self._refuse(visit, "full", FULL_SECONDS)
        desk = self._desk
        if desk is not None and desk.take(partial(self._served, visit)) is not Fate.HELD:
            return self._refuse(visit, "full", self.behaviour.held / self.behaviour.rate)
        self._carry_out(visit)
        kind = visit.kind
        if desk is None:
            self._served(visit)
        return kind

    def _refuse(self, visit: _Visit, kind: str, retry_after: float) -> str:
        self._ends(visit, kind)
        self.refuse(visit.request, kind, retry_after)
        return kind

    def _carry_out(self, visit: _Visit) -> None:
        """Execute it, unless it was executed before or its device does not answer; settle how it is answered."""
        behaviour, draws = self.behaviour, visit.draws
        visit.code = self.requests.executed_as(visit.number)
        if not visit.code:
            if self._device_is_silent(visit):
                visit.code = "E21"
            else:
                late = draws.late < behaviour.late
                visit.code = "I0" if self._settings.sync and not late else "I99"
                visit.outcome_after = behaviour.late_seconds if late else self._settings.outcome_latency
                self.requests.execute(visit.number, visit.code)
                if visit.watched:
                    self.order.executed(visit.key)
        visit.kind = self.ending(visit.code, draws)

    def _device_is_silent(self, visit: _Visit) -> bool:
        behaviour = self.behaviour
        if not visit.watched:
            return False
        if visit.draws.no_answer < behaviour.no_answer:
            return True
        part = behaviour.no_answer_devices
        return part > 0 and self._chance.of_device(visit.key[8:16]) < part

    def _served(self, visit: _Visit, _fate: Fate = Fate.SERVED) -> None:
        delay = self.delay(visit.draws)
        if delay > 0:
            self._loop.call_later(delay, self._finish, visit)
        else:
            self._finish(visit)

    def _finish(self, visit: _Visit) -> None:
        if self._outcomes is not None and visit.code == "I99" and not math.isnan(visit.outcome_after):
            self._outcomes.add(visit.outcome_after, visit.request_id, visit.srv)
        request = visit.request
        if request.gone:
            return
        self._ends(visit, visit.kind)
        if visit.kind == "dropped":
            request.break_off()
            return
        responded = visit.code == "I0"
        body = response(visit.code, visit.request_id, visit.srv, _response_id(visit.request_id) if responded else None)
        if visit.kind == "cut":
            request.answer_in_part(visit.draws.part, 200, "application/xml", body)
        else:
            request.answer(200, "application/xml", body)

    # What it tells

    def page(self, since: int, limit: int) -> dict[str, object]:
        """RequestIDs in the order of their first arrival; see `Requests.page`."""
        return self.requests.page(since, limit)

    def status(self) -> dict[str, object]:
        """What GET /stand-in/status tells; see docs/stand-in-csp.md."""
        requests, order, outcomes, journal = self.requests, self.order, self._outcomes, self._journal
        return {
            **self.common_status(),
            "arrived": self.arrived,
            "request_ids": requests.in_all,
            "forgotten": requests.forgotten,
            "executed": requests.executed_in_all,
            "executed_twice": requests.executed_twice,
            "repeated": dict(requests.repeated),
            "attempts": {str(attempt): count for attempt, count in sorted(requests.attempts.items())},
            "outcomes": {
                "sent": outcomes.sent if outcomes else 0,
                "waiting": outcomes.waiting if outcomes else 0,
                "tries_failed": outcomes.tries_failed if outcomes else 0,
            },
            "order_violations": order.arrived_out_of_order,
            "execution_order_violations": order.executed_out_of_order,
            "max_at_once_per_device": order.most_at_once,
            "examples": list(order.examples),
            "journal": "none" if journal is None else journal.failure or "ok",
        }

    def summary(self) -> str:
        """What has happened so far, in a line."""
        repeated = self.requests.repeated["marked"] + self.requests.repeated["unmarked"]
        said = f"arrived {self.arrived}, executed {self.requests.executed_in_all}, repeated {repeated}"
        if self._outcomes is not None:
            said += f"; outcomes sent {self._outcomes.sent}, waiting {self._outcomes.waiting}"
        if self._journal is not None and self._journal.failure is not None:
            said += f"; the journal {self._journal.failure}"
        return said


def _response_id(request_id: str) -> str:
    originator, target, counter = request_id.split(":")
    return f"{target}:{originator}:{counter}"
