"""A profile to start from, made from the catalogue of SRVs. A suggestion for a User to edit; never a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sluicegate.allocation.reserve import LIKELY_PART, proposed_reserve
from sluicegate.duis import CATALOGUE


class Suggested(NamedTuple):
    """One class: its name, why it is where it is, and the SRVs in it."""

    name: str
    why: str
    srvs: tuple[str, ...]
    urgent: bool = False


SUGGESTED: Final = (
    Suggested(
        "supply", "Somebody may stand without supply until these are done.", ("2.2", "2.5", "7.1", "7.3", "1.5"), True
    ),
    Suggested(
        "change of supplier and of tenancy",
        "A customer waits for them on a given day.",
        ("6.23", "6.21", "1.6", "2.1", "2.3", "3.2", "8.1.1", "8.7.*", "8.8.*"),
        True,
    ),
    Suggested("field force", "An installer stands in front of the meter.", ("8.*", "6.2.*", "6.20.*", "7.4", "12.*")),
    Suggested(
        "single requests", "What a person or a process asks for, and can wait for.", ("1.*", "2.*", "3.*", "6.*", "7.*")
    ),
    Suggested("reads", "Scheduled and bulk reads: they can be asked for again.", ("4.*", "5.*", "9.*", "14.*")),
    Suggested("firmware", "Campaigns of days: they go where there is room.", ("11.*",)),
)
"""The most urgent first."""


def suggested(role: str | None = None) -> str:
    """The profile as commented TOML. `role`: only what that User Role may send (IS, GS, ...)."""
    reserve = proposed_reserve(LIKELY_PART)
    parts = [HEAD.format(reserve=reserve, more=proposed_reserve(0.8))]
    seen: set[str] = set()
    for one in SUGGESTED:
        named = {srv: name for srv, name in _meant(one.srvs, role).items() if srv not in seen}
        seen |= named.keys()
        if named:
            least = 0 if one is SUGGESTED[-1] else 1  # without any, a class and those below it would be served alike
            parts.append(_written(one, named, reserve if one.urgent and reserve else least))
    return "\n".join(parts)


HEAD = """\
# A priority profile to start from: edit it, it is yours. Nobody imposes an order on you.
#
# The classes stand in order, the most urgent first; a request is in the first class that takes it, and what is in none
# comes last. While traffic management is active your allocation is spent in this order: a class is served only while
# your allocation bank holds what the classes above it have reserved. Below the threshold nothing of this matters.
#
# reserve: requests that are kept for this class and those above it. {reserve} serve 99.9% of an urgent load that comes
# at random and is half of your allocation. Where it is more, reserve more (0.8 of it: {more}). With a reserve of 0
# a class is served like the next one below it.
#
# What is where:  sluicegate profile check FILE
"""


def _meant(patterns: tuple[str, ...], role: str | None) -> Mapping[str, str]:
    return {
        srv: known.name
        for srv, known in CATALOGUE.items()
        if (role is None or role in known.roles)
        and any(srv == pattern or (pattern.endswith(".*") and srv.startswith(pattern[:-1])) for pattern in patterns)
    }


def _written(one: Suggested, named: Mapping[str, str], reserve: int) -> str:
    lines = [f"# {one.why}", "[[class]]", f'name = "{one.name}"', "srvs = ["]
    lines += [f'  "{srv}",'.ljust(14) + f"# {name}" for srv, name in named.items()]
    lines.append("]")
    lines.append(f"reserve = {reserve}")
    return "\n".join(lines) + "\n"
