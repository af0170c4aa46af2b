"""Notices and channels over HTTP: what was told, where, whether it works, and the test button."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.operations.notices import outbox, showing
from sluicegate.operations.notices.described import CHANNELS, LONGEST_NAME, MOST, NOTICES, USUAL
from sluicegate.operations.notices.testing import Tested, TooSoon
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import EVERYBODY, OPERATOR, USER
from sluicegate.operations.site.reading import model_of
from sluicegate.operations.site.refusal import HEADERS, NOT_FOUND, NOT_YOURS, TOO_OFTEN, Refusal
from sluicegate.operations.store import trail

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from sluicegate.operations.account.governed import Governed
    from sluicegate.operations.notices.notice import Notice
    from sluicegate.operations.notices.service import Notices
    from sluicegate.operations.site.principal import Principal
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.worker import Worker

MOST_OCTETS: Final = 4096
DELIVERED_WITHIN: Final = 7 * 86_400 * 1_000_000
"""Microseconds that a delivery by another gateway, or before a restart, is looked back for."""
UNFIT: Final = Problem("unfit-question", 422, "This cannot be asked")
TOO_LARGE: Final = Problem("too-large", 413, "The question is too large")

_NUMBER: Final = re.compile(r"[0-9]{1,4}", re.ASCII)


class _Asked(BaseModel):
    """Which channels are to be tested. No `user`: one's own; no `channel`: all."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    channel: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)


class NoticesApi:
    """The API: a User sees its own, all who work there see everybody's."""

    def __init__(self, gateway: Governed, worker: Worker, notices: Notices) -> None:
        self._gateway = gateway
        self._worker = worker
        self._notices = notices

    def routes(self) -> list[Route]:
        """For the site."""
        return [
            routed(NOTICES, {"GET": guarded(self._told, EVERYBODY)}),
            routed(CHANNELS, {"GET": guarded(self._channels, EVERYBODY)}),
            routed(f"{CHANNELS}/test", {"POST": guarded(self._test, (OPERATOR, USER))}),
        ]

    async def _told(self, request: Request, principal: Principal) -> Response:
        """The newest notices."""
        user, limit = self._of(request.query_params.get("user"), principal), _limit(request)
        found = await self._worker.do(lambda store: _newest(store, limit, user))
        return await _json(lambda: {"notices": [showing.notice(one) for one in found]})

    async def _channels(self, request: Request, principal: Principal) -> Response:
        """The channels, and how they are."""
        user, limit = self._of(request.query_params.get("user"), principal), _limit(request)
        since = trail.now() - DELIVERED_WITHIN
        last = await self._worker.do(lambda store: _last_sent(store, since, user))
        users = [one for one in self._gateway.settings.users if user in (None, one.name)]
        told = [
            showing.configured((one.name, channel.name), channel, self._notices.lanes, last)
            for one in users
            for channel in one.channels
        ]
        failing = sum(one["state"] == showing.FAILING for one in told)
        told.sort(key=lambda one: (one["state"] != showing.FAILING, str(one["user"]), str(one["channel"])))
        return await _json(
            lambda: {
                "channels": told[:limit],
                "count": len(told),
                "failing": failing,
                "users_without": sum(not one.channels for one in users),
            }
        )

    async def _test(self, request: Request, principal: Principal) -> Response:
        """One attempt at each channel of a User, or at one."""
        asked = await model_of(request, _Asked, MOST_OCTETS, TOO_LARGE, UNFIT)
        user = self._of(asked.user, principal)
        if user is None:
            raise Refusal(UNFIT, "say whose channels: `user`")
        try:
            tested = await self._notices.test(user, principal.told, asked.channel)
        except LookupError as error:
            raise Refusal(NOT_FOUND, str(error)[:300]) from None
        except TooSoon as error:
            raise Refusal(TOO_OFTEN, str(error), retry_after=error.seconds) from None
        return JSONResponse({"user": user, "tested": [_became(one) for one in tested]}, headers=HEADERS)

    def _of(self, asked: str | None, principal: Principal) -> str | None:
        """Whose: for a `user` its own; None: everybody's. Raises Refusal where that is not for this one to see."""
        if principal.role == USER:
            if asked not in (None, principal.user):
                raise Refusal(NOT_YOURS, "a User sees what is its own: leave `user` out")
            return principal.user or ""
        if asked is not None and all(one.name != asked for one in self._gateway.settings.users):
            raise Refusal(NOT_FOUND, "the configuration has no User of this name")
        return asked


async def _json(told: Callable[[], dict[str, Any]]) -> Response:
    """Written in a thread: a thousand notices take some milliseconds, for which no decision should wait."""
    return await asyncio.to_thread(lambda: JSONResponse(told(), headers=HEADERS))


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(USUAL))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST:
        raise Refusal(UNFIT, f"`limit` is a number from 1 to {MOST:,}")
    return int(text)


def _became(one: Tested) -> dict[str, Any]:
    return {
        "channel": one.channel, "delivered": not one.why, "why": one.why or None, "seconds": round(one.seconds, 3),
    }  # fmt: skip


# --- in the thread of the worker


def _newest(store: OperationsStore, most: int, user: str | None) -> list[Notice]:
    with store.reading() as connection:
        return outbox.newest(connection, most, user)


def _last_sent(store: OperationsStore, since: int, user: str | None) -> dict[tuple[str, str], int]:
    with store.reading() as connection:
        return outbox.last_sent(connection, since, user)
