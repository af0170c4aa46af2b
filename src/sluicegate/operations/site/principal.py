"""Who asks, and as what."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

OPERATOR: Final = "operator"
APPROVER: Final = "approver"
VIEWER: Final = "viewer"
USER: Final = "user"

ROLES: Final = (OPERATOR, APPROVER, VIEWER, USER)
STAFF: Final = frozenset((OPERATOR, APPROVER, VIEWER))
"""Those who see every User; a `user` sees its own and nothing else."""
EVERYBODY: Final = frozenset(ROLES)

NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,100}", re.ASCII)
"""What a person may be called: it has no blank, so that nobody is called as a User (`User NAME`) is told of."""


class Principal(NamedTuple):
    """Who asks. Two that have the same `who` are one person, however each signed in: no second pair of eyes.

    who: for the audit trail: a name, or `User NAME`.
    role: one of ROLES.
    user: the name of a [[user]] for the role `user`; else None.
    by: how it signed in: `token 3`, `OpenID Connect`.
    """

    who: str
    role: str
    user: str | None = None
    by: str = ""

    @property
    def told(self) -> str:
        """`who`, and by what: for a row of the audit trail that may have to be traced to one token."""
        return f"{self.who}, {self.by}" if self.by else self.who
