"""Controls over HTTP: what counts, what one would do, put one, end one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.log import logger
from sluicegate.operations.account.problems import TOO_LARGE
from sluicegate.operations.controls import kept, kinds
from sluicegate.operations.controls.described import PREFIX
from sluicegate.operations.controls.governor import Governor
from sluicegate.operations.controls.kinds import Control, Wanted
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import OPERATOR, STAFF
from sluicegate.operations.site.reading import model_of
from sluicegate.operations.site.refusal import HEADERS, NOT_FOUND, Refusal
from sluicegate.operations.store import trail

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from sluicegate.operations.account.governed import Governed
    from sluicegate.operations.site.principal import Principal
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.trail import Row
    from sluicegate.operations.store.worker import Worker

MOST_OCTETS = 8192
MOST_TOLD = 200
UNFIT = Problem("unfit-control", 422, "This control cannot be")


class Asked(BaseModel):
    """A control as it is asked for. `confirmed`: without it, it is only said what it would do."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    do: str = Field(max_length=40)
    user: str | None = Field(default=None, max_length=1000)
    value: float | None = None
    seconds: float | None = None
    reason: str = Field(default="", max_length=kinds.MOST_REASON)
    confirmed: bool = False


class Ended(BaseModel):
    """Why a control is ended."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(min_length=1, max_length=kinds.MOST_REASON)


class ControlsApi:
    """The API: operators put and end controls, all who work there see them.

    Args:
        changed: called when a control was put or ended, after it is in force.
    """

    def __init__(self, gateway: Governed, worker: Worker, governor: Governor, changed: Callable[[], None]) -> None:
        self._gateway = gateway
        self._worker = worker
        self._governor = governor
        self._changed = changed

    def routes(self) -> list[Route]:
        """For the site."""
        return [
            routed(PREFIX, {"GET": guarded(self.show, STAFF), "POST": guarded(self.put, (OPERATOR,))}),
            routed(PREFIX + "/{control}/end", {"POST": guarded(self.end, (OPERATOR,))}),
        ]

    async def show(self, _request: Request, _principal: Principal) -> Response:
        """What counts now, and the last ones."""
        found = await self._worker.do(_newest)
        return JSONResponse(
            {
                "in_force": [_told(one) for one in self._governor.controls],
                "last": [_told(one) | {"ended_at": _when(ended)} for one, ended in found],
            },
            headers=HEADERS,
        )

    async def put(self, request: Request, principal: Principal) -> Response:
        """Put one; unconfirmed, say what it would do."""
        asked, who = await model_of(request, Asked, MOST_OCTETS, TOO_LARGE, UNFIT), principal.told
        wanted = Wanted(asked.do, asked.user, asked.value, asked.seconds)
        settings = self._gateway.settings
        try:
            kinds.check(wanted, settings)
        except kinds.Unfit as error:
            raise Refusal(UNFIT, str(error)) from None
        meaning = kinds.meaning(wanted, settings)
        if not asked.confirmed:
            return JSONResponse({"meaning": meaning, "confirmed": False}, headers=HEADERS)
        if not asked.reason.strip():
            raise Refusal(UNFIT, "say why: `reason` goes into the audit trail")
        made, row = await self._worker.do(lambda store: _put(store, wanted, who, asked.reason.strip()))
        logger().warning(row.did, kind=made.kind, user=made.user, who=who, audit=row.seq, hash=row.hash.hex())
        await self._take()
        return JSONResponse({"meaning": meaning, "confirmed": True, "control": _told(made)}, 201, HEADERS)

    async def end(self, request: Request, principal: Principal) -> Response:
        """End one by its number."""
        text = str(request.path_params["control"])
        number = int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else 0
        asked, who = await model_of(request, Ended, MOST_OCTETS, TOO_LARGE, UNFIT), principal.told
        try:
            ended, row = await self._worker.do(lambda store: _end(store, number, who, asked.reason))
        except kept.NoSuchControl:
            raise Refusal(NOT_FOUND, f"no control {text[:20]} counts now: it has ended, or never was") from None
        logger().warning(row.did, kind=ended.kind, user=ended.user, who=who, audit=row.seq, hash=row.hash.hex())
        await self._take()
        return JSONResponse({"control": _told(ended)}, headers=HEADERS)

    async def _take(self) -> None:
        if await self._governor.catch_up():
            self._changed()


def _told(one: Control) -> dict[str, Any]:
    return {
        "control": one.seq,
        "do": one.kind,
        "user": one.user,
        "value": one.value,
        "made_at": _when(one.made_at),
        "until": _when(one.until),
        "by": one.who,
        "reason": one.reason,
    }


def _when(at: int | None) -> str | None:
    return None if at is None else trail.shown(at)


def _newest(store: OperationsStore) -> list[tuple[Control, int | None]]:
    with store.reading() as connection:
        return kept.newest(connection, MOST_TOLD)


def _put(store: OperationsStore, wanted: Wanted, who: str, reason: str) -> tuple[Control, Row]:
    with store.changing() as connection:
        return kept.put(connection, wanted, who=who, reason=reason, at=trail.now())


def _end(store: OperationsStore, number: int, who: str, reason: str) -> tuple[Control, Row]:
    with store.changing() as connection:
        return kept.end(connection, number, who=who, reason=reason, at=trail.now())
