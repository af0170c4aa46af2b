"""The User's systems: they send, hang up, come again, and remember what they were told."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from hashlib import blake2b
from time import time

from bench.faults.sender import Senders, Sent, _code
from sluicegate.duis import MalformedMessage, read_response, request_key
from sluicegate.http.call import Answer, CallFailed

HANG_UP = 0.05
"""Part of the sends whose sender has no patience (hold mode)."""
EXPIRED = "urn:sluicegate:problem:expired"
REASONS = ("store", "relay-full", "draining")


@dataclass(slots=True, eq=False)
class Asked(Sent):
    """One SR, and more of what its sender was told."""

    expired: bool = False
    answers: list[str] = field(default_factory=list)


class RelaySenders(Senders):
    """All lanes. In hold mode an answer is waited for; in callback mode 202 is what is waited for."""

    mode = "hold"

    def _note(self, user: str, device: str, body: bytes, **more: object) -> Sent:
        request_id = f"{user}:{device}:{self._counter}"
        digest = blake2b(body, digest_size=16).digest()
        sent = Asked(request_key(request_id), request_id, device, digest, **more)  # type: ignore[arg-type]
        self.book.sent.append(sent)
        return sent

    async def _post(self, sent: Sent, body: bytes, service: str, chance: random.Random) -> Answer | None:
        if self.mode == "hold" and chance.random() < HANG_UP:
            return await self._post_and_leave(sent, body, service, chance)
        return await super()._post(sent, body, service, chance)

    async def _post_and_leave(self, sent: Sent, body: bytes, service: str, chance: random.Random) -> Answer | None:
        await self._any_up.wait()
        sent.tries += 1
        self.book.counts["posts"] += 1
        path, patience = f"/api/v1/service{service}", chance.uniform(0.002, 0.2)
        try:
            return await self.targets[0].caller.post(path, body, {"Content-Type": "application/xml"}, patience)
        except CallFailed:
            self.book.counts["hung up"] += 1
            return None

    def _told(self, sent: Sent, answer: Answer) -> bool:
        assert isinstance(sent, Asked)
        if answer.status == 202 and self.mode == "callback":
            if json.loads(answer.body)["request_id"] != sent.request_id:
                self.book.complain(f"{sent.request_id}: 202 for another one: {answer.body[:200]!r}")
            return self._taken(sent, "202")
        if answer.status == 504 and _problem(answer) == EXPIRED and self.mode == "hold":
            sent.expired = True
            sent.answers.append("expired")
            self.book.counts["expired"] += 1
            return False
        if answer.status == 200 and self.mode == "hold" and _code(answer) == "I99":
            if _request_id(answer) != sent.request_id:
                self.book.complain(f"{sent.request_id}: the acknowledgement of another one")
            return self._taken(sent, "I99")
        if answer.status == 500 and self.mode == "hold":  # the gateway's own, where there was no safe place to wait
            self.book.counts["500 passed on"] += 1
            return False
        self.book.complain(f"{sent.request_id}: {answer.status}: {answer.body[:200]!r}")
        return False

    def _taken(self, sent: Asked, word: str) -> bool:
        sent.acked_at = sent.acked_at or time()
        sent.answers.append(word)
        self._acknowledged()
        return True

    async def _put_off(self, sent: Sent, answer: Answer) -> None:
        kind = _problem(answer).rpartition(":")[2]
        self.book.counts[f"503 {kind}"] += 1
        if kind not in REASONS and answer.status != 503:
            self.book.complain(f"{sent.request_id}: {answer.status} {answer.body[:200]!r}")
        await super()._put_off(sent, answer)

    async def _after(self, sent: Sent, body: bytes, chance: random.Random) -> None:
        if chance.random() < self.habits.again:
            answer = await self._post(sent, body, "S", chance)
            self.book.counts["sent again on purpose"] += 1
            right = (200, 500, 503, 504) if self.mode == "hold" else (202, 503)  # 500: see `_told`
            if answer is not None and answer.status not in right:
                self.book.complain(f"{sent.request_id} sent again: {answer.status}")

    async def _send_wrong(self, user: str, device: str, chance: random.Random) -> None:
        """Nothing is wrong here: the relay does not judge."""


def _problem(answer: Answer) -> str:
    if answer.fields.get(b"content-type") != b"application/problem+json":
        return ""
    return str(json.loads(answer.body)["type"])


def _request_id(answer: Answer) -> str | None:
    try:
        return read_response(answer.body).request_id
    except MalformedMessage:
        return None
