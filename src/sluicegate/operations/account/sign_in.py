"""Who asks? A bearer token says so; who shows none that counts is slowed, by address."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from starlette.requests import Request

from sluicegate.front.identity import counted_as
from sluicegate.front.offences import BANISHED, Offences
from sluicegate.log import logger
from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site.allowance import Allowance
from sluicegate.operations.site.principal import ROLES, USER, Principal
from sluicegate.operations.site.refusal import NO_TOKEN, TOO_OFTEN, UNKNOWN_USER, Refusal
from sluicegate.operations.store import tokens, trail
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.tokens import Token
from sluicegate.operations.store.worker import Worker

LONGEST: Final = 200  # characters of a field that may hold a token
EVERYBODY: Final = ""


class SignIn:
    """Asks each request for its token. The database is asked each time: a token that is revoked counts no more at once.

    Attributes:
        refused: how many requests came without a token that counts.
    """

    def __init__(self, worker: Worker, profiles: OwnProfiles) -> None:
        self._worker = worker
        self._profiles = profiles
        self._offences = Offences()
        self._of_address = Allowance(40, 0.1)
        self._of_holder = Allowance(40, 0.1)
        self._of_all = Allowance(200, 0.01)
        self.refused = 0

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises Refusal, or Unavailable."""
        crowd = counted_as(request.client.host if request.client else "local")
        now = monotonic()
        if self._offences.banished(crowd, now):
            raise Refusal(TOO_OFTEN, "too many tokens from this address were none", retry_after=BANISHED)
        _take(self._of_address, crowd, now)
        _take(self._of_all, EVERYBODY, now)
        found = await self._holder(request)
        if found is None or found.scope not in ROLES:
            raise await self._refusal(crowd)
        _take(self._of_holder, f"{found.scope} {found.name}", now)
        by = f"token {found.id}"
        if found.scope != USER:
            return Principal(found.name, found.scope, None, by)
        if self._profiles.user(found.name) is None:
            raise Refusal(UNKNOWN_USER, "the User of this token is not in the configuration any more")
        return Principal(f"User {found.name}", USER, found.name, by)

    async def _holder(self, request: Request) -> Token | None:
        fields = request.headers.getlist("authorization")
        scheme, _, shown = (fields[0] if len(fields) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or len(shown) > LONGEST or not tokens.FORM.fullmatch(shown):
            return None
        return await self._worker.do(lambda store: _find(store, shown))

    async def _refusal(self, crowd: str) -> Refusal:
        self.refused += 1
        delay = self._offences.commit(crowd, monotonic())
        if delay < 0:
            logger().warning("an address is kept out: too many tokens that are none", address=crowd, seconds=BANISHED)
            return Refusal(
                TOO_OFTEN, "too many tokens from this address were none", retry_after=BANISHED,
                fields={"Connection": "close"},
            )  # fmt: skip
        await asyncio.sleep(delay)
        return Refusal(
            NO_TOKEN,
            "send `Authorization: Bearer TOKEN` with a token that has neither ended nor been revoked; the operator "
            "makes one by `sluicegate token create`",
            fields={"WWW-Authenticate": 'Bearer realm="sluicegate account"'},
        )


def _find(store: OperationsStore, shown: str) -> Token | None:
    with store.reading() as connection:
        return tokens.holder(connection, shown, trail.now())


def _take(allowance: Allowance, key: str, now: float) -> None:
    wait = allowance.take(key, now)
    if wait:
        raise Refusal(TOO_OFTEN, "more requests than an account needs: wait", retry_after=wait)
