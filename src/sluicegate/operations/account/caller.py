"""The User whose account it is."""

from __future__ import annotations

from typing import NamedTuple

from sluicegate.operations.account.profiles import OwnProfiles
from sluicegate.operations.site.principal import Principal
from sluicegate.operations.site.refusal import UNKNOWN_USER, Refusal
from sluicegate.settings import User


class Caller(NamedTuple):
    """Who asks: a User of the configuration, or somebody who has signed in for it."""

    user: User
    who: str


def caller_of(principal: Principal, profiles: OwnProfiles) -> Caller:
    """Raises Refusal where the configuration has no such User any more."""
    user = profiles.user(principal.user or "")
    if user is None:
        raise Refusal(UNKNOWN_USER, "the User of this account is not in the configuration any more")
    return Caller(user, principal.told)
