"""What stands for a User, its Role and its size where nobody is to be told: decided once for a whole summary."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.simulate.evidence.pseudonyms import pseudonyms

FEWEST = 3
"""Users behind any figure, at least."""
DOMINANT = 0.75
"""Where one User has more than this part of a Role's requests, the Role's figures are its own."""
OTHERS = "other Roles"
_BANDS = {1: ("any size",), 2: ("smaller", "larger"), 3: ("small", "medium", "large")}


@dataclass(frozen=True)
class Cover:
    """Pseudonyms by name, the name of its group by Role, and the band of size by User."""

    users: Mapping[str, str]
    roles: Mapping[str, str]
    bands: Mapping[str, str]

    def text(self, text: str) -> str:
        """The text with "a User" where it names one; sentences that name one and hold a figure are left out."""
        if not self.users:
            return text
        sentences = re.split(r"(?<=[.!?])\s+", text)
        kept = []
        for sentence in sentences:
            told, found = _naming(self.users).subn("a User", sentence)
            if not found or not re.search(r"\d", told):
                kept.append(told)
        return " ".join(kept)


def cover(summary: Mapping[str, Any], key: bytes) -> Cover:
    """Raises ValueError where there are too few Users to hide among, or the key is too short."""
    users = summary["users"]
    if len(users) < FEWEST:
        raise ValueError(f"{len(users)} Users are too few to be made anonymous: it needs {FEWEST} at least")
    names = pseudonyms([user["name"] for user in users], key)
    roles = _merged_roles(summary)
    bands: dict[str, str] = {}
    for group in set(roles.values()):
        members = [user for user in users if roles[user["role"]] == group]
        bands |= _bands(sorted(members, key=lambda user: (user["allocation"], names[user["name"]])))
    return Cover(names, roles, bands)


def _naming(names: Mapping[str, str]) -> re.Pattern[str]:
    """Any of the names, the longest first, as whole words and however written; short ones as they are."""
    alternatives = (
        re.escape(name) if len(name) < 4 else f"(?i:{re.escape(name)})"
        for name in sorted(names, key=lambda name: (-len(name), name))
        if name
    )
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)")


def _merged_roles(summary: Mapping[str, Any]) -> dict[str, str]:
    """Roles with few members, or one that has nearly all of the requests, together; the smallest others if need be."""
    members: dict[str, list[str]] = {}
    for user in summary["users"]:
        members.setdefault(user["role"], []).append(user["name"])
    offered = _offered(summary)
    by_size = sorted(members, key=lambda role: (len(members[role]), role))
    own = [role for role in by_size if _hides(members[role], offered)]
    merged = [role for role in by_size if role not in own]
    while merged and own and not _hides([name for role in merged for name in members[role]], offered):
        merged.append(own.pop(0))
    return {role: role for role in own} | dict.fromkeys(merged, OTHERS)


def _offered(summary: Mapping[str, Any]) -> dict[str, float]:
    policies = summary["policies"]
    return {name: one["offered"] for name, one in policies[0]["users"].items()} if policies else {}


def _hides(names: Sequence[str], offered: Mapping[str, float]) -> bool:
    amounts = [offered.get(name, 0) for name in names]
    return len(names) >= FEWEST and max(amounts) <= DOMINANT * max(sum(amounts), 1)


def _bands(members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Members of a Role, the smallest first, in as many bands of equal number as have enough in them."""
    names = _BANDS[min(max(_BANDS), max(1, len(members) // FEWEST))]
    return {user["name"]: names[place * len(names) // len(members)] for place, user in enumerate(members)}
