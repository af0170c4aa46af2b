"""Campaigns over HTTP: a User announces its runs and finds a quieter time, an operator sees all that is to come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from sluicegate.front.problems import Problem
from sluicegate.log import logger
from sluicegate.operations.book import campaign_told, campaigns
from sluicegate.operations.book.campaign_described import DAYS, MOST_DAYS, MOST_OCTETS, PREFIX
from sluicegate.operations.book.campaign_told import Looked
from sluicegate.operations.book.campaigns import Campaign, CampaignRefused, CampaignUnfit, NoSuchCampaign
from sluicegate.operations.book.effective import moment
from sluicegate.operations.book.from_history import came, expected
from sluicegate.operations.site.guarded import guarded, routed
from sluicegate.operations.site.principal import EVERYBODY, OPERATOR, USER
from sluicegate.operations.site.reading import model_of
from sluicegate.operations.site.refusal import HEADERS, NOT_FOUND, NOT_YOURS, Refusal
from sluicegate.operations.store import trail

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.routing import Route

    from sluicegate.operations.account.governed import Governed
    from sluicegate.operations.site.principal import Principal
    from sluicegate.operations.store.store import OperationsStore
    from sluicegate.operations.store.worker import Worker

UNFIT: Final = Problem("unfit-campaign", 422, "This announcement cannot be")
REFUSED: Final = Problem("campaign-refused", 409, "This is not done")
TOO_LARGE: Final = Problem("too-large", 413, "The announcement is too large")
MOST_TOLD: Final = 100
"""So many that are to come are told of, the next ones; all of them count in what is expected."""
MOST_OVER: Final = 20

T = TypeVar("T")


class _Asked(BaseModel):
    """An announcement. Times are ISO 8601, without an offset London's. Not `confirmed`: it is only looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: str | None = Field(default=None, max_length=1000)
    srv: str = Field(max_length=40)
    volume: int
    starts_at: str = Field(max_length=40)
    ends_at: str = Field(max_length=40)
    note: str = Field(default="", max_length=campaigns.MOST_NOTE)
    confirmed: bool = False


class _Wanted(NamedTuple):
    user: str
    srv: str
    volume: int
    starts_at: int
    ends_at: int
    note: str


class CampaignApi:
    """Handlers. A User sees and announces its own, and learns of the others only how full the time is in all.

    Args:
        gateway: whose Users they are, and whose capacity. worker: has the database.
    """

    def __init__(self, gateway: Governed, worker: Worker) -> None:
        self._gateway = gateway
        self._worker = worker

    def routes(self) -> list[Route]:
        """For the site."""
        show, one = guarded(self._show, EVERYBODY), guarded(self._one, EVERYBODY)
        announce, withdraw = guarded(self._announce, (OPERATOR, USER)), guarded(self._withdraw, (OPERATOR, USER))
        return [
            routed(PREFIX, {"GET": show, "POST": announce}),
            routed(PREFIX + "/{campaign:int}", {"GET": one, "DELETE": withdraw}),
        ]

    async def _show(self, request: Request, principal: Principal) -> Response:
        """What is to come over what is expected, and what runs that are over came to."""
        days, at = _days(request), trail.now()
        looked = await self._read(lambda connection: self._look(connection, at, principal.user))
        told = await asyncio.to_thread(campaign_told.overview, looked, days, MOST_TOLD)
        return JSONResponse(told, headers=HEADERS)

    async def _one(self, request: Request, principal: Principal) -> Response:
        """One of them."""
        number, at = _number(request), trail.now()

        def read(connection: Connection) -> tuple[Campaign, Looked]:
            one = campaigns.find(connection, number, principal.user)
            return one, self._look(connection, at, principal.user, (one,))

        one, looked = await self._read(read)
        return JSONResponse(await asyncio.to_thread(campaign_told.of, one, looked), headers=HEADERS)

    async def _announce(self, request: Request, principal: Principal) -> Response:
        """Take one down; unconfirmed, say how it lies."""
        asked = await model_of(request, _Asked, MOST_OCTETS, TOO_LARGE, UNFIT)
        wanted, at = self._wanted(asked, principal), trail.now()
        try:
            campaigns.check(wanted.srv, wanted.volume, wanted.starts_at, wanted.ends_at, wanted.note, at)
        except CampaignUnfit as error:
            raise Refusal(UNFIT, str(error)) from None

        def take(connection: Connection) -> tuple[Campaign, Looked]:
            one = campaigns.announce(connection, **wanted._asdict(), who=principal.who, at=at, by=principal.by)
            return one, self._look(connection, at, principal.user, ())

        def consider(connection: Connection) -> tuple[Campaign, Looked]:
            one, looked = (
                Campaign(0, 0, *wanted, at, principal.who, None),
                self._look(connection, at, principal.user, ()),
            )
            return one, looked._replace(every=[*looked.every, one])

        if asked.confirmed:
            one, looked = await self._do(take, changing=True)
            _log("announced", one, principal)
        else:
            one, looked = await self._read(consider)
        told = await asyncio.to_thread(campaign_told.of, one, looked)
        return JSONResponse(told | {"confirmed": asked.confirmed}, 201 if asked.confirmed else 200, HEADERS)

    def _wanted(self, asked: _Asked, principal: Principal) -> _Wanted:
        user = asked.user if asked.user is not None else principal.user
        if principal.user is not None and user != principal.user:
            raise Refusal(NOT_YOURS, f"you announce for {principal.user}, and for nobody else")
        if user is None or user not in {one.name for one in self._gateway.settings.users}:
            raise Refusal(UNFIT, "`user` must be the name of a User")
        try:
            return _Wanted(user, asked.srv, asked.volume, moment(asked.starts_at), moment(asked.ends_at), asked.note)
        except ValueError as error:
            raise Refusal(UNFIT, str(error)) from None

    async def _withdraw(self, request: Request, principal: Principal) -> Response:
        """It will not take place."""
        number, at = _number(request), trail.now()

        def take_back(connection: Connection) -> Campaign:
            return campaigns.withdraw(
                connection, number, who=principal.who, at=at, user=principal.user, by=principal.by
            )

        one = await self._do(take_back, changing=True)
        _log("withdrawn", one, principal)
        return JSONResponse({"campaign": campaign_told.plain(one, at)}, headers=HEADERS)

    # --- in the thread of the database

    def _look(
        self, connection: Connection, at: int, user: str | None, over: tuple[Campaign, ...] | None = None
    ) -> Looked:
        """What there is to know. `over`: of which it is told what they came to; None: of the last that are over."""
        capacity, file = self._gateway.settings.capacity, self._gateway.settings
        if over is None:
            over = tuple(campaigns.over(connection, at, MOST_OVER, user))
        load = expected(connection, at, capacity.weights)
        return Looked(
            at=at,
            user=user,
            capacity=capacity,
            allocation=next((one.allocation for one in file.users if one.name == user), None),
            every=campaigns.within(connection, at, at + campaigns.FURTHEST + campaigns.LONGEST),
            load=load,
            own=load if user is None else expected(connection, at, capacity.weights, user),
            over=[(one, came(connection, one, at)) for one in over],
        )

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._do(work, changing=False)

    async def _do(self, work: Callable[[Connection], T], *, changing: bool) -> T:
        def inside(store: OperationsStore) -> T:
            with store.changing() if changing else store.reading() as connection:
                return work(connection)

        try:
            return await self._worker.do(inside)
        except NoSuchCampaign as error:
            raise Refusal(NOT_FOUND, str(error)) from None
        except CampaignRefused as error:
            raise Refusal(REFUSED, str(error)) from None


def _log(did: str, one: Campaign, principal: Principal) -> None:
    logger().info(f"campaign {did}", campaign=one.id, user=one.user, who=principal.told)


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(DAYS))
    days = int(text) if text.isdecimal() and text.isascii() and len(text) <= 4 else 0
    if not 1 <= days <= MOST_DAYS:
        raise Refusal(UNFIT, f"`days` must be from 1 to {MOST_DAYS}")
    return days


def _number(request: Request) -> int:
    return int(request.path_params["campaign"])
