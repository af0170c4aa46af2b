"""Who asks? A bearer token says so, or the cookie of a session.

The database is asked each time: a token that is revoked, and a session that has ended, count no more at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, NamedTuple

from starlette.requests import Request

from sluicegate.database.errors import StoreError
from sluicegate.operations.site import origin
from sluicegate.operations.site.guarded import SAFE
from sluicegate.operations.site.principal import USER, Principal
from sluicegate.operations.site.refusal import NO_TOKEN, UNKNOWN_USER, Refusal
from sluicegate.operations.site.slowing import Slowing
from sluicegate.operations.store import sessions, tokens, trail
from sluicegate.operations.store.sessions import Session
from sluicegate.operations.store.store import OperationsStore
from sluicegate.operations.store.tokens import Token
from sluicegate.operations.store.worker import Worker

LONGEST: Final = 200  # characters of a field that may hold a token


class Terms(NamedTuple):
    """How browsers stay signed in.

    secure: whether the site is reached over TLS: then the cookie is for TLS only.
    own: the origin of the site, as browsers know it; None: whatever they ask for.
    lasts, idle: microseconds.
    """

    secure: bool = False
    own: str | None = None
    lasts: int = 8 * 3_600_000_000
    idle: int = 30 * 60_000_000

    @property
    def cookie(self) -> str:
        """The name of the cookie. Of a site with TLS no other site, and no page without TLS, can set it."""
        return "__Host-sluicegate" if self.secure else "sluicegate"


class SiteGate:
    """The gate of one site.

    Args:
        worker: has the database.
        knows: whether there is such a User in the configuration in force.
        terms: of sessions.
    """

    def __init__(self, worker: Worker, knows: Callable[[str], bool], terms: Terms) -> None:
        self._worker = worker
        self._knows = knows
        self.terms = terms
        self.slowing = Slowing()

    async def principal(self, request: Request) -> Principal:
        """Who asks. Raises Refusal, or Unavailable."""
        crowd = self.slowing.enter(request)
        found = await self._shown(request)
        if found is None:
            await self.slowing.offended(crowd, "authorization" in request.headers)
            raise Refusal(
                NO_TOKEN,
                "sign in, or send `Authorization: Bearer TOKEN` with a token that has neither ended nor been revoked; "
                "the operator makes one by `sluicegate token create`",
                fields={"WWW-Authenticate": 'Bearer realm="sluicegate"'},
            )
        return self._let_in(found)

    async def still(self, request: Request) -> bool:
        """Whether who has asked this may still ask it. That is no request, nor is a session in use by it.

        Raises Unavailable.
        """
        found = await self._shown(request, in_use=False)
        return found is not None and self._may(found)

    async def session(self, request: Request, *, in_use: bool = True) -> Session | None:
        """The session of a browser; None where there is none. Raises Unavailable."""
        cookie = self.cookie(request)
        if cookie is None:
            return None
        idle = self.terms.idle
        return await self._worker.do(lambda store: _session(store, cookie, idle, in_use=in_use))

    async def holder(self, shown: str) -> tuple[Principal, int] | None:
        """Whose a token is that is typed into a form, and its number; None where it is nobody's. Raises as above."""
        found = await self._token(shown)
        return None if found is None else (self._let_in(of_token(found)), found.id)

    def cookie(self, request: Request) -> str | None:
        """What the cookie of a session holds; None where there is none that may be one."""
        value = request.cookies.get(self.terms.cookie, "")
        return value if sessions.FORM.fullmatch(value) else None

    def _let_in(self, principal: Principal) -> Principal:
        if not self._may(principal):
            raise Refusal(UNKNOWN_USER, "the User of this account is not in the configuration any more")
        self.slowing.known(principal.who)
        return principal

    def _may(self, principal: Principal) -> bool:
        return principal.role != USER or self._knows(principal.user or "")

    async def _shown(self, request: Request, *, in_use: bool = True) -> Principal | None:
        fields = request.headers.getlist("authorization")
        if fields:
            scheme, _, shown = (fields[0] if len(fields) == 1 else "").partition(" ")
            token = await self._token(shown) if scheme.lower() == "bearer" else None
            return None if token is None else of_token(token)
        session = await self.session(request, in_use=in_use)
        if session is None:
            return None
        if request.method not in SAFE:
            origin.changing(request, self.cookie(request) or "", self.terms.own)
        return of_session(session)

    async def _token(self, shown: str) -> Token | None:
        if len(shown) > LONGEST or not tokens.FORM.fullmatch(shown):
            return None
        return await self._worker.do(lambda store: _find(store, shown))


def of_token(token: Token) -> Principal:
    """As whom a token signs in."""
    user = token.name if token.scope == USER else None
    return Principal(f"User {token.name}" if user else token.name, token.scope, user, f"token {token.id}")


def of_session(session: Session) -> Principal:
    """As whom somebody has signed in."""
    return Principal(session.who, session.role, session.user, session.how)


def _find(store: OperationsStore, shown: str) -> Token | None:
    with store.reading() as connection:
        return tokens.holder(connection, shown, trail.now())


def _session(store: OperationsStore, cookie: str, idle: int, *, in_use: bool) -> Session | None:
    at = trail.now()
    with store.reading() as connection:
        found = sessions.holder(connection, cookie, at=at, idle=idle)
    if in_use and found is not None and at - found.seen_at > sessions.SEEN_EVERY:
        with contextlib.suppress(StoreError), store.changing() as connection:  # a full disk signs nobody out
            sessions.seen(connection, found, at)
    return found
