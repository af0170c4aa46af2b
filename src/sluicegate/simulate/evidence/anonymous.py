"""A summary in which nobody can be told by name, nor by size.

Everything that is in the result was put there on purpose: what a later version adds to a summary does not get into it
by itself. What is left of a User is told relative to itself, so a User of ten times the size would look the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluicegate.simulate.evidence.cover import OTHERS, Cover, cover

Summary = Mapping[str, Any]
Measures = Mapping[str, Any]
PERCENTILES = ("p50", "p95", "p99")
COUNTS = (
    "offered",
    "delivered",
    "returned",
    "given_up",
    "quarantined",
    "pending",
    "throttled",
    "answers",
    "failed",
    "retries",
    "in_time",
    "conforming",
    "harmed",
)
_EDGES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 86400.0)
_BINS = 48
_FEWEST_IN_BIN = 10  # so that steps of a tenth do not show how few there were
_SCENARIO = (
    "date",
    "first_second",
    "seconds",
    "drain",
    "seed",
    "scale",
    "requests",
    "background",
    "maximum",
    "operating_threshold",
    "burst_seconds",
    "dsp_capacity",
)
_DSP = ("outages", "outage_minutes", "peak", "most_held", "refused", "lost", "utilisation")
_CSP = ("peak", "peak_minute", "most_backlog", "most_waiting", "attempts", "failures")
_URGENT = ("offered", "delivered", "in_time", "share", *PERCENTILES)
_COSTS = ("capacity", "outages", "late", "undelivered", "delay", "change", "total_year")
_TOTALS = (
    "step",
    "t",
    "offered",
    "attempts",
    "admitted",
    "delivered",
    "throttled",
    "failed",
    "down",
    "active",
    "users_step",
    "users_t",
)


def anonymous(summary: Summary, key: bytes) -> dict[str, Any]:
    """The same shape, with pseudonyms and bands. Users' counts are parts of 100 requests; see docs/anonymous.md.

    Raises ValueError where the key has fewer than 16 octets, or there are fewer than three Users.
    """
    if summary["anonymous"]:
        return dict(summary)
    mask = cover(summary, key)
    policies = summary["policies"]
    return {
        "sluicegate": summary["sluicegate"],
        "what": summary["what"],
        "complete": summary["complete"],
        "anonymous": True,
        "scenario": _scenario(summary["scenario"], mask),
        "users": sorted((_user(user, mask) for user in summary["users"]), key=lambda user: str(user["name"])),
        "roles": sorted(set(mask.roles.values())),
        "kinds": summary["kinds"],
        "csps": summary["csps"],
        "policies": [_policy(policy, mask, shapes) for policy, shapes in zip(policies, _shapes(policies), strict=True)],
        "sweep": _sweep(summary["sweep"], mask),
    }


def anonymous_rows(rows: Iterable[Mapping[str, Any]], summary: Summary, key: bytes) -> Iterator[dict[str, Any]]:
    """The rows of results.parquet that go with ``anonymous(summary, key)``; ``summary`` is the one with the names.

    Rows of `scope` "cell" are left out, and Roles are merged. Raises as `anonymous`.
    """
    mask = cover(summary, key)
    users, roles = [], dict[tuple[str, str], list[Mapping[str, Any]]]()
    for row in rows:
        if row["scope"] == "user":
            place = {"user": mask.users[row["user"]], "role": mask.roles.get(row["role"])}
            users.append({**row, **place, **_relative(row)})
        elif row["scope"] == "role":
            roles.setdefault((row["policy"], mask.roles[row["role"]]), []).append(row)
        elif row["scope"] != "cell":
            yield dict(row) if row["scope"] == "all" else {**row, **_rounded(row)}
    for (_, role), some in sorted(roles.items()):
        yield {**some[0], "role": role, **_rounded(_merged(some, role))}
    yield from sorted(users, key=lambda row: (row["policy"], row["user"]))


def _scenario(scenario: Mapping[str, Any], mask: Cover) -> dict[str, Any]:
    told = {name: mask.text(scenario[name]) for name in ("name", "title", "description")}
    assumptions = [text for one in scenario["assumptions"] if (text := mask.text(one))]
    return {**told, **{name: scenario[name] for name in _SCENARIO}, "assumptions": assumptions}


def _user(user: Mapping[str, Any], mask: Cover) -> dict[str, Any]:
    name = user["name"]
    size = {"allocation": mask.bands[name], "meters": None, "share": None}
    return {"name": mask.users[name], "role": mask.roles[user["role"]], **size}


def _policy(policy: Mapping[str, Any], mask: Cover, shapes: Mapping[str, Any]) -> dict[str, Any]:
    harm = policy["harm"]
    offered = {name: one["offered"] for name, one in policy["users"].items()}
    harmed = {
        name: {field: _hundredths(one[field], offered.get(name, 0)) for field in ("conforming", "harmed")}
        for name, one in harm["users"].items()
    }
    return {
        "name": policy["name"],
        "title": mask.text(policy["title"]),
        "explanation": mask.text(policy["explanation"]),
        "total": dict(_known(policy["total"])),
        "users": _renamed({name: _relative(one) for name, one in policy["users"].items()}, mask),
        "roles": _roles(policy["roles"], mask),
        "kinds": {name: _rounded(one) for name, one in policy["kinds"].items()},
        "csps": {name: {**_rounded(one), **_picked(one, _CSP)} for name, one in policy["csps"].items()},
        "dsp": _picked(policy["dsp"], _DSP),
        "urgent": _picked(policy["urgent"], _URGENT),
        "harm": {**_picked(harm, ("conforming", "harmed", "share")), "users": _renamed(harmed, mask)},
        **_picked(policy, ("amplification", "jain", "active_minutes")),
        "equivalent_capacity": _equivalent(policy["equivalent_capacity"], mask),
        "costs": {**_picked(policy["costs"], _COSTS), "users": {}} if policy["costs"] else None,
        "series": _series(policy["series"], mask, shapes),
    }


def _picked(what: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {field: what[field] for field in fields if field in what}


def _renamed(by_user: Mapping[str, Any], mask: Cover) -> dict[str, Any]:
    """In the order of the pseudonyms: the order of the names may be one of size."""
    return dict(sorted((mask.users[name], one) for name, one in by_user.items()))


def _known(measures: Measures) -> Iterator[tuple[str, Any]]:
    return ((field, measures[field]) for field in (*COUNTS, *PERCENTILES))


def _relative(measures: Measures) -> dict[str, Any]:
    """One User's measures: counts of 100 requests, times as the upper edge of a band."""
    counts = {field: _hundredths(measures[field], measures["offered"]) for field in COUNTS}
    return {**counts, **{field: _edge(measures[field]) for field in PERCENTILES}}


def _hundredths(some: float, offered: float) -> int:
    """Parts of 100, never 0 of some nor 100 of less than all; what is beyond all in two figures."""
    if not offered or not some:
        return 0
    parts = 100 * some / offered
    if some == offered:
        return 100
    return min(99, max(1, round(parts))) if some < offered else max(101, int(float(f"{parts:.2g}")))


def _edge(time: float | None) -> float | None:
    return None if time is None else next((edge for edge in _EDGES if time <= edge), _EDGES[-1] * 7)


def _rounded(measures: Measures) -> dict[str, Any]:
    """Sums in three figures: where one User is all of a sum, its number is not to be read off."""
    return {field: float(f"{value:.3g}") if value else value for field, value in _known(measures)}


def _roles(roles: Mapping[str, Measures], mask: Cover) -> dict[str, Any]:
    groups: dict[str, list[Measures]] = {}
    for role, measures in roles.items():
        groups.setdefault(mask.roles.get(role, OTHERS), []).append(measures)
    return {role: _rounded(_merged(some, role)) for role, some in sorted(groups.items())}


def _merged(some: Sequence[Measures], role: str) -> Measures:
    """Counts add up; percentiles do not, so that the others together have none."""
    if role != OTHERS:
        return some[0]
    return {field: sum(one[field] for one in some) for field in COUNTS} | dict.fromkeys(PERCENTILES)


def _equivalent(bought: Mapping[str, Any] | None, mask: Cover) -> dict[str, Any] | None:
    return None if bought is None else {**_picked(bought, ("k", "reached", "tried")), "why": mask.text(bought["why"])}


def _sweep(sweep: Mapping[str, Any] | None, mask: Cover) -> Mapping[str, Any] | None:
    """As it is, but for one of a User's own settings: its values would be that User's size."""
    own = sweep and any(mask.text(one["path"]) != one["path"] for one in sweep["parameters"])
    return None if own else sweep


def _series(series: Mapping[str, Any], mask: Cover, shapes: Mapping[str, Any]) -> dict[str, Any]:
    return {**_picked(series, _TOTALS), "users": _renamed(shapes, mask), "csps": series["csps"]}


Curves = Mapping[str, Sequence[float]]


def _shapes(policies: Sequence[Mapping[str, Any]]) -> list[dict[str, dict[str, list[float]]]]:
    """Each policy's curves of Users, in few steps and in tenths of the User's highest point under any of them.

    Where that is a handful of requests, the User has none: the tenths would show how few.
    """
    highest: dict[str, float] = {}
    fewest: dict[str, float] = {}
    for policy in policies:
        series = policy["series"]
        for name, curves in series["users"].items():
            wide = _wide(curves)
            most = max((max(_means(values, wide), default=0.0) for values in curves.values()), default=0.0)
            highest[name] = max(highest.get(name, 0.0), most)
            fewest[name] = _FEWEST_IN_BIN / (wide * series.get("users_step", series["step"]))
    return [
        {
            name: {field: _tenths(values, _wide(curves), highest[name]) for field, values in curves.items()}
            for name, curves in policy["series"]["users"].items()
            if highest[name] >= fewest[name]
        }
        for policy in policies
    ]


def _wide(curves: Curves) -> int:
    return max(1, -(-max((len(values) for values in curves.values()), default=0) // _BINS))


def _means(values: Sequence[float], wide: int) -> list[float]:
    """Of each so many values; the last ones may be fewer."""
    parts = (values[start : start + wide] for start in range(0, len(values), wide))
    return [sum(part) / len(part) for part in parts]


def _tenths(values: Sequence[float], wide: int, highest: float) -> list[float]:
    means = _means(values, wide)
    return [round(means[place // wide] / highest, 1) for place in range(len(values))]
