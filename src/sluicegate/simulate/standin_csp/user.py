"""A stand-in for a User's endpoint: takes Responses, and remembers what came."""

import time
from collections import Counter
from collections.abc import Mapping
from functools import partial

from sluicegate.duis import MalformedMessage
from sluicegate.duis.response import ResponseHeader, read_response
from sluicegate.simulate.answering import Request
from sluicegate.simulate.standin_csp.chance import Draws
from sluicegate.simulate.standin_csp.responses import FIELDS, Responses, Row, who
from sluicegate.simulate.standin_csp.schedule import State
from sluicegate.simulate.standin_csp.server import Settings, StandInServer


class StandInUser(StandInServer):
    """A running stand-in User. Build it with `StandInUser.start`."""

    title = "stand-in User"
    listing = "responses"

    def __init__(self, settings: Settings) -> None:
        """Use `start`."""
        super().__init__(settings)
        self.responses = Responses(settings.remember)
        self._arrivals: Counter[bytes] = Counter()
        self._most = settings.remember

    def take(self, request: Request) -> None:
        """A message has come."""
        try:
            header = read_response(request.body)
        except MalformedMessage as error:
            self.malformed += 1
            request.answer(400, "text/plain", f"{self.title}: {error}\n".encode())
            return
        self.in_progress += 1
        request.when_gone = partial(self._ends, "abandoned")
        draws = self._draws(header)
        fields = tuple(_text(request.fields, name) for name in FIELDS)
        kind = self._decide(request, header, fields, draws)
        self.responses.note(Row(time.time(), header, kind, fields))

    def _draws(self, header: ResponseHeader) -> Draws:
        """By the number of the arrival of this very Response, which is counted only where it matters."""
        if not self.behaviour.by_chance and not self.condition.fail:
            return self.draws(b"", 0)
        key = f"{who(header)} {header.code}".encode()
        if len(self._arrivals) >= self._most:
            self._arrivals.clear()
        self._arrivals[key] += 1
        return self.draws(key, self._arrivals[key])

    def _decide(self, request: Request, header: ResponseHeader, fields: tuple[str, ...], draws: Draws) -> str:
        if self.condition.state is State.HANG:
            return "hung"
        if kind := self.refusal(draws):
            self._ends(kind)
            self.refuse(request, kind, self.behaviour.busy_seconds)
            return kind
        kind = self.ending("repeated" if self.responses.has(header) else "taken", draws)
        self.responses.take(header, fields)
        delay = self.delay(draws)
        if delay > 0:
            self._loop.call_later(delay, self._finish, request, kind, draws)
        else:
            self._finish(request, kind, draws)
        return kind

    def _finish(self, request: Request, kind: str, draws: Draws) -> None:
        if request.gone:
            return
        self._ends(kind)
        if kind == "dropped":
            request.break_off()
        elif kind == "cut":
            request.answer_in_part(draws.part, 200, "text/plain", b"taken\n")
        else:
            request.answer(200, "text/plain", b"taken\n")

    def _ends(self, kind: str) -> None:
        self.in_progress -= 1
        self.answered[kind] += 1

    def page(self, since: int, limit: int) -> dict[str, object]:
        """Arrivals of Responses in their order; see `Responses.page`."""
        return self.responses.page(since, limit)

    def status(self) -> dict[str, object]:
        """What GET /stand-in/status tells; see docs/stand-in-csp.md."""
        responses = self.responses
        return {
            **self.common_status(),
            "arrived": responses.in_all,
            "request_ids": responses.ids,
            "codes": dict(responses.codes),
            "repeated": dict(responses.repeated),
            "late": responses.late,
            "with_several_codes": responses.several_codes,
        }

    def summary(self) -> str:
        """What has happened so far, in a line."""
        responses = self.responses
        codes = ", ".join(f"{code} {count}" for code, count in sorted(responses.codes.items())) or "nothing"
        return f"arrived {responses.in_all}, taken: {codes}; repeated {sum(responses.repeated.values())}"


def _text(fields: Mapping[bytes, bytes], name: str) -> str:
    return fields.get(b"sluicegate-" + name.encode("ascii"), b"").decode("latin-1")[:100]
